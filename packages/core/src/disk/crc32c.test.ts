/** Proves the fast CRC against the check value and against a bit-by-bit one. */
import { expect, test } from "vitest";
import { crc32c } from "./crc32c.ts";

function naive(bytes: Uint8Array, seed: number): number {
  let crc = ~seed;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

const crcOf = (data: Uint8Array<ArrayBuffer>) => crc32c(new DataView(data.buffer), 0, 32);

const bytes = Uint8Array.from({ length: 300 }, (_, index) => (index * 167 + 13) & 0xff);
const view = new DataView(bytes.buffer);

test("check value", () => {
  const check = new TextEncoder().encode("123456789");
  expect(crc32c(new DataView(check.buffer, check.byteOffset, 9), 0, 9)).toBe(0xe3069283);
});

test("published vectors: 32 zeros, 32 ones, ascending (RFC 3720 B.4)", () => {
  expect(crcOf(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crcOf(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crcOf(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e);
});

test("every length and alignment agrees with the bit-by-bit form", () => {
  for (let at = 0; at < 17; at++) {
    for (let length = 0; length <= 80; length++) {
      const seed = (at * 0x9e3779b1 + length) >>> 0;
      expect(crc32c(view, at, length, seed)).toBe(naive(bytes.subarray(at, at + length), seed));
    }
  }
});

test("pieces chain through the seed", () => {
  const whole = crc32c(view, 0, 300);
  for (const cut of [0, 1, 15, 16, 17, 150, 299, 300]) {
    expect(crc32c(view, cut, 300 - cut, crc32c(view, 0, cut))).toBe(whole);
  }
});

test("a range beyond the view is a bug", () => {
  expect(() => crc32c(view, 299, 2)).toThrow("ends inside");
  expect(() => crc32c(view, -1, 2)).toThrow("starts inside");
});
