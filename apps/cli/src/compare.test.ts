/**
 * Proven here: `xip compare` convicts the negative controls and nobody else, says so in its exit
 * code, keeps to the width of the terminal, and gives programs everything.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { Sandbox } from "./testing.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

interface Row {
  readonly personality: string;
  readonly unwritten: string;
  readonly data: string;
  readonly media: string;
  readonly workload: string;
  readonly verified: boolean;
  readonly crash: { states: number; lost: number; stale: number; broken: number; firstId: string };
}

const rowsOf = (file: string): Row[] =>
  (JSON.parse(readFileSync(sandbox.path(file), "utf8")) as { rows: Row[] }).rows;

describe("a quick comparison of everything on the log", () => {
  const args = ["compare", "--quick", "--workload", "log", "--json", "log.json"];
  const ran = sandbox.xip(args, { COLUMNS: "80" });

  test("is as expected", () => {
    expect(ran.err).toBe("");
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(
      /plain none † +\d+ lost of \d+ states of log, first plain\/xip\/none\/log/,
    );
    expect(ran.out).toMatch(/plain prewrite † +\d+ stale of \d+ states of log/);
    expect(ran.out).toMatch(/ext4 none † +\d+ lost of \d+ states of log/);
    expect(ran.out).toMatch(/ext4 prewrite † +\d+ stale of \d+ states of log/);
    for (const design of ["complete", "wrapped", "own", "zero", "delalloc", "nodelalloc"]) {
      for (const name of ["plain", "ext4"]) {
        const expected = new RegExp(`${name} ${design} +nothing in \\d+ states: as expected`);
        expect(ran.out).toMatch(expected);
      }
    }
    expect(ran.out).toContain("negative control");
    expect(ran.out).toMatch(/[\d,]+ crash states tried at \d+ places; at \d+ of them/);
    expect(ran.out).toMatch(/seed 2013, /);
  });

  test("fits 80 columns", () => {
    const table = stripVTControlCharacters(ran.out).split("Power cuts")[0]!;
    expect(Math.max(...table.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test("gives programs a row per design and medium, with every field", () => {
    const rows = rowsOf("log.json");
    expect(rows).toHaveLength(32);
    for (const row of rows) {
      expect(row).toMatchObject({
        personality: expect.stringMatching(/^(plain|ext4)$/),
        workload: "log",
        wallNsPerOp: expect.any(Number),
        modelledNsPerOp: { p50: expect.any(Number), p99: expect.any(Number) },
        bytes: {
          data: expect.any(Number),
          metadata: expect.any(Number),
          journal: expect.any(Number),
          zeroing: expect.any(Number),
          checkpoint: expect.any(Number),
        },
        crash: { states: expect.any(Number), lost: expect.any(Number) },
      });
    }
    const caught = rows.filter(({ crash }) => crash.lost + crash.stale + crash.broken > 0);
    expect(caught.map((row) => `${row.personality} ${row.unwritten} ${row.media}`)).toEqual([
      "plain none dram",
      "plain none optane",
      "plain prewrite dram",
      "plain prewrite optane",
      "ext4 none dram",
      "ext4 none optane",
      "ext4 prewrite dram",
      "ext4 prewrite optane",
    ]);
    expect(rows.filter((row) => row.data !== "xip").map((row) => row.unwritten)).toEqual(
      Array.from({ length: 8 }, () => "writeback"),
    );
    const meta = JSON.parse(readFileSync(sandbox.path("log.json"), "utf8")).meta;
    expect(meta).toMatchObject({ seed: 2013, quick: true, node: process.version });
  });

  test("its first case can be run again by its id, from the same command line", () => {
    const { firstId } = rowsOf("log.json")[0]!.crash;
    const replay = sandbox.xip(["compare", "--replay", firstId]);
    expect(replay.code).toBe(0);
    expect(replay.out).toContain(firstId);
    expect(replay.out).toMatch(/lost/);
  });
});

test("a tree of one's own, chosen designs and media", () => {
  mkdirSync(sandbox.path("tree"));
  writeFileSync(sandbox.path("tree/a"), "contents");
  const ran = sandbox.xip(
    (
      "compare plain --quick --tree tree --workload tree --data xip --unwritten own,none " +
      "--media cxl --jobs 1 --json tree.json"
    ).split(" "),
  );
  expect(ran.out).toContain("1 files, 0 directories copied in");
  expect(ran.out).toContain("plain none †  nothing in");
  expect(ran.out).toContain("not put to the test by this work");
  expect(ran.code).toBe(0);
  const rows = rowsOf("tree.json");
  expect(rows.map((row) => `${row.unwritten} ${row.media} ${row.verified}`)).toEqual([
    "own cxl true",
    "none cxl true",
  ]);
});

test("JSON to stdout, instead of the table; a tree with nothing in it", () => {
  mkdirSync(sandbox.path("nothing"));
  const ran = sandbox.xip(
    "compare --quick --tree nothing --workload tree --data delalloc --media dram --json -".split(
      " ",
    ),
  );
  expect(ran.code).toBe(0);
  const { meta, rows } = JSON.parse(ran.out);
  expect(meta.tree).toMatchObject({ files: 0, bytes: 0 });
  expect(rows).toHaveLength(2);
  for (const row of rows) expect(row).toMatchObject({ verified: true, ops: 1, extentsPerFile: 0 });
});

test("a file that cannot be written is found out before the work", () => {
  const ran = sandbox.xip(["compare", "--json", "no/such/file.json"]);
  expect(ran.code).toBe(1);
  expect(ran.err).toMatch(/no\/such\/file\.json: no such file or directory/);
});

test("a tree that is not there is the host's error", () => {
  const ran = sandbox.xip(["compare", "--tree", "missing"]);
  expect(ran.code).toBe(1);
  expect(ran.err).toMatch(/missing: no such file or directory/);
});

test.each([
  [["--replay", "nonsense"], /not the id of a crash state/],
  [["ext9"], /no file system is called 'ext9'/],
  [["--media", "tape"], /'tape' is not one of dram, optane, cxl/],
])("compare %j is a usage error", (args, message) => {
  const ran = sandbox.xip(["compare", ...args]);
  expect(ran.code).toBe(2);
  expect(ran.err).toMatch(message);
});
