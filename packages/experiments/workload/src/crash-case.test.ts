/**
 * Proven here: the scaled-down workloads do what their names say, are the same for the same seed,
 * and touch unwritten blocks where that is the point.
 */
import { expect, test } from "vitest";
import { crashSteps } from "./crash-case.ts";
import type { TreeEntry, TreeSnapshot } from "./tree-snapshot.ts";
import { WorkloadNames } from "./workload.ts";

const file = (path: string, start: number, length: number) =>
  ({
    path,
    kind: "file",
    mode: 0o644,
    sec: 1,
    nsec: 2,
    start,
    length,
    crc: 0,
    target: null,
  }) as unknown as TreeEntry;

const tree: TreeSnapshot = {
  summary: { directory: "/t", files: 3, directories: 0, symlinks: 0, bytes: 0, skipped: 0 },
  entries: [file("a/b/one", 0, 10), file("a/two", 10, 100_000), file("three", 100_010, 0)],
  bytes: new Uint8Array(),
};
const options = { seed: 7, quick: false, tree };

test.each(WorkloadNames)("%s is the same for the same seed, and is data", (name) => {
  const steps = crashSteps(name, options);
  expect(crashSteps(name, options)).toEqual(steps);
  expect(JSON.parse(JSON.stringify(steps))).toEqual(steps);
});

test.each(["log", "mmap"] as const)("%s writes into preallocated blocks", (name) => {
  const { setup, body } = crashSteps(name, options);
  expect(setup.map((step) => step.op)).toEqual(["create", "fallocate"]);
  expect(body.some((step) => step.op === (name === "log" ? "write" : "store"))).toBe(true);
});

test.each(["log", "append-64", "append-4k"] as const)("%s syncs after each write", (name) => {
  const { body } = crashSteps(name, options);
  const ops = body.map((step) => step.op);
  const synced = ops.filter((op, index) => op === "write" && ops[index + 1] === "fsync");
  expect(synced.length).toBeGreaterThan(2);
  expect(synced.length).toBe(ops.filter((op) => op === "write").length);
});

test("tree makes parents before children, cuts long files short, and ends durable", () => {
  const { body } = crashSteps("tree", options);
  const made = body.flatMap((step) => ("path" in step ? [step.path] : []));
  expect(made).toEqual(["/a", "/a/b", "/a/b/one", "/a/two", "/three"]);
  const lengths = body.flatMap((step) => (step.op === "write" ? [step.length] : []));
  expect(Math.max(...lengths)).toBeLessThanOrEqual(12_288);
  expect(body.at(-1)).toEqual({ op: "sync" });
});
