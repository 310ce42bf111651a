/** The shortcuts over zeros give what the plain checksum gives. */
import { expect, test } from "vitest";
import { crcRaw } from "../checksum.ts";
import { crcSparse, crcZeroRun } from "./crc-zeros.ts";
import { randomOf } from "./testing.ts";

const zeros = new DataView(new ArrayBuffer(8192));

test("a run of zeros of every length", () => {
  for (let length = 0; length < 8192; length += length < 70 ? 1 : 67) {
    expect(crcZeroRun(0xdeadbeef, length)).toBe(crcRaw(0xdeadbeef, zeros, 0, length));
  }
});

test("blocks with zeros in places", () => {
  const seed = 3;
  const random = randomOf(seed);
  for (let round = 0; round < 200; round++) {
    const bytes = new Uint8Array(4096);
    for (let piece = random() % 6; piece > 0; piece--) {
      const at = random() % 4096;
      bytes.fill(random() & 0xff, at, at + (random() % 900));
    }
    const view = new DataView(bytes.buffer);
    const at = random() % 8;
    const length = 4096 - at - (random() % 5);
    const expected = crcRaw(round, view, at, length);
    expect(crcSparse(round, view, at, length), `seed=${seed}`).toBe(expected);
  }
});
