/** The same scenarios on xiplab's ext4, without a kernel. */
import { createHash } from "node:crypto";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  FIEMAP_EXTENT_UNWRITTEN,
  nameFromUtf8,
  O_CREAT,
  O_RDWR,
  type OpenFile,
  type Task,
} from "@xiplab/core";
import type { Outcome } from "./outcome.ts";
import type { Scenario, Step } from "./scenarios.ts";

const BLOCK = 4096;

/** Do the steps on a new file, and say what they left. */
export function playHere(task: Task, { name, steps }: Scenario): Outcome {
  const file = task.open(nameFromUtf8(`/${name}`), O_CREAT | O_RDWR, 0o644);
  for (const step of steps) play(task, file, step);
  const outcome = outcomeOf(task, file);
  task.close(file);
  return outcome;
}

/** What a file looks like, from its open form. */
export function outcomeOf(task: Task, file: OpenFile): Outcome {
  const { size } = task.fstat(file);
  const content = new Uint8Array(size);
  task.pread(file, content, 0, size, 0);
  const extents = task.fiemap(file, 0, Number.MAX_SAFE_INTEGER / 2).map((extent) => ({
    lblk: extent.logical / BLOCK,
    length: extent.length / BLOCK,
    pblk: extent.physical / BLOCK,
    unwritten: (extent.flags & FIEMAP_EXTENT_UNWRITTEN) !== 0,
  }));
  return { size, digest: createHash("sha256").update(content).digest("hex"), extents };
}

function play(task: Task, file: OpenFile, step: Step): void {
  switch (step.do) {
    case "falloc":
      return task.fallocate(
        file,
        step.keep === true ? FALLOC_FL_KEEP_SIZE : 0,
        step.pos,
        step.length,
      );
    case "write":
      task.pwrite(file, new Uint8Array(step.length).fill(step.fill), 0, step.length, step.pos);
      return;
    case "store":
      return store(task, file, step);
    case "punch":
      return task.fallocate(
        file,
        FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
        step.pos,
        step.length,
      );
    case "zero":
      return task.fallocate(file, FALLOC_FL_ZERO_RANGE, step.pos, step.length);
    case "collapse":
      return task.fallocate(file, FALLOC_FL_COLLAPSE_RANGE, step.pos, step.length);
    case "insert":
      return task.fallocate(file, FALLOC_FL_INSERT_RANGE, step.pos, step.length);
    case "truncate":
      return task.ftruncate(file, step.size);
  }
}

function store(
  task: Task,
  file: OpenFile,
  { pos, length, fill }: Extract<Step, { do: "store" }>,
): void {
  const end = pos + length;
  const region = task.mmap(file, 0, end, { shared: true, writable: true, sync: false });
  region.store(pos, new Uint8Array(length).fill(fill), 0, length);
  region.msync(0, end);
  region.unmap();
}
