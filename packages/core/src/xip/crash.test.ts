/**
 * Proves the order of stores, fences and transactions of the write protocols (I1 to I5): at every
 * fence, and at every change that a power cut would keep, the file is read as it would be after a
 * cut, with nothing and with everything of what is in flight. The full explorer is another package;
 * this is the net close to the code.
 */
import { describe, expect, it } from "vitest";
import { SoundProtocols, type WriteProtocolName } from "../spec/file-operations.ts";
import type { PmemObserver } from "../pmem/observer.ts";
import { XipOperations } from "./operations.ts";
import { contents, FakeFs, oldContents, pattern, PowerCut, survivor } from "./testing.ts";

const BLOCK = 4096;
const WRITES = [
  [0, BLOCK],
  [10, 20],
  [BLOCK - 10, 2 * BLOCK + 20],
  [3 * BLOCK + 50, 100],
  [5 * BLOCK + 50, 100],
] as const;
const LAYOUTS = ["uuuu", "....", "wwww", "w.uw", "u", ""];

interface Verdicts {
  /** A byte that is neither old, nor new, nor a zero where the file had no data. */
  stale: number;
  /** A size beyond what was durable, or a state after write() that is not the new file. */
  lost: number;
  states: number;
  /** States of a write over old data that are neither all old nor all new. */
  torn: number;
}

function explore(protocol: WriteProtocolName, layout: string, pos: number, length: number) {
  const verdicts: Verdicts = { stale: 0, lost: 0, states: 0, torn: 0 };
  const watch = new PowerCut(64 * BLOCK);
  let look = () => {};
  const observer: PmemObserver = { onFence: () => look(), onStore: () => look() };
  const fs = new FakeFs({ observers: [watch, observer] });
  const operations = new XipOperations(fs, protocol);
  const size = layout.length * BLOCK - (layout === "" ? 0 : 30);
  const inode = fs.build(layout, size);
  const old = oldContents(layout, size);
  const data = pattern(9, length);
  const made = new Uint8Array(Math.max(size, pos + length));
  made.set(old);
  made.set(data, pos);
  look = () => {
    for (const memory of [watch.nothing(), watch.everything()]) {
      judge(survivor(fs, inode, memory), old, made, layout, verdicts);
    }
  };
  fs.onCommit = look;
  operations.write(inode, pos, data, 0, length);
  look = () => {};
  const after = survivor(fs, inode, watch.nothing());
  if (Buffer.compare(after, made) !== 0) verdicts.lost++;
  if (Buffer.compare(contents(operations, inode), made) !== 0) verdicts.lost++;
  return verdicts;
}

function judge(
  found: Uint8Array,
  old: Uint8Array,
  made: Uint8Array,
  layout: string,
  verdicts: Verdicts,
): void {
  verdicts.states++;
  const equals = (want: Uint8Array) => Buffer.compare(found, want) === 0;
  if (!equals(old) && !equals(made)) verdicts.torn++;
  for (let pos = 0; pos < found.length; pos++) {
    const byte = found[pos]!;
    const wasData = pos < old.length && layout[Math.floor(pos / BLOCK)] === "w";
    const legal =
      byte === made[pos] || (pos < old.length && byte === old[pos]) || (byte === 0 && !wasData);
    if (!legal) verdicts.stale++;
  }
  // A size that covers bytes of the write that are not there: zeros where data was promised.
  if (found.length > old.length) {
    const beyond = (bytes: Uint8Array) => bytes.subarray(old.length, found.length);
    if (Buffer.compare(beyond(found), beyond(made)) !== 0) verdicts.lost++;
  }
}

function exploreAll(protocol: WriteProtocolName): Verdicts {
  const sum: Verdicts = { stale: 0, lost: 0, states: 0, torn: 0 };
  for (const layout of LAYOUTS) {
    for (const [pos, length] of WRITES) {
      const one = explore(protocol, layout, pos, length);
      sum.stale += one.stale;
      sum.lost += one.lost;
      sum.states += one.states;
      sum.torn += one.torn;
    }
  }
  return sum;
}

describe("a power cut at every fence, store and commit of a write()", () => {
  it.each(SoundProtocols)("%s loses nothing and shows nothing stale", (protocol) => {
    const verdicts = exploreAll(protocol);
    expect(verdicts.states).toBeGreaterThan(200);
    expect(verdicts).toMatchObject({ stale: 0, lost: 0 });
    // Out of place is the one that makes write() atomic.
    expect(verdicts.torn > 0).toBe(protocol !== "own");
  });

  it("none loses, and shows nothing stale", () => {
    const verdicts = exploreAll("none");
    expect(verdicts.lost).toBeGreaterThan(0);
    expect(verdicts.stale).toBe(0);
  });

  it("prewrite shows what the medium held", () => {
    expect(exploreAll("prewrite").stale).toBeGreaterThan(0);
  });

  it("prewrite shows it after a cut even where whole blocks are written", () => {
    const verdicts = explore("prewrite", "u", 0, BLOCK);
    expect(verdicts.stale).toBeGreaterThan(0);
    expect(verdicts.lost).toBe(0);
  });
});
