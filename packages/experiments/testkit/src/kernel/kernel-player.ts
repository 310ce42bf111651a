/**
 * Operations played on the file system of the machine, inside a directory that has been made the
 * root (chroot): the referee of the model. Root only, Linux only, in a process of its own.
 */
import fs from "node:fs";
import {
  FsError,
  O_ACCMODE,
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_HOLE,
  SEEK_SET,
} from "@xiplab/core";
import { firstNonZero } from "../bytes.ts";
import type { Tree } from "../compare/tree.ts";
import { type FileRef, OK, type Operation, type Result, type Value } from "../operations.ts";
import { pattern } from "../pattern.ts";
import { UMASK, USERS, type UserName } from "../users.ts";
import { playNames } from "./kernel-names.ts";
import { removeBelow, removeXattrs, treeOfKernel } from "./kernel-tree.ts";
import { cString, done, libc } from "./libc.ts";

const F_GETFL = 3;
const MS_SYNC = 4;

interface KernelRegion {
  readonly address: bigint;
  readonly length: number;
  readonly pos: number;
  readonly writable: boolean;
  /** A descriptor of the file, to know its size. */
  readonly fd: number;
}

export class KernelPlayer {
  private readonly files = new Map<number, number>();
  private readonly regions = new Map<number, KernelRegion>();
  /** Memory behind a descriptor: bytes go through it, so that a bus error is EFAULT, not a signal. */
  private readonly scratch: number;
  private user: UserName = "root";

  constructor() {
    process.umask(UMASK);
    process.setgroups!([]);
    this.scratch = done(libc.memfd_create(cString("scratch"), 0));
  }

  apply(operation: Operation): Result {
    this.become(operation.as ?? "root");
    try {
      const value = this.play(operation);
      return value === "SIGBUS" ? { error: "SIGBUS" } : value === null ? OK : { ok: value };
    } catch (error) {
      if (error instanceof FsError) return { error: error.code };
      throw error;
    }
  }

  /** Close everything and empty the root. */
  reset(): void {
    this.become("root");
    this.exit();
    removeBelow("/");
    removeXattrs("/");
    fs.chmodSync("/", 0o755);
    fs.chownSync("/", 0, 0);
  }

  tree(): Tree {
    this.become("root");
    return treeOfKernel();
  }

  private exit(): void {
    for (const fd of this.files.values()) fs.closeSync(fd);
    for (const region of this.regions.values()) this.unmap(region);
    this.files.clear();
    this.regions.clear();
  }

  private become(name: UserName): void {
    if (this.user === name) return;
    process.seteuid!(0);
    process.setegid!(0);
    const { uid, gid, groups } = USERS[name];
    process.setgroups!([...groups]);
    process.setegid!(gid);
    process.seteuid!(uid);
    this.user = name;
  }

  private play(o: Operation): Value {
    switch (o.op) {
      case "open":
        if (this.files.has(o.slot)) throw new FsError("EMFILE");
        this.files.set(o.slot, done(libc.open(cString(o.path), o.flags, o.mode)));
        return null;
      case "close":
        done(libc.close(this.fdOf(o.slot)));
        this.files.delete(o.slot);
        return null;
      case "create": {
        const flags = O_CREAT | O_EXCL | O_WRONLY;
        done(libc.close(done(libc.open(cString(o.path), flags, o.mode))));
        return null;
      }
      case "read":
        return this.withFile(o.file, O_RDONLY, (fd) => {
          const bytes = new Uint8Array(o.length);
          const length = BigInt(o.length);
          const got = done(
            o.pos === null
              ? libc.read(fd, bytes, length)
              : libc.pread(fd, bytes, length, BigInt(o.pos)),
          );
          return bytes.slice(0, got);
        });
      case "write":
        return this.write(o);
      case "seek":
        return done(libc.lseek(this.fdOf(o.slot), BigInt(o.offset), o.whence));
      case "truncate":
        if (typeof o.file === "string") done(libc.truncate(cString(o.file), BigInt(o.size)));
        else done(libc.ftruncate(this.fdOf(o.file), BigInt(o.size)));
        return null;
      case "fallocate":
        return this.withFile(o.file, O_WRONLY, (fd) => {
          done(libc.fallocate(fd, o.mode, BigInt(o.pos), BigInt(o.length)));
          return null;
        });
      default:
        return this.playMapping(o);
    }
  }

  private write(o: Extract<Operation, { op: "write" }>): Value {
    const flags = o.pos === null ? O_WRONLY | O_APPEND : O_WRONLY;
    return this.withFile(o.file, flags, (fd) => {
      const appends = (libc.fcntl(fd, F_GETFL, 0n) & O_APPEND) !== 0;
      const position = o.pos ?? Number(libc.lseek(fd, 0n, SEEK_CUR));
      const at = appends ? fs.fstatSync(fd).size : position;
      const bytes = pattern(o.seed, at, o.length);
      const length = BigInt(o.length);
      return done(
        o.pos === null
          ? libc.write(fd, bytes, length)
          : libc.pwrite(fd, bytes, length, BigInt(o.pos)),
      );
    });
  }

