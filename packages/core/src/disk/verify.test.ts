/** Proves what a check collects and what it lets through, and the text fields of superblocks. */
import { expect, test } from "vitest";
import { AssertionError, type Corruption, FsError } from "../spec/errors.ts";
import { struct, text, uuid } from "./struct.ts";
import { formatUuid, parseUuid } from "./text.ts";
import { collect, corrupt, readOr, verify } from "./verify.ts";

test("findings are collected, bugs are not", () => {
  const findings: Corruption[] = [];
  collect(findings, () => corrupt("s", 16, "f", 1, 2));
  collect(findings, () => verify(true, "s", 0, "f", 1, 1));
  collect(findings, () => {
    throw new FsError("EIO", "byte 0x40");
  });
  expect(findings).toEqual([
    { structure: "s", at: 16, field: "f", found: 1, expected: 2 },
    { structure: "medium", at: "byte 0x40", field: "line", found: "EIO", expected: "data" },
  ]);
  const bug = (): never => {
    throw new AssertionError("ours");
  };
  expect(() => collect(findings, bug)).toThrow("ours");
  const other = (): never => {
    throw new FsError("ENOSPC");
  };
  expect(() => collect(findings, other)).toThrow("ENOSPC");
});

test("reading, or else", () => {
  expect(readOr(5, () => 6)).toBe(6);
  expect(readOr(5, () => corrupt("s", 0, "f", 1, 2))).toBe(5);
});

test("uuids", () => {
  const words = "01234567-89ab-cdef-0123-456789abcdef";
  expect(formatUuid(parseUuid(words))).toBe(words);
  expect(formatUuid(parseUuid(words.toUpperCase().replaceAll("-", "")))).toBe(words);
  expect([...parseUuid("")]).toEqual(Array.from({ length: 16 }, () => 0));
  expect(() => parseUuid("nonsense")).toThrow("'nonsense' is not a UUID");
});

test("text and uuid fields", () => {
  const SB = struct("sb", 24, { uuid: uuid(0), label: text(16, 8) });
  const view = new DataView(new ArrayBuffer(32));
  SB.label.set(view, 4, "abcdefgh");
  SB.label.set(view, 4, "hé");
  expect(SB.label.get(view, 4)).toBe("hé");
  expect(view.getUint8(4 + 16 + 3)).toBe(0);
  expect(() => SB.label.set(view, 4, "123456789")).toThrow("8 bytes of text is the most");
  expect(() => SB.label.set(view, 4, "a\0b")).toThrow("too long");
  SB.uuid.set(view, 4, "00000000-0000-0000-0000-00000000000f");
  expect(SB.uuid.get(view, 4)).toBe("00000000-0000-0000-0000-00000000000f");
});
