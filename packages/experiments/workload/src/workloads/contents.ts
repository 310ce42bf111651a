/** Helpers that the workloads share: fixed contents, and reading them back. */
import { crc32 } from "node:zlib";
import { type Name, O_RDONLY, type Task } from "@xiplab/core";
import { Random } from "../random.ts";

/** Permission bits of the files that workloads make. */
export const FILE_MODE = 0o644;

/** Copy granularity, as cp(1) has it. */
const CHUNK_BYTES = 128 * 1024;

const pools = new Map<number, Uint8Array>();
const POOL_BYTES = 1024 * 1024;

/** 1 MiB of random bytes of `seed`, made once: slices of it are what workloads write. */
export function contentPool(seed: number): Uint8Array {
  let pool = pools.get(seed);
  if (pool === undefined) {
    pool = new Random(seed).bytes(POOL_BYTES);
    pools.set(seed, pool);
  }
  return pool;
}

const chunk = new Uint8Array(CHUNK_BYTES);

/** CRC-32 of `length` bytes of a file from its start, read in chunks; -1 for a short file. */
export function checksumFile(task: Task, path: Name, length: number): number {
  const file = task.open(path, O_RDONLY, 0);
  try {
    let crc = 0;
    for (let pos = 0; pos < length;) {
      const wanted = Math.min(CHUNK_BYTES, length - pos);
      const got = task.pread(file, chunk, 0, wanted, pos);
      if (got === 0) return -1;
      crc = crc32(chunk.subarray(0, got), crc);
      pos += got;
    }
    return crc;
  } finally {
    task.close(file);
  }
}

/** Where a file differs from `expected`, in words; null where it does not. */
export function compareFile(task: Task, path: Name, expected: Uint8Array): string | null {
  const { size } = task.stat(path);
  if (size !== expected.length) return `${path}: size ${size}, expected ${expected.length}`;
  if (checksumFile(task, path, expected.length) === crc32(expected)) return null;
  const found = new Uint8Array(expected.length);
  const file = task.open(path, O_RDONLY, 0);
  const length = task.pread(file, found, 0, found.length, 0);
  task.close(file);
  const at = found.findIndex((byte, index) => byte !== expected[index]);
  const show = (byte: number): string => `0x${byte.toString(16).padStart(2, "0")}`;
  if (length < expected.length) return `${path}: short read of ${length} bytes`;
  return `${path}: byte ${at} is ${show(found[at]!)}, expected ${show(expected[at]!)}`;
}
