/**
 * XIP against the bare copy: the same 64 MiB of bytes, read and overwritten at the same offsets, once
 * through `Task.pread` and `Task.pwrite`, once with `Uint8Array.set`, in one process and in turn.
 *
 * The loops are written out twice, on purpose: one function for both would make its calls
 * polymorphic, and the bare copy would pay for that.
 */
import { O_CREAT, O_RDWR, type OpenFile, type Name, type Task } from "@xiplab/core";
import type { Batch } from "./batch.ts";
import { FILE_BYTES, IO_BYTES, randomOffsets } from "./operations.ts";
import { MEMCPY, type OurName, type TargetName } from "./protocol.ts";
import { openTask } from "./targets/xiplab.ts";

const SEQUENTIAL_BYTES = 2 ** 20;

type Pair = ReadonlyMap<TargetName, Batch>;

/** Batches of one row: ours, and the bare copy. */
export function prepareXip(op: string, whose: OurName): Pair {
  const overwrite = op.startsWith("xip overwrite");
  const random = op.includes("random");
  const offsets = random ? randomOffsets() : sequentialOffsets();
  const bytes = random ? IO_BYTES : SEQUENTIAL_BYTES;
  return overwrite ? overwrites(whose, offsets, bytes) : reads(whose, offsets, bytes);
}

function reads(whose: OurName, offsets: readonly number[], bytes: number): Pair {
  const { task, file } = writtenFile(whose);
  const memory = writtenMemory();
  const target = new Uint8Array(bytes);
  const xiplab: Batch = {
    ops: offsets.length,
    run: (first, end) => {
      for (let at = first; at < end; at++) task.pread(file, target, 0, bytes, offsets[at]!);
    },
  };
  const memcpy: Batch = {
    ops: offsets.length,
    run: (first, end) => {
      for (let at = first; at < end; at++) {
        target.set(memory.subarray(offsets[at]!, offsets[at]! + bytes));
      }
    },
  };
  return new Map([
    [whose, xiplab],
    [MEMCPY, memcpy],
  ]);
}

function overwrites(whose: OurName, offsets: readonly number[], bytes: number): Pair {
  const { task, file } = writtenFile(whose);
  const memory = writtenMemory();
  const source = new Uint8Array(bytes).fill(0xa5);
  const xiplab: Batch = {
    ops: offsets.length,
    run: (first, end) => {
      for (let at = first; at < end; at++) task.pwrite(file, source, 0, bytes, offsets[at]!);
    },
  };
  const memcpy: Batch = {
    ops: offsets.length,
    run: (first, end) => {
      for (let at = first; at < end; at++) memory.set(source, offsets[at]!);
    },
  };
  return new Map([
    [whose, xiplab],
    [MEMCPY, memcpy],
  ]);
}

function sequentialOffsets(): number[] {
  return Array.from(
    { length: FILE_BYTES / SEQUENTIAL_BYTES },
    (_, index) => index * SEQUENTIAL_BYTES,
  );
}

/** A file whose every byte was written, so that no page of the memory is touched first on the clock. */
function writtenFile(whose: OurName): { task: Task; file: OpenFile } {
  const task = openTask(whose, 0);
  const file = task.open("/file" as Name, O_CREAT | O_RDWR, 0o600);
  const chunk = new Uint8Array(SEQUENTIAL_BYTES).fill(0x5a);
  for (const offset of sequentialOffsets()) task.pwrite(file, chunk, 0, chunk.length, offset);
  return { task, file };
}

function writtenMemory(): Uint8Array {
  return new Uint8Array(FILE_BYTES).fill(0x5a);
}
