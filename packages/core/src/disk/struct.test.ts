/** Proves that a wrong table does not load, and that every field reads back what it wrote. */
import { expect, test } from "vitest";
import {
  bytes,
  describe as dump,
  i64le,
  layoutOf,
  pad,
  sizeOf,
  struct,
  u16be,
  u16le,
  u32be,
  u32le,
  u64be,
  u64le,
  u8,
} from "./struct.ts";

const ALL = struct("all", 64, {
  a8: u8(0),
  hole: pad(1, 1),
  a16: u16le(2),
  a32: u32le(4),
  a64: u64le(8),
  s64: i64le(16),
  b16: u16be(24),
  name: bytes(26, 6),
  b32: u32be(32),
  rest: pad(36, 4),
  b64: u64be(40),
  tail: pad(48, 16),
});

const fresh = () => new DataView(new ArrayBuffer(80));

test("a gap, an overlap and a wrong total throw when the table is made", () => {
  expect(() => struct("s", 8, { a: u32le(0), b: u16le(6) })).toThrow(
    "s.b at 0x6 leaves a gap, which ends at 0x4",
  );
  expect(() => struct("s", 8, { a: u32le(0), b: u32le(2) })).toThrow("s.b at 0x2 overlaps");
  expect(() => struct("s", 8, { a: u32le(0) })).toThrow("s ends at 0x4, its size is 0x8");
  expect(() => struct("s", 4, { a: u64le(0) })).toThrow("s ends at 0x8, its size is 0x4");
  expect(() => struct("s", 5, { a: u32le(1) })).toThrow("s.a at 0x1 leaves a gap");
});

test("numbers read back, at the place of the record, in their byte order", () => {
  const view = fresh();
  const at = 8;
  ALL.a8.set(view, at, 0xfe);
  ALL.a16.set(view, at, 0xfedc);
  ALL.a32.set(view, at, 0xfedcba98);
  ALL.a64.set(view, at, 0x1f_2345_6789_abcd);
  ALL.s64.set(view, at, -2);
  ALL.b16.set(view, at, 0xfedc);
  ALL.b32.set(view, at, 0xfedcba98);
  ALL.b64.set(view, at, 0x1f_2345_6789_abcd);
  expect(ALL.a8.get(view, at)).toBe(0xfe);
  expect(ALL.a16.get(view, at)).toBe(0xfedc);
  expect(ALL.a32.get(view, at)).toBe(0xfedcba98);
  expect(ALL.a64.get(view, at)).toBe(0x1f_2345_6789_abcd);
  expect(ALL.s64.get(view, at)).toBe(-2);
  expect(ALL.b16.get(view, at)).toBe(0xfedc);
  expect(ALL.b32.get(view, at)).toBe(0xfedcba98);
  expect(ALL.b64.get(view, at)).toBe(0x1f_2345_6789_abcd);
  expect(view.getBigUint64(at + 8, true)).toBe(0x1f_2345_6789_abcdn);
  expect(view.getBigInt64(at + 16, true)).toBe(-2n);
  expect(view.getUint16(at + 24, false)).toBe(0xfedc);
  expect(view.getUint32(at + 32, false)).toBe(0xfedcba98);
  expect(view.getBigUint64(at + 40, false)).toBe(0x1f_2345_6789_abcdn);
  expect(view.getBigUint64(0, true)).toBe(0n);
});

test("times before the epoch", () => {
  const view = fresh();
  for (const seconds of [-1, -(2 ** 31) - 1, -(2 ** 32), -(2 ** 40) + 5, 2 ** 40 + 5, 0]) {
    ALL.s64.set(view, 0, seconds);
    expect(ALL.s64.get(view, 0)).toBe(seconds);
    expect(view.getBigInt64(16, true)).toBe(BigInt(seconds));
  }
});

test("64 bits: reading takes anything, writing only what is exact", () => {
  const view = fresh();
  view.setBigUint64(8, 0xffff_ffff_ffff_ffffn, true);
  expect(ALL.a64.get(view, 0)).toBe(Number.MAX_SAFE_INTEGER);
  view.setBigInt64(16, -(2n ** 60n), true);
  expect(ALL.s64.get(view, 0)).toBe(Number.MIN_SAFE_INTEGER);
  ALL.s64.set(view, 0, ALL.s64.get(view, 0));
  expect(() => ALL.a64.set(view, 0, 2 ** 53)).toThrow("exact");
  expect(() => ALL.a64.set(view, 0, -1)).toThrow("negative");
  expect(() => ALL.b64.set(view, 0, 0.5)).toThrow("exact");
});

test("bytes are a view, and setting fills up with zeros", () => {
  const view = fresh();
  ALL.name.set(view, 4, Uint8Array.of(1, 2, 3, 4, 5, 6));
  ALL.name.set(view, 4, Uint8Array.of(9));
  expect([...ALL.name.get(view, 4)]).toEqual([9, 0, 0, 0, 0, 0]);
  expect(() => ALL.name.set(view, 4, new Uint8Array(7))).toThrow("fit");
  const inner = new DataView(view.buffer, 4, 64);
  expect(ALL.name.get(inner, 0)[0]).toBe(9);
});

test("layout and dump", () => {
  expect(sizeOf(ALL)).toBe(64);
  expect(layoutOf(ALL).name).toBe("all");
  expect(layoutOf(ALL).fields.map(([name]) => name)[1]).toBe("hole");
  const view = fresh();
  ALL.a16.set(view, 0, 258);
  ALL.name.set(view, 0, Uint8Array.of(0xab));
  const rows = new Map(dump(ALL, view, 0));
  expect(rows.get("a16")).toBe("258");
  expect(rows.get("name")).toBe("ab0000000000");
  expect(rows.has("hole")).toBe(false);
});