  private playMapping(o: Operation): Value {
    switch (o.op) {
      case "fsync":
        return this.withFile(o.file, O_RDONLY, (fd) => {
          done(o.datasync === true ? libc.fdatasync(fd) : libc.fsync(fd));
          return null;
        });
      case "sync":
        return null;
      case "remount":
        this.exit();
        return null;
      case "extents":
        return this.withFile(o.file, O_RDONLY, walkExtents);
      case "map":
        if (this.regions.has(o.region)) throw new FsError("EMFILE");
        this.regions.set(o.region, this.map(o));
        return null;
      case "load":
        return this.load(this.regionOf(o.region), o.offset, o.length);
      case "store": {
        const region = this.regionOf(o.region);
        return this.store(region, o.offset, pattern(o.seed, region.pos + o.offset, o.length));
      }
      case "msync": {
        const { address, length } = this.regionOf(o.region);
        if (o.offset + o.length > length) throw new FsError("EFAULT");
        done(libc.msync(address, BigInt(length), MS_SYNC));
        return null;
      }
      case "unmap":
        this.unmap(this.regionOf(o.region));
        this.regions.delete(o.region);
        return null;
      default:
        return playNames(o, (slot) => this.fdOf(slot));
    }
  }

  private map(o: Extract<Operation, { op: "map" }>): KernelRegion {
    const [PROT_READ, PROT_WRITE, MAP_SHARED, MAP_PRIVATE] = [1, 2, 1, 2];
    const protection = PROT_READ | (o.writable ? PROT_WRITE : 0);
    const how = o.shared ? MAP_SHARED : MAP_PRIVATE;
    return this.withFile(o.file, O_RDWR, (fd) => {
      const address = libc.mmap(0n, BigInt(o.length), protection, how, fd, BigInt(o.pos));
      done(address === -1n ? -1 : 0);
      const { length, pos, writable } = o;
      return { address, length, pos, writable, fd: done(libc.dup(fd)) };
    });
  }

  private unmap(region: KernelRegion): void {
    done(libc.munmap(region.address, BigInt(region.length)));
    fs.closeSync(region.fd);
  }

  /** The kernel copies from the mapping, so a page beyond the end of the file is EFAULT. */
  private load(region: KernelRegion, offset: number, length: number): Uint8Array | "SIGBUS" {
    if (offset + length > region.length) throw new FsError("EFAULT");
    const address = region.address + BigInt(offset);
    const copied = Number(libc.pwrite(this.scratch, address, BigInt(length), 0n));
    if (copied < length) return "SIGBUS";
    const inFile = Math.max(0, fs.fstatSync(region.fd).size - region.pos - offset);
    const bytes = new Uint8Array(Math.min(length, inFile));
    fs.readSync(this.scratch, bytes, 0, bytes.length, 0);
    return bytes;
  }

  private store(region: KernelRegion, offset: number, data: Uint8Array): null | "SIGBUS" {
    if (offset + data.length > region.length) throw new FsError("EFAULT");
    if (!region.writable) throw new FsError("EACCES");
    if (data.length > 0) fs.writeSync(this.scratch, data, 0, data.length, 0);
    const address = region.address + BigInt(offset);
    const copied = Number(libc.pread(this.scratch, address, BigInt(data.length), 0n));
    return copied < data.length ? "SIGBUS" : null;
  }

  private fdOf(slot: number): number {
    const fd = this.files.get(slot);
    if (fd === undefined) throw new FsError("EBADF");
    return fd;
  }

  private regionOf(slot: number): KernelRegion {
    const region = this.regions.get(slot);
    if (region === undefined) throw new FsError("EBADF");
    return region;
  }

  private withFile<T>(file: FileRef, flags: number, use: (fd: number) => T): T {
    if (typeof file === "number") return use(this.fdOf(file));
    const fd = done(libc.open(cString(file), flags, 0));
    try {
      return use(fd);
    } finally {
      fs.closeSync(fd);
    }
  }
}

/** Walk data and holes to the end; what is called a hole must read as zeros. */
function walkExtents(fd: number): Value {
  const stat = fs.fstatSync(fd);
  if (!stat.isFile()) throw new FsError("EISDIR");
  if ((libc.fcntl(fd, F_GETFL, 0n) & O_ACCMODE) === O_WRONLY) throw new FsError("EBADF");
  const position = libc.lseek(fd, 0n, SEEK_CUR);
  let pos = 0;
  while (pos < stat.size) {
    const data = Number(libc.lseek(fd, BigInt(pos), SEEK_DATA));
    const holeEnd = data === -1 ? stat.size : data;
    if (holeEnd - pos <= 2 ** 23) {
      const hole = new Uint8Array(holeEnd - pos);
      fs.readSync(fd, hole, 0, hole.length, pos);
      if (firstNonZero(hole) >= 0) return `bytes in the hole at ${pos}`;
    }
    if (data === -1) break;
    pos = done(libc.lseek(fd, BigInt(data), SEEK_HOLE));
  }
  libc.lseek(fd, position, SEEK_SET);
  return stat.size;
}
