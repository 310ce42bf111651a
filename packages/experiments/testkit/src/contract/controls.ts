/**
 * The two write protocols that are not sound, and how exactly they fail: negative controls. If one
 * of these tests fails, the protocols are not what they are called, or the tests for stale and lost
 * bytes cannot see any.
 */
import type { Case, Group } from "./cases.ts";
import { MARK, pattern } from "../pattern.ts";
import { bytesEqual, equal, zeros } from "./expect.ts";
import { BLOCK, type Fixture } from "./fixture.ts";

/** `unwritten=none`: create and copy, as the code stood. Nobody converts. */
export const noneControls: Group<Case> = {
  title: "unwritten=none loses data, as documented",
  cases: [
    {
      name: "what is written into a preallocated range reads as zeros",
      needs: ["unwrittenExtents"],
      run(f) {
        f.create("/f");
        const file = f.open("/f");
        f.task.fallocate(file, 0, 0, 8 * BLOCK);
        f.putPattern(file, 1, BLOCK, 3 * BLOCK);
        f.task.fsync(file);
        equal(f.stat("/f").size, 8 * BLOCK, "the size is what it was");
        zeros(f.content("/f"), "nobody converts: the blocks are still unwritten");
        f.remount();
        zeros(f.content("/f"), "after a mount, too: the data is lost");
      },
    },
    {
      name: "what is written twice into written blocks stays",
      run(f) {
        f.create("/f");
        const file = f.open("/f");
        f.task.ftruncate(file, 2 * BLOCK);
        // A write fault converts, whatever the protocol.
        f.map(file, 0, 2 * BLOCK).store(0, pattern(1, 0, 2 * BLOCK), 0, 2 * BLOCK);
        const expected = f.putPattern(file, 2, 100, BLOCK);
        f.remount();
        bytesEqual(f.content("/f").subarray(100, 100 + BLOCK), expected, "nothing to convert");
      },
    },
  ],
};

/** `unwritten=prewrite`: converted before the copy, and not zeroed. */
export const prewriteControls: Group<Case> = {
  title: "unwritten=prewrite shows stale bytes, as documented",
  cases: [
    {
      name: "around a partial write stands what was on the medium",
      needs: ["unwrittenExtents"],
      run(f) {
        f.mark();
        f.create("/f");
        const file = f.open("/f");
        // More than the gaps between what mkfs zeroed for metadata have.
        f.task.fallocate(file, 0, 0, 64 * BLOCK);
        const expected = new Uint8Array(64 * BLOCK);
        expected.fill(MARK, BLOCK, 2 * BLOCK);
        expected.set(f.putPattern(file, 1, BLOCK + 1000, 100), BLOCK + 1000);
        stale(f, expected);
      },
    },
    {
      name: "in a fresh block, too",
      run(f) {
        f.mark();
        f.create("/f");
        const file = f.open("/f");
        const expected = new Uint8Array(BLOCK).fill(MARK);
        expected.set(f.putPattern(file, 1, 10, BLOCK - 10), 10);
        stale(f, expected);
      },
    },
    {
      name: "whole blocks hold what was written",
      run(f) {
        f.mark();
        f.create("/f");
        const expected = f.putPattern(f.open("/f"), 1, 0, 8 * BLOCK);
        stale(f, expected);
      },
    },
  ],
};

function stale(f: Fixture, expected: Uint8Array): void {
  const advice = "GXM_ALLOC without GXM_ZERO makes blocks written, and leaves what they hold";
  bytesEqual(f.content("/f"), expected, advice);
  f.remount();
  bytesEqual(f.content("/f"), expected, advice);
}
