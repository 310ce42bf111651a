/** The buffer cache: bounded, of clean blocks only, with one buffer per block. */
import type { Pblk } from "@xiplab/core";
import { expect, test } from "vitest";
import { type BlockKind, Buffers } from "./buffers.ts";
import { ANY, imageOf } from "./journal/testing.ts";
import { WithoutJournal } from "./journal/without.ts";
import { openGeometry } from "./super-state.ts";

const CLEAN_MAX = 8;

function open(overlay: ReadonlyMap<number, Uint8Array<ArrayBuffer>> | null = null) {
  const device = imageOf(16, "-b", "4096");
  const { geometry } = openGeometry(device);
  const buffers = new Buffers(device, geometry, overlay, CLEAN_MAX);
  return { device, buffers, journal: new WithoutJournal(buffers, { transactions: 0 }) };
}
const block = (index: number): Pblk => (3000 + index) as Pblk;

test("a clean buffer is a view of the device, found again by kind and owner", () => {
  const { buffers, device } = open();
  const buffer = buffers.read(block(0), ANY, 0);
  device.store(block(0) * 4096 + 5, Uint8Array.of(9), 0, 1, 0);
  expect(buffer.view.getUint8(buffer.at + 5)).toBe(9);
  expect(buffers.read(block(0), ANY, 0)).toBe(buffer);
  expect(buffers.read(block(0), ANY, 1)).not.toBe(buffer);
});

test("a block is verified when it is read first", () => {
  const { buffers } = open();
  let count = 0;
  const kind: BlockKind = { name: "counted", verify: () => count++, stamp() {} };
  buffers.read(block(0), kind, 0);
  buffers.read(block(0), kind, 0);
  expect(count).toBe(1);
});

test("changed and pinned buffers stay, others go round", () => {
  const { buffers, journal } = open();
  const pinned = buffers.read(block(0), ANY, 0);
  pinned.pinned = true;
  const changed = buffers.read(block(1), ANY, 0);
  journal.run(1, () => buffers.write(changed));
  const clean = buffers.read(block(2), ANY, 0);
  for (let index = 3; index < 100; index++) buffers.read(block(index), ANY, 0);
  expect(buffers.peek(block(0))).toBe(pinned);
  expect(buffers.peek(block(1))).toBe(changed);
  expect(buffers.peek(block(2))).toBeUndefined();
  expect(clean.dropped).toBe(true);
});

test("a buffer that was dropped and is changed is the block's buffer again", () => {
  const { buffers, device, journal } = open();
  const kept = buffers.read(block(0), ANY, 0);
  for (let index = 1; index < 100; index++) buffers.read(block(index), ANY, 0);
  expect(buffers.peek(block(0))).toBeUndefined();
  journal.run(1, () => {
    buffers.write(kept);
    kept.bytes!.fill(4);
  });
  expect(buffers.read(block(0), ANY, 0)).toBe(kept);
  journal.commit();
  expect(device.directAccess(block(0) * 4096, 1)[0]).toBe(4);
});

test("more changed buffers than clean ones are kept grow the cache", () => {
  const { buffers, journal } = open();
  journal.run(50, () => {
    for (let index = 0; index < 50; index++) buffers.write(buffers.read(block(index), ANY, 0));
  });
  for (let index = 0; index < 50; index++) expect(buffers.peek(block(index))?.tid).toBe(1);
  journal.commit();
  expect(buffers.framesUsed).toBe(0);
});

test("what recovery left in memory is seen first", () => {
  const bytes = new Uint8Array(8192).fill(6);
  const { buffers } = open(new Map([[block(0) as number, bytes.subarray(4096)]]));
  const { at, view } = buffers.read(block(0), ANY, 0);
  expect(view.getUint8(at + 4095)).toBe(6);
  const other = buffers.read(block(1), ANY, 0);
  expect(other.view.getUint8(other.at)).toBe(0);
});

test("a created block is zero, whatever its memory held", () => {
  const { buffers, journal } = open();
  journal.run(1, () => {
    const buffer = buffers.read(block(0), ANY, 0);
    buffers.write(buffer);
    buffer.bytes!.fill(1);
  });
  journal.commit();
  journal.run(1, () => {
    const buffer = buffers.create(block(1), ANY, 0);
    expect(buffer.bytes!.every((byte) => byte === 0)).toBe(true);
  });
});
