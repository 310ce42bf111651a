/**
 * What mapping needs of the C library, by Node's ffi. Addresses and lengths are numbers here: both are
 * below 2^53. Failures come as those of `node:fs`: an Error with a `code` and a `syscall`.
 */
import { getSystemErrorMessage, getSystemErrorName } from "node:util";
import type * as NodeFfi from "node:ffi";

/** The values that every Linux has in common (asm-generic), but mips, alpha, parisc and xtensa. */
const PROT_READ = 0x1;
const PROT_WRITE = 0x2;
const MAP_SHARED = 0x01;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MADV_POPULATE_READ = 22;
const MADV_POPULATE_WRITE = 23;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const FALLOC_FL_KEEP_SIZE = 0x01;
const EINTR = 4;
const ENXIO = 6;

type Ffi = typeof NodeFfi;
type Functions = ReturnType<typeof resolve>["functions"];

function resolve(ffi: Ffi) {
  // Of the process itself, which has a C library, whatever its name is.
  return ffi.dlopen(null, {
    __errno_location: { arguments: [], return: "pointer" },
    mmap: { arguments: ["int64", "int64", "int32", "int32", "int32", "int64"], return: "int64" },
    munmap: { arguments: ["int64", "int64"], return: "int32" },
    madvise: { arguments: ["int64", "int64", "int32"], return: "int32" },
    lseek: { arguments: ["int32", "int64", "int32"], return: "int64" },
    fallocate: { arguments: ["int32", "int32", "int64", "int64"], return: "int32" },
  });
}

export class Libc {
  private readonly ffi: Ffi;
  private readonly functions: Functions;

  /** @throws Error where the C library is none that we know */
  constructor(ffi: Ffi) {
    this.ffi = ffi;
    this.functions = resolve(ffi).functions;
  }

  /** Address space that reads as zeros, takes no memory, and must not be stored to. */
  reserve(length: number): number {
    return this.mmap(0, length, PROT_READ, MAP_PRIVATE, -1, 0);
  }

  /** Turn mapped memory into what `reserve` gives, at the same address. */
  reserveAgain(address: number, length: number): void {
    this.mmap(address, length, PROT_READ, MAP_PRIVATE | MAP_FIXED, -1, 0);
  }

  /** Put a part of a file where reserved memory was. */
  share(address: number, length: number, fd: number, at: number, isWritable: boolean): void {
    const protection = isWritable ? PROT_READ | PROT_WRITE : PROT_READ;
    this.mmap(address, length, protection, MAP_SHARED | MAP_FIXED, fd, at);
  }

  unmap(address: number, length: number): void {
    this.check("munmap", this.functions.munmap(BigInt(address), BigInt(length)));
  }

  /** Have the host back pages for stores, without changing what they hold. */
  populate(address: number, length: number): void {
    const { madvise } = this.functions;
    this.check("madvise", madvise(BigInt(address), BigInt(length), MADV_POPULATE_WRITE));
  }

  /** Does the host know of populating, by pages of this length? @throws Error EINVAL */
  probePopulate(address: number, length: number): void {
    const { madvise } = this.functions;
    this.check("madvise", madvise(BigInt(address), BigInt(length), MADV_POPULATE_READ));
  }

  /** Allocate a range of a file, which does not become longer. */
  allocate(fd: number, at: number, length: number): void {
    const { fallocate } = this.functions;
    const call = () => fallocate(fd, FALLOC_FL_KEEP_SIZE, BigInt(at), BigInt(length));
    // In memory it is given up for any signal, such as that of a child that ended.
    let returned = call();
    while (returned === -1 && this.errno() === EINTR) returned = call();
    this.check("fallocate", returned);
  }

  /** The first byte from `at` on that is in no hole; Infinity where there is none. */
  nextData(fd: number, at: number): number {
    return this.seek(fd, at, SEEK_DATA);
  }

  /** The first byte from `at` on that is in a hole; Infinity beyond the end of the file. */
  nextHole(fd: number, at: number): number {
    return this.seek(fd, at, SEEK_HOLE);
  }

  /** The memory at an address, not a copy of it. */
  memory(address: number, length: number): ArrayBuffer {
    return this.ffi.toArrayBuffer(BigInt(address), length, false);
  }

  private seek(fd: number, at: number, whence: number): number {
    const found = Number(this.functions.lseek(fd, BigInt(at), whence));
    if (found === -1 && this.errno() === ENXIO) return Number.POSITIVE_INFINITY;
    return this.check("lseek", found);
  }

  private mmap(
    address: number,
    length: number,
    protection: number,
    kind: number,
    fd: number,
    at: number,
  ): number {
    const flags = fd < 0 ? kind | MAP_ANONYMOUS | MAP_NORESERVE : kind;
    const { mmap } = this.functions;
    const mapped = mmap(BigInt(address), BigInt(length), protection, flags, fd, BigInt(at));
    return this.check("mmap", mapped);
  }

  /** @throws Error for -1 */
  private check(syscall: string, returned: number | bigint): number {
    const value = Number(returned);
    if (value !== -1) return value;
    throw systemError(syscall, this.errno());
  }

  private errno(): number {
    return this.ffi.getInt32(this.functions.__errno_location());
  }
}

/** As libuv makes them. */
function systemError(syscall: string, errno: number): Error {
  const code = getSystemErrorName(-errno);
  const message = `${code}: ${getSystemErrorMessage(-errno)}, ${syscall}`;
  return Object.assign(new Error(message), { code, errno: -errno, syscall });
}
