/** Appends of one size, each made durable with fsync. */
import { type Name, O_APPEND, O_CREAT, O_RDWR } from "@xiplab/core";
import type { Workload, WorkloadName, WorkloadOptions } from "../workload.ts";
import { compareFile, contentPool, FILE_MODE } from "./contents.ts";

const PATH = "/appended" as Name;
const APPENDS = 2000;
const APPENDS_QUICK = 400;

export function appendWorkload(
  name: WorkloadName,
  length: number,
  { seed, quick }: WorkloadOptions,
): Workload {
  const appends = quick ? APPENDS_QUICK : APPENDS;
  const pool = contentPool(seed);
  // Slices that begin at another byte each time, so that a block in the wrong place shows.
  const start = (index: number): number => (index * 37) % (pool.length - length);
  const expected = new Uint8Array(appends * length);
  for (let index = 0; index < appends; index++) {
    expected.set(pool.subarray(start(index), start(index) + length), index * length);
  }
  return {
    name,
    title: `appends of ${length} B, fsync after each`,
    files: [PATH],
    bytes: appends * length,
    setup(task) {
      const file = task.open(PATH, O_RDWR | O_CREAT, FILE_MODE);
      task.fsync(file);
      task.close(file);
      task.syncfs();
    },
    body(task, hook) {
      const file = task.open(PATH, O_RDWR | O_APPEND, 0);
      for (let index = 0; index < appends; index++) {
        hook.begin();
        task.write(file, pool, start(index), length);
        task.fsync(file);
        hook.end();
      }
      task.close(file);
    },
    verify: (task) => compareFile(task, PATH, expected),
  };
}
