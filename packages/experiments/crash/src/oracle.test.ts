/**
 * Proves which trees the oracle takes for legal, with operations on the model alone: a "recovered"
 * tree is the model's own at some moment, or that with one thing changed.
 */
import { describe, expect, it } from "vitest";
import { O_CREAT, O_RDWR, O_SYNC } from "@xiplab/core";
import { ModelFs, type Operation, applyToModel } from "@xiplab/testkit";
import { Oracle } from "./oracle.ts";
import { type FoundName, type FoundTree, namesOf } from "./tree.ts";
import type { Promises } from "./types.ts";

const STRICT: Promises = { synchronousMetadata: true, atomicRename: true, atomicWrite: false };

/** What a tree is after `operations`, as recovery would find it. */
function treeAfter(...operations: Operation[]): FoundTree {
  const model = new ModelFs();
  for (const operation of operations) applyToModel(model, operation);
  const tree = new Map<string, FoundName>();
  for (const [path, { node, attributes }] of namesOf(model)) {
    const content = node.isRegular ? node.content.read(0, node.content.size) : null;
    tree.set(path, { attributes: attributes[0]!, content });
  }
  return tree;
}

function oracleAfter(
  promises: Promises,
  done: readonly Operation[],
  inProgress?: Operation,
): Oracle {
  const oracle = new Oracle(new ModelFs(), promises);
  for (const operation of done) {
    oracle.begin(operation);
    oracle.end();
  }
  if (inProgress !== undefined) oracle.begin(inProgress);
  return oracle;
}

const verdicts = (oracle: Oracle, tree: FoundTree): string[] =>
  oracle.judge(tree).map(({ verdict, path }) => `${verdict} ${path}`);

const create = (path: string): Operation => ({ op: "create", path, mode: 0o644 });
const write = (file: string | number, seed: number, length = 8): Operation => ({
  op: "write",
  file,
  pos: 0,
  length,
  seed,
});
const fsync = (file: string | number): Operation => ({ op: "fsync", file });
const rename = (from: string, to: string): Operation => ({ op: "rename", from, to, flags: 0 });

describe("names", () => {
  it("of an operation in progress are there or not", () => {
    const oracle = oracleAfter(STRICT, [create("/a")], create("/b"));
    expect(verdicts(oracle, treeAfter(create("/a")))).toEqual([]);
    expect(verdicts(oracle, treeAfter(create("/a"), create("/b")))).toEqual([]);
    expect(verdicts(oracle, treeAfter(create("/b")))).toEqual(["lost /a"]);
    expect(verdicts(oracle, treeAfter(create("/a"), create("/c")))).toEqual(["lost /c"]);
  });

  it("are durable on return only where the design says so", () => {
    const lazy = { ...STRICT, synchronousMetadata: false };
    const operations = [create("/a"), create("/b")];
    expect(verdicts(oracleAfter(STRICT, operations), treeAfter())).not.toEqual([]);
    const oracle = oracleAfter(lazy, operations);
    expect(verdicts(oracle, treeAfter())).toEqual([]);
    expect(verdicts(oracle, treeAfter(create("/a")))).toEqual([]);
    // In order: the later name without the earlier one is no moment of this run.
    expect(verdicts(oracle, treeAfter(create("/b")))).not.toEqual([]);
    const synced = oracleAfter(lazy, [...operations, { op: "sync" }]);
    expect(verdicts(synced, treeAfter(create("/a")))).toEqual(["lost /b"]);
  });

  it("of a removed file are durable as those of a new one", () => {
    const operations: Operation[] = [create("/a"), { op: "unlink", path: "/a" }];
    const oracle = oracleAfter(STRICT, operations);
    expect(verdicts(oracle, treeAfter(create("/a")))).toEqual(["lost /a"]);
  });

  it("carry attributes", () => {
    const chmod: Operation = { op: "chmod", file: "/a", mode: 0o600 };
    const oracle = oracleAfter(STRICT, [create("/a"), chmod]);
    expect(verdicts(oracle, treeAfter(create("/a"), chmod))).toEqual([]);
    expect(verdicts(oracle, treeAfter(create("/a")))).toEqual(["lost /a"]);
  });
});

