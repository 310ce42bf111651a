/** Proves that the hash follows the content: same bytes, same hash, by whatever way; else another. */
import { describe, expect, it } from "vitest";
import { Pmem } from "@xiplab/core";
import { CrashImage } from "./image.ts";
import { randomOf } from "./random.ts";

const SIZE = 8192;
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe("the hash of an image", () => {
  it("is the same for the same bytes, however they came about", () => {
    const one = new CrashImage(new Pmem(SIZE));
    const other = new CrashImage(new Pmem(SIZE));
    const start = one.hash;
    one.put(13, bytes(1, 2, 3, 4, 5, 6));
    expect(one.hash).not.toBe(start);
    other.put(16, bytes(9, 9, 9));
    other.put(13, bytes(1, 2, 3));
    other.put(16, bytes(4, 5, 6));
    expect(other.hash).toBe(one.hash);
    one.put(13, bytes(0, 0, 0, 0, 0, 0));
    expect(one.hash).toBe(start);
  });

  it("differs where the same bytes stand elsewhere, or change places", () => {
    const hashes = new Set<string>();
    for (let at = 0; at < 1024; at += 8) {
      const image = new CrashImage(new Pmem(SIZE));
      image.put(at, bytes(1, 2));
      hashes.add(image.hash);
      image.put(at + 8, bytes(2, 1));
      hashes.add(image.hash);
    }
    expect(hashes.size).toBe(256);
  });

  it("has both halves depend on every bit", () => {
    const lows = new Set<string>();
    const highs = new Set<string>();
    for (let bit = 0; bit < 64; bit++) {
      const image = new CrashImage(new Pmem(SIZE));
      const unit = new Uint8Array(8);
      unit[Math.floor(bit / 8)] = 1 << (bit % 8);
      image.put(64, unit);
      lows.add(image.hash.split(".")[0]!);
      highs.add(image.hash.split(".")[1]!);
    }
    expect([lows.size, highs.size]).toEqual([64, 64]);
  });

  it("never takes two of 20,000 random contents for one", () => {
    const random = randomOf(5, 0);
    const image = new CrashImage(new Pmem(SIZE));
    const contents = new Map<string, string>();
    for (let step = 0; step < 20_000; step++) {
      image.put(random.below(32), bytes(random.below(3), random.below(2)));
      const content = image.device.directAccess(0, 40).join(",");
      expect(contents.get(image.hash) ?? content).toBe(content);
      contents.set(image.hash, content);
    }
    expect(new Set(contents.values()).size).toBe(contents.size);
  });
});

describe("what is done under an image", () => {
  it("is gone afterwards, bytes and hash", () => {
    const image = new CrashImage(new Pmem(SIZE));
    image.put(0, bytes(1));
    const { hash } = image;
    image.under(() => {
      image.put(0, bytes(2));
      image.put(4096, bytes(3));
      expect(image.hash).not.toBe(hash);
    });
    expect(image.hash).toBe(hash);
    expect([...image.device.directAccess(0, 1)]).toEqual([1]);
    expect([...image.device.directAccess(4096, 1)]).toEqual([0]);
  });

  it("is gone also if it throws", () => {
    const image = new CrashImage(new Pmem(SIZE));
    const { hash } = image;
    expect(() =>
      image.under(() => {
        image.put(0, bytes(2));
        throw new Error("stop");
      }),
    ).toThrow("stop");
    expect(image.hash).toBe(hash);
  });
});
