/**
 * Examples of what the model says, small enough to be read. That it is right is the kernel's word:
 * `kernel.fuzz.ts`.
 */
import { O_APPEND, O_CREAT, O_RDWR, RENAME_EXCHANGE, RENAME_NOREPLACE } from "@xiplab/core";
import { describe, expect, test } from "vitest";
import type { Operation, Result } from "../operations.ts";
import { pattern } from "../pattern.ts";
import { applyToModel } from "./apply-to-model.ts";
import { ModelFs } from "./model-fs.ts";

/** The results of a sequence: the values, or the error codes. */
function run(...operations: readonly Operation[]): unknown[] {
  const model = new ModelFs();
  return operations.map((operation, index) => {
    model.now = { sec: index + 1, nsec: 0 };
    const result: Result = applyToModel(model, operation);
    return "ok" in result ? result.ok : result.error;
  });
}

describe("the model", () => {
  test("a file outlives its name while it is open", () => {
    const results = run(
      { op: "open", slot: 0, path: "/f", flags: O_RDWR | O_CREAT, mode: 0o644 },
      { op: "write", file: 0, pos: 10, length: 5, seed: 1 },
      { op: "unlink", path: "/f" },
      { op: "read", file: 0, pos: 9, length: 10 },
      { op: "read", file: "/f", pos: 0, length: 10 },
    );
    const expected = Uint8Array.of(0, ...pattern(1, 10, 5));
    expect(results).toEqual([null, 5, null, expected, "ENOENT"]);
  });

  test("O_APPEND wins over a position", () => {
    const results = run(
      { op: "open", slot: 0, path: "/f", flags: O_RDWR | O_CREAT | O_APPEND, mode: 0o644 },
      { op: "write", file: 0, pos: null, length: 5, seed: 1 },
      { op: "write", file: 0, pos: 0, length: 2, seed: 2 },
      { op: "read", file: "/f", pos: 0, length: 100 },
    );
    expect(results[3]).toEqual(Uint8Array.of(...pattern(1, 0, 5), ...pattern(2, 5, 2)));
  });

  test("rename: types, emptiness, flags", () => {
    const results = run(
      { op: "mkdir", path: "/d", mode: 0o755 },
      { op: "create", path: "/d/f", mode: 0o644 },
      { op: "create", path: "/f", mode: 0o644 },
      { op: "rename", from: "/d", to: "/f", flags: 0 },
      { op: "rename", from: "/f", to: "/d", flags: 0 },
      { op: "rename", from: "/f", to: "/d/f", flags: RENAME_NOREPLACE },
      { op: "rename", from: "/d", to: "/d/x", flags: 0 },
      { op: "rename", from: "/f", to: "/d", flags: RENAME_EXCHANGE },
      { op: "readdir", path: "/f" },
    );
    expect(results.slice(3)).toEqual(["ENOTDIR", "EISDIR", "EEXIST", "EINVAL", null, ["f"]]);
  });

  test("permissions, and what a write by others costs", () => {
    const results = run(
      { op: "create", path: "/f", mode: 0o600 },
      { op: "write", file: "/f", pos: 0, length: 1, seed: 1, as: "alice" },
      { op: "chmod", file: "/f", mode: 0o6777 },
      { op: "write", file: "/f", pos: 0, length: 1, seed: 1, as: "alice" },
      { op: "stat", file: "/f", follow: true },
    );
    expect(results[1]).toBe("EACCES");
    expect(results[4]).toMatchObject({ mode: 0o100777, size: 1, mtime: "4.000000000" });
  });

  test("mapped pages beyond the end of the file", () => {
    const results = run(
      { op: "create", path: "/f", mode: 0o644 },
      { op: "write", file: "/f", pos: 0, length: 5000, seed: 1 },
      mapAll,
      { op: "store", region: 0, offset: 4990, length: 50, seed: 2 },
      { op: "load", region: 0, offset: 4989, length: 100 },
      { op: "load", region: 0, offset: 8191, length: 2 },
      { op: "stat", file: "/f", follow: true },
    );
    const expected = Uint8Array.of(...pattern(1, 4989, 1), ...pattern(2, 4990, 10));
    expect(results.slice(4, 6)).toEqual([expected, "SIGBUS"]);
    expect(results[6]).toMatchObject({ size: 5000 });
  });
});

const mapAll: Operation = {
  op: "map",
  region: 0,
  file: "/f",
  pos: 0,
  length: 4 * 4096,
  shared: true,
  writable: true,
  sync: false,
};
