/**
 * Proves that `pnpm bench` runs, that its JSON has the promised shape with a row for everything that
 * was asked for, and that a wrong command line says so. Figures are not judged here.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Meter } from "./batch.ts";
import {
  AllSections,
  CHECK,
  ImageSections,
  selectSections,
  SideSections,
  XipSections,
} from "./catalog.ts";
import { chooseDirectories, Operations } from "./operations.ts";
import { parseFio } from "./mounts/fio.ts";
import { parseDbench } from "./mounts/programs.ts";
import { FaceNames, OurNames } from "./protocol.ts";
import { median, spread } from "./statistics.ts";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

function bench(args: string[], directory = tmpdir()) {
  const env = { ...process.env, INIT_CWD: directory };
  return spawnSync(process.execPath, [MAIN, ...args], { encoding: "utf8", env });
}

describe("pnpm bench", () => {
  test("a quick run of xiplab alone gives every row, in JSON too", () => {
    const directory = mkdtempSync(join(tmpdir(), "xiplab-bench-test-"));
    try {
      // Without the growth rows, whose 100,000 files take seconds to make, without large files, and
      // without mounts.
      const sections = [...XipSections, ...SideSections]
        .flatMap(({ rows }) => rows)
        .filter(({ op }) => !op.includes("256 MiB"));
      const names = [...FaceNames, ...OurNames];
      const checks = ImageSections.flatMap(({ rows }) => rows.filter(({ op }) => op === CHECK));
      const wanted = [...sections, ...checks].flatMap(({ op, targets }) =>
        names.filter((name) => targets.includes(name)).map((name) => `${op} ${name}`),
      );
      const args = ["--quick", "--json", "out.json"];
      for (const name of names) args.push("--target", name);
      for (const { op } of [...sections, ...checks]) args.push("--only", op);
      const { status, stdout, stderr } = bench(args, directory);
      expect(stderr).toBe("");
      expect(status).toBe(0);
      for (const name of names) expect(stdout).toContain(name);
      const { rows } = JSON.parse(readFileSync(join(directory, "out.json"), "utf8"));
      const found = rows.map((row: { op: string; target: string }) => `${row.op} ${row.target}`);
      expect(found.toSorted()).toEqual(wanted.toSorted());
      for (const row of rows) expect(row.nsPerOp).toBeGreaterThan(0);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("what is wrong on the command line is named, with what would be right", () => {
    const noRow = bench(["--only", "teleport"]);
    expect(noRow.status).toBe(2);
    expect(noRow.stderr).toMatch(/'teleport'.*open\+close/s);
    const noTarget = bench(["--target", "floppy"]);
    expect(noTarget.status).toBe(2);
    expect(noTarget.stderr).toMatch(/'floppy'.*memfs/s);
    expect(bench(["--fast"]).status).toBe(2);
    const noPlace = bench(["--json", "no/such/place.json"]);
    expect(noPlace.status).toBe(2);
    expect(noPlace.stderr).toContain("cannot write");
  });

  test("the help has examples", () => {
    const { status, stdout } = bench(["--help"]);
    expect(status).toBe(0);
    expect(stdout).toContain("Examples:");
  });
});

describe("the parts", () => {
  test("every row of the side-by-side and growth tables has its operation", () => {
    const ops = AllSections.flatMap(({ rows }) => rows.map(({ op }) => op.replace(/ @.*/, "")));
    const images = ImageSections.flatMap(({ rows }) => rows.map(({ op }) => op));
    const others = ops.filter((op) => !/^(xip|fuse:) /.test(op) && !images.includes(op));
    const missing = others.filter((op) => !(op.replace(/, all used$/, "") in Operations));
    expect(missing).toEqual([]);
  });

  test("rows are chosen by name or a part of it, and rows that are compared stay together", () => {
    const chosen = (word: string) =>
      selectSections([word]).flatMap(({ rows }) => rows.map(({ op }) => op));
    expect(chosen("STAT")).toEqual(["stat"]);
    const compared = ["stat @1k files", "stat @100k files", "stat @100k files, all used"];
    expect(chosen("stat @100")).toEqual(compared);
    expect(chosen("stat @100k files")).toEqual(compared);
    expect(chosen("teleport")).toEqual([]);
  });

  test("as many files are in use in a small tree as in a large one", () => {
    const tree = (files: number) => Array.from({ length: files }, (_, index) => `file ${index}`);
    for (const files of [1_000, 5_000]) {
      const chosen = chooseDirectories(tree(files));
      expect(new Set(chosen).size).toBe(1_000);
      expect(chosen.every((path) => tree(files).includes(path))).toBe(true);
    }
  });

  test("undoing a batch is off the clock", () => {
    const pause = (ms: number): void => {
      for (const start = performance.now(); performance.now() - start < ms;);
    };
    const done: number[] = [];
    const batch = {
      ops: 10,
      before: () => pause(5),
      run: (first: number, end: number) => {
        for (let index = first; index < end; index++) done.push(index);
      },
      after: () => pause(5),
    };
    const meter = new Meter(batch);
    const slices = [meter.slice(0.001), meter.slice(0.001)];
    for (const { mean } of slices) expect(mean!).toBeLessThan(1e6);
    meter.end();
    expect(done.map((index) => index % 10)).toEqual(done.map((_, at) => at % 10));
    expect(done.length % 10).toBe(0);
  });

  test("what fio and dbench say becomes nanoseconds", () => {
    const jobs = [
      { read: { total_ios: 0, runtime: 0 }, write: { total_ios: 2_000, runtime: 100 } },
    ];
    const output = `fio: a warning\n${JSON.stringify({ jobs })}`;
    expect(parseFio(output, "write")).toBe(50_000);
    expect(() => parseFio(output, "read")).toThrow("fio did nothing");
    expect(parseDbench("  2   17  80.1 MB/sec\n\nThroughput 50 MB/sec  2 clients\n")).toBe(2e7);
    expect(() => parseDbench("Segmentation fault")).toThrow("Segmentation fault");
  });

  test("medians and spread", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(spread([10, 10, 10])).toBe(0);
    expect(spread([8, 9, 10, 11, 12])).toBeCloseTo(0.1);
  });
});
