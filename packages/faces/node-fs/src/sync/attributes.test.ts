/** Stats to the nanosecond, dates and moments made of them, and setting times. */
import { expect, test } from "vitest";
import { codeOf, openImage, TIME } from "./testing.ts";

test("times are exact to the nanosecond in bigint stats, and in moments of Temporal", () => {
  using image = openImage();
  const { fs } = image;
  fs.writeFileSync("/file", "x");
  const big = fs.statSync("/file", { bigint: true });
  const nsec = BigInt(TIME.sec) * 1_000_000_000n + BigInt(TIME.nsec);
  expect(big.mtimeNs).toBe(nsec);
  expect(big.birthtimeMs).toBe(nsec / 1_000_000n);
  expect(big.size).toBe(1n);
  expect(big.isFile()).toBe(true);
  const stats = fs.statSync("/file");
  expect(stats.mtimeMs).toBe(TIME.sec * 1000 + TIME.nsec / 1_000_000);
  const instantOf = (): unknown => (stats as unknown as Record<string, unknown>)["mtimeInstant"];
  const hasTemporal = "Temporal" in globalThis;
  const wanted = hasTemporal ? "2023-11-14T22:13:20.123456789Z" : "ERR_NO_TEMPORAL";
  expect(hasTemporal ? String(instantOf()) : codeOf(instantOf)).toBe(wanted);
});

test("a date is made when it is asked for, once, and can be set", () => {
  using image = openImage();
  image.fs.mkdirSync("/d");
  const stats = image.fs.statSync("/d");
  expect(Object.keys(stats)).not.toContain("mtime");
  const { mtime } = stats;
  expect(mtime).toEqual(new Date(TIME.sec * 1000 + 123));
  expect(stats.mtime).toBe(mtime);
  expect(Object.keys(stats)).toContain("mtime");
  stats.ctime = new Date(0);
  expect(stats.ctime.getTime()).toBe(0);
});

test("times are set from numbers, texts and dates, also before 1970", () => {
  using image = openImage();
  const { fs } = image;
  fs.writeFileSync("/file", "");
  fs.symlinkSync("file", "/link");
  const set = (time: string | number | Date): bigint => {
    fs.utimesSync("/file", time, time);
    return fs.statSync("/file", { bigint: true }).mtimeNs;
  };
  expect(set(1.5)).toBe(1_500_000_000n);
  expect(set("12.25")).toBe(12_250_000_000n);
  expect(set(new Date(-1500))).toBe(-1_500_000_000n);
  fs.lutimesSync("/link", 7, 8);
  expect([fs.lstatSync("/link").atimeMs, fs.lstatSync("/link").mtimeMs]).toEqual([7000, 8000]);
  expect(fs.statSync("/file").mtimeMs).toBe(-1500);
  expect(codeOf(() => set("soon"))).toBe("ERR_INVALID_ARG_TYPE");
});

test("a missing entry is undefined if the caller says so", () => {
  using image = openImage();
  const { fs } = image;
  const quiet = { throwIfNoEntry: false };
  fs.writeFileSync("/file", "");
  expect(fs.statSync("/missing", quiet)).toBeUndefined();
  expect(fs.statSync("/file/x", quiet)).toBeUndefined();
  expect(fs.lstatSync("/missing", quiet)).toBeUndefined();
  expect(codeOf(() => fs.lstatSync("/file/x", quiet))).toBe("ENOTDIR");
  expect(codeOf(() => fs.statSync("/missing", {}))).toBe("ENOENT");
});

test("statfs counts what is there", () => {
  using image = openImage();
  const { fs } = image;
  const before = fs.statfsSync("/");
  fs.writeFileSync("/file", Buffer.alloc(8 * before.bsize));
  const after = fs.statfsSync("/", { bigint: true });
  expect(before.bfree - Number(after.bfree)).toBe(8);
  expect(before.ffree - Number(after.ffree)).toBe(1);
});
