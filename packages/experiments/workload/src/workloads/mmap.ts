/** Updates of random pages of a preallocated file through a shared mapping, each with msync. */
import { type Name, O_CREAT, O_RDWR, PAGE_SIZE } from "@xiplab/core";
import { Random } from "../random.ts";
import type { Workload, WorkloadOptions } from "../workload.ts";
import { compareFile, contentPool, FILE_MODE } from "./contents.ts";

const PATH = "/pages" as Name;
const PAGES = 512;
const UPDATES = 2000;
const UPDATES_QUICK = 400;
const UPDATE_MIN = 8;
const UPDATE_MAX = 512;

export function mmapWorkload({ seed, quick }: WorkloadOptions): Workload {
  const size = PAGES * PAGE_SIZE;
  const updates = quick ? UPDATES_QUICK : UPDATES;
  const pool = contentPool(seed);
  const plan = drawUpdates(seed, updates, pool.length);
  const expected = new Uint8Array(size);
  for (const { at, start, length } of plan) {
    expected.set(pool.subarray(start, start + length), at);
  }
  return {
    name: "mmap",
    title: `stores of ${UPDATE_MIN} to ${UPDATE_MAX} B to random pages of ${PAGES}, msync after each`,
    files: [PATH],
    bytes: size,
    setup(task) {
      const file = task.open(PATH, O_RDWR | O_CREAT, FILE_MODE);
      task.fallocate(file, 0, 0, size);
      task.fsync(file);
      task.close(file);
    },
    body(task, hook) {
      const file = task.open(PATH, O_RDWR, 0);
      const options = { shared: true, writable: true, sync: false };
      const region = task.mmap(file, 0, size, options);
      for (const { page, at, start, length } of plan) {
        hook.begin();
        region.store(at, pool, start, length);
        region.msync(page, PAGE_SIZE);
        hook.end();
      }
      region.unmap();
      task.close(file);
    },
    verify: (task) => compareFile(task, PATH, expected),
  };
}

interface Update {
  /** Where the page begins, and where in the file the store goes. */
  readonly page: number;
  readonly at: number;
  /** In the pool. */
  readonly start: number;
  readonly length: number;
}

function drawUpdates(seed: number, count: number, poolLength: number): Update[] {
  const random = new Random(seed + 1);
  return Array.from({ length: count }, () => {
    const length = random.between(UPDATE_MIN, UPDATE_MAX);
    const page = random.below(PAGES) * PAGE_SIZE;
    const at = page + random.below(PAGE_SIZE - length + 1);
    return { page, at, start: random.below(poolLength - length), length };
  });
}
