/**
 * For tests: a program that does one system call after another, as it is told on its standard input:
 * lines of JSON, [name, ...arguments]. Answers with lines of JSON: what the call gave, or the name of
 * its errno. Node's ffi has the calls that node:fs lacks.
 */
import ffi from "node:ffi";
import fs from "node:fs";
import { createInterface } from "node:readline";
import { ERRNO } from "@xiplab/core";

const INT = "int32";
const LONG = "int64";
const DATA = "buffer";

const { functions: libc } = ffi.dlopen("libc.so.6", {
  __errno_location: { arguments: [], return: "pointer" },
  lseek: { arguments: [INT, LONG, INT], return: LONG },
  flock: { arguments: [INT, INT], return: INT },
  fcntl: { arguments: [INT, INT, DATA], return: INT },
  fallocate: { arguments: [INT, INT, LONG, LONG], return: INT },
  linkat: { arguments: [INT, DATA, INT, DATA, INT], return: INT },
  copy_file_range: { arguments: [INT, DATA, INT, DATA, LONG, INT], return: LONG },
  ioctl: { arguments: [INT, LONG, DATA], return: INT },
  mmap: { arguments: [LONG, LONG, INT, INT, INT, LONG], return: LONG },
  munmap: { arguments: [LONG, LONG], return: INT },
  msync: { arguments: [LONG, LONG, INT], return: INT },
});

const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MS_SYNC = 4;

const ErrnoNames = new Map<number, string>(Object.entries(ERRNO).map(([name, no]) => [no, name]));

/** What libc returned, as a number. @throws Error with the name of the errno */
function done(returned: number | bigint): number {
  const value = Number(returned);
  if (value !== -1) return value;
  const errno = ffi.getInt32(libc.__errno_location());
  throw new Error(ErrnoNames.get(errno) ?? `errno ${errno}`);
}

const cString = (text: string): Buffer => Buffer.from(`${text}\0`);
const maps = new Map<bigint, { readonly bytes: Uint8Array; readonly length: bigint }>();

/** struct flock. */
function lockRecord(type: number, start: number, length: number): Buffer {
  const record = Buffer.alloc(32);
  record.writeInt16LE(type, 0);
  record.writeBigInt64LE(BigInt(start), 8);
  record.writeBigInt64LE(BigInt(length), 16);
  return record;
}

function position(value: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64LE(BigInt(value));
  return buffer;
}

type Calls = Record<string, (...args: never[]) => unknown>;

const calls: Calls = {
  open: (path: string, flags: number, mode = 0o644) => fs.openSync(path, flags, mode),
  close: (fd: number) => fs.closeSync(fd),
  read(fd: number, pos: number, length: number) {
    const buffer = Buffer.alloc(length);
    return buffer.toString("latin1", 0, fs.readSync(fd, buffer, 0, length, pos));
  },
  write: (fd: number, pos: number | null, text: string) => fs.writeSync(fd, text, pos, "latin1"),
  truncate: (fd: number, size: number) => fs.ftruncateSync(fd, size),
  fsync: (fd: number) => fs.fsyncSync(fd),
  seek: (fd: number, pos: number, whence: number) => done(libc.lseek(fd, BigInt(pos), whence)),
  flock: (fd: number, operation: number) => done(libc.flock(fd, operation)),
  /** `command`: F_GETLK 5, F_SETLK 6, F_SETLKW 7, OFD: 36, 37, 38. Gives type, start, length, pid. */
  lock(fd: number, command: number, type: number, start: number, length: number) {
    const record = lockRecord(type, start, length);
    done(libc.fcntl(fd, command, record));
    const [from, size] = [record.readBigInt64LE(8), record.readBigInt64LE(16)];
    return [record.readInt16LE(0), Number(from), Number(size), record.readInt32LE(24)];
  },
  fallocate: (fd: number, mode: number, pos: number, length: number) =>
    done(libc.fallocate(fd, mode, BigInt(pos), BigInt(length))),
  linkFile: (fd: number, path: string) =>
    done(
      libc.linkat(
        AT_FDCWD,
        cString(`/proc/self/fd/${fd}`),
        AT_FDCWD,
        cString(path),
        AT_SYMLINK_FOLLOW,
      ),
    ),
  copy: (from: number, at: number, to: number, target: number, length: number) =>
    done(libc.copy_file_range(from, position(at), to, position(target), BigInt(length), 0)),
  /** Gives the argument back, in hex. */
  ioctl(fd: number, command: number, argument: string) {
    const buffer = Buffer.from(argument, "hex");
    done(libc.ioctl(fd, BigInt(command), buffer));
    return buffer.toString("hex");
  },
  /** Gives the address. */
  map(fd: number, length: number) {
    const size = BigInt(length);
    const address = libc.mmap(0n, size, PROT_READ_WRITE, MAP_SHARED, fd, 0n);
    done(address);
    maps.set(address, {
      bytes: new Uint8Array(ffi.toArrayBuffer(address, length, false)),
      length: size,
    });
    return String(address);
  },
  load(address: string, at: number, length: number) {
    const { bytes } = maps.get(BigInt(address))!;
    return Buffer.from(bytes.subarray(at, at + length)).toString("latin1");
  },
  store(address: string, at: number, text: string) {
    maps.get(BigInt(address))!.bytes.set(Buffer.from(text, "latin1"), at);
  },
  msync: (address: string) =>
    done(libc.msync(BigInt(address), maps.get(BigInt(address))!.length, MS_SYNC)),
  unmap(address: string) {
    const { length } = maps.get(BigInt(address))!;
    maps.delete(BigInt(address));
    return done(libc.munmap(BigInt(address), length));
  },
  unmapAll() {
    for (const [address, { length }] of maps) done(libc.munmap(address, length));
    maps.clear();
  },
  mode: (path: string) => fs.statSync(path).mode & 0o7777,
  size: (path: string) => fs.statSync(path).size,
  blocks: (path: string) => fs.statSync(path).blocks,
  chmod: (path: string, mode: number) => fs.chmodSync(path, mode),
  unlink: (path: string) => fs.unlinkSync(path),
  /** Become another user, for good. */
  become(uid: number, gid: number) {
    process.setgroups!([]);
    process.setgid!(gid);
    process.setuid!(uid);
  },
};

// So that it interrupts a call and does not end the process.
process.on("SIGUSR2", () => {});

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...args] = JSON.parse(line) as [string, ...never[]];
  let answer: unknown;
  try {
    answer = { ok: calls[name]!(...args) ?? null };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    answer = { error: code ?? message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