describe("a rename in progress", () => {
  const before = [
    create("/a"),
    write("/a", 1),
    create("/b"),
    write("/b", 2),
    { op: "sync" } as const,
  ];
  const both = [
    ...before,
    { op: "unlink", path: "/b" },
    { op: "link", existing: "/a", path: "/b" },
  ];

  it("is old or new where it is promised to be atomic", () => {
    const oracle = oracleAfter(STRICT, before, rename("/a", "/b"));
    expect(verdicts(oracle, treeAfter(...before))).toEqual([]);
    expect(verdicts(oracle, treeAfter(...before, rename("/a", "/b")))).toEqual([]);
    expect(verdicts(oracle, treeAfter(...(both as Operation[])))).not.toEqual([]);
    const gone = treeAfter(...before, { op: "unlink", path: "/b" });
    expect(verdicts(oracle, gone)).not.toEqual([]);
  });

  it("may be seen midway where it is not, but never loses the file", () => {
    const oracle = oracleAfter({ ...STRICT, atomicRename: false }, before, rename("/a", "/b"));
    expect(verdicts(oracle, treeAfter(...(both as Operation[])))).toEqual([]);
    expect(verdicts(oracle, treeAfter(...before, { op: "unlink", path: "/b" }))).toEqual([]);
    expect(verdicts(oracle, treeAfter(...before, { op: "unlink", path: "/a" }))).not.toEqual([]);
    oracle.end();
    expect(verdicts(oracle, treeAfter(...(both as Operation[])))).not.toEqual([]);
  });

  it("does not mix the contents of the two files", () => {
    const oracle = oracleAfter(STRICT, before, rename("/a", "/b"));
    const mixed = treeAfter(create("/b"), write("/b", 2), create("/a"), write("/a", 2));
    expect(verdicts(oracle, mixed)).toEqual(["stale /a"]);
  });
});

describe("data", () => {
  const setup = [create("/a"), write("/a", 1), fsync("/a")];

  it("that was not synced may be old or new, what was synced is new", () => {
    const oracle = oracleAfter(STRICT, setup, write("/a", 2));
    expect(verdicts(oracle, treeAfter(...setup))).toEqual([]);
    expect(verdicts(oracle, treeAfter(...setup, write("/a", 2)))).toEqual([]);
    oracle.end();
    expect(verdicts(oracle, treeAfter(...setup))).toEqual([]);
    oracle.begin(fsync("/a"));
    expect(verdicts(oracle, treeAfter(...setup))).toEqual([]);
    oracle.end();
    expect(verdicts(oracle, treeAfter(...setup))).toEqual(["lost /a"]);
  });

  it("of a write through O_SYNC is durable on return", () => {
    const open: Operation = { op: "open", slot: 0, path: "/a", flags: O_RDWR | O_SYNC, mode: 0 };
    const oracle = oracleAfter(STRICT, [...setup, open, write(0, 2)]);
    expect(verdicts(oracle, treeAfter(...setup))).toEqual(["lost /a"]);
  });

  it("of a file that was opened and made anew has a history of its own", () => {
    const again: Operation[] = [
      { op: "unlink", path: "/a" },
      { op: "open", slot: 0, path: "/a", flags: O_CREAT | O_RDWR, mode: 0o644 },
      write(0, 2),
    ];
    const oracle = oracleAfter(STRICT, [...setup, ...again]);
    expect(verdicts(oracle, treeAfter(...setup, ...again))).toEqual([]);
    expect(verdicts(oracle, treeAfter(...setup))).toEqual(["stale /a"]);
  });

  it("that was msynced is durable, and no other page", () => {
    const big = [create("/a"), write("/a", 1, 8192), fsync("/a")];
    const map = { op: "map", region: 0, file: "/a", pos: 0, length: 8192 } as const;
    const stored: Operation[] = [
      { ...map, shared: true, writable: true, sync: false },
      { op: "store", region: 0, offset: 0, length: 8192, seed: 2 },
    ];
    const oracle = oracleAfter(STRICT, [...big, ...stored]);
    expect(verdicts(oracle, treeAfter(...big))).toEqual([]);
    oracle.begin({ op: "msync", region: 0, offset: 4096, length: 4096 });
    oracle.end();
    expect(verdicts(oracle, treeAfter(...big))).toEqual(["lost /a"]);
    const half = { op: "store", region: 0, offset: 4096, length: 4096, seed: 2 } as const;
    expect(verdicts(oracle, treeAfter(...big, stored[0]!, half))).toEqual([]);
  });

  it("an operation that was refused changes nothing and syncs nothing", () => {
    const oracle = oracleAfter(STRICT, [create("/a"), write("/a", 1)]);
    oracle.begin(fsync("/nowhere"));
    oracle.end();
    expect(verdicts(oracle, treeAfter(create("/a")))).toEqual([]);
  });
});
