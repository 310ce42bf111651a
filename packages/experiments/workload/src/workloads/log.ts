/** A log file, preallocated with fallocate, written record by record, each made durable. */
import { type Name, O_CREAT, O_RDWR } from "@xiplab/core";
import { Random } from "../random.ts";
import type { Workload, WorkloadOptions } from "../workload.ts";
import { compareFile, contentPool, FILE_MODE } from "./contents.ts";

const PATH = "/log" as Name;
const RECORDS = 2000;
const RECORDS_QUICK = 400;
/** Records are of a database's redo log: mostly small, never aligned to anything. */
const RECORD_MIN = 64;
const RECORD_MAX = 1500;
const PREALLOCATE_STEP = 256 * 1024;

export function logWorkload({ seed, quick }: WorkloadOptions): Workload {
  const random = new Random(seed);
  const lengths = Array.from({ length: quick ? RECORDS_QUICK : RECORDS }, () =>
    random.between(RECORD_MIN, RECORD_MAX),
  );
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const size = Math.ceil(total / PREALLOCATE_STEP) * PREALLOCATE_STEP;
  const pool = contentPool(seed);
  const starts = lengths.map((_, index) => (index * 997) % (pool.length - RECORD_MAX));
  // What was preallocated and never written reads as zeros.
  const expected = new Uint8Array(size);
  let end = 0;
  lengths.forEach((length, index) => {
    expected.set(pool.subarray(starts[index]!, starts[index]! + length), end);
    end += length;
  });
  return {
    name: "log",
    title: `fallocated log, records of ${RECORD_MIN} to ${RECORD_MAX} B, fsync after each`,
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
      let pos = 0;
      for (let index = 0; index < lengths.length; index++) {
        const length = lengths[index]!;
        hook.begin();
        task.pwrite(file, pool, starts[index]!, length, pos);
        task.fsync(file);
        hook.end();
        pos += length;
      }
      task.close(file);
    },
    verify: (task) => compareFile(task, PATH, expected),
  };
}
