/**
 * Proves that the explorer convicts: designs with one deliberate bug each, made from plain by
 * taking a flush or a fence from under it, or by doing one operation in the wrong order. And that
 * it convicts them for the bug: the same harness without the bug is acquitted of the same work.
 */
import { plain } from "@xiplab/plain";
import { describe, expect, it } from "vitest";
import {
  FsError,
  GXM_ALLOC,
  GXM_CREATE,
  type MountContext,
  PAGE_SIZE,
  type Personality,
  type PmemDevice,
  type Purpose,
  isDirectory,
} from "@xiplab/core";
import { exploreCrash, replayCrash } from "./explore.ts";
import { type CaseName, Cases } from "./testing-cases.ts";
import { ForwardingDevice, onDevice, withOperations } from "./testing.ts";
import type { CrashCase, CrashResult, VerdictName } from "./types.ts";

const DEVICE_SIZE = 2 ** 19;

interface Canary {
  readonly bug: string;
  readonly personality: Personality;
  readonly steps: CaseName;
  readonly unwritten: string;
  readonly verdict: VerdictName;
  /** What the explanation calls it. */
  readonly cause: "logic" | "ordering";
}

/** Fences that would order non-temporal stores before what follows are not there. */
class NoFenceAfterNonTemporal extends ForwardingDevice {
  private pending = false;
  override storeNonTemporal(
    offset: number,
    source: Uint8Array,
    start: number,
    length: number,
    purpose: Purpose,
  ): void {
    super.storeNonTemporal(offset, source, start, length, purpose);
    this.pending = true;
  }
  override flush(offset: number, length: number): void {
    super.flush(offset, length);
    this.pending = false;
  }
  override fence(): void {
    if (!this.pending) super.fence();
    this.pending = false;
  }
}

/** Flushes of exactly so many bytes are not there. */
class NoFlushOf extends ForwardingDevice {
  private readonly length: number;
  constructor(inner: PmemDevice, length: number) {
    super(inner);
    this.length = length;
  }
  override flush(offset: number, length: number): void {
    if (length !== this.length) super.flush(offset, length);
  }
}

/** Once mounted: flushes of inode records, what is longer than a word and before the data, are not
 * there. */
class NoFlushOfRecords extends ForwardingDevice {
  dataStart = 0;
  override flush(offset: number, length: number): void {
    if (length <= 8 || offset >= this.dataStart) super.flush(offset, length);
  }
}

/** No flush at all: right under eadr, wrong under adr. */
class NoFlush extends ForwardingDevice {
  override flush(): void {}
}

const noFence = onDevice(plain, (device) => new NoFenceAfterNonTemporal(device));
const noHeadFlush = onDevice(plain, (device) => new NoFlushOf(device, 8));
const noRecordFlush = Object.assign(Object.create(plain) as Personality, {
  mount: (inner: PmemDevice, context: MountContext) => {
    const device = new NoFlushOfRecords(inner);
    const fs = plain.mount(device, context);
    device.dataStart = device.size - fs.statfs().blocks * fs.blockSize;
    return fs;
  },
});
const noPageFlush = onDevice(plain, (device) => new NoFlushOf(device, PAGE_SIZE));
const noFlush = onDevice(plain, (device) => new NoFlush(device));
const forwarded = withOperations(
  onDevice(plain, (device) => new ForwardingDevice(device)),
  () => ({}),
);

const commitBeforeData = withOperations(plain, (fs) => ({
  getXipMem: (mapping, pos, length, flags, out) => {
    const more = (flags & GXM_CREATE) !== 0 ? GXM_ALLOC : 0;
    fs.getXipMem(mapping, pos, length, flags | more, out);
  },
}));

const sizeBeforeData = withOperations(plain, (fs) => ({
  xipStage: (mapping, pos, length, out) => {
    if (pos + length > mapping.inode.diskSize) fs.setSize(mapping, pos + length);
    fs.xipStage(mapping, pos, length, out);
  },
}));

const renameInSteps = withOperations(plain, (fs) => ({
  rename: (oldDirectory, oldName, newDirectory, newName, inode, displaced, exchange) => {
    if (exchange || isDirectory(inode.mode)) {
      fs.rename(oldDirectory, oldName, newDirectory, newName, inode, displaced, exchange);
      return;
    }
    if (displaced !== null) fs.unlink(newDirectory, newName, displaced);
    fs.link(newDirectory, newName, inode);
    fs.unlink(oldDirectory, oldName, inode);
  },
}));

/** Looks sound, but nothing can be made on it once it has been recovered. */
const uselessRecovery = Object.assign(Object.create(plain) as Personality, {
  mount: (device: PmemDevice, context: MountContext) => {
    const { clean } = plain.check(device);
    const fs = plain.mount(device, context);
    const create = (): never => {
      throw new FsError("EIO", "the allocator was not rebuilt");
    };
    return clean ? fs : Object.assign(fs, { create });
  },
});

const neverClean = withOperations(plain, (fs) => ({ unmount: () => fs.sync() }));

const canaries: Canary[] = [
  {
    bug: "no fence between data and the conversion",
    personality: noFence,
    steps: "log",
    unwritten: "complete",
    verdict: "stale",
    cause: "ordering",
  },
  {
    bug: "no flush of an inode's record",
    personality: noRecordFlush,
    steps: "tree",
    unwritten: "zero",
    verdict: "broken",
    cause: "ordering",
  },
  {
    bug: "no flush of a name's head word",
    personality: noHeadFlush,
    steps: "tree",
    unwritten: "zero",
    verdict: "lost",
    cause: "ordering",
  },
  {
    bug: "no flush of what was stored through a mapping",
    personality: noPageFlush,
    steps: "mmap",
    unwritten: "zero",
    verdict: "lost",
    cause: "ordering",
  },
  {
    bug: "conversion committed before the data",
    personality: commitBeforeData,
    steps: "log",
    unwritten: "complete",
    verdict: "stale",
    cause: "logic",
  },
  {
    bug: "size published before the data",
    personality: sizeBeforeData,
    steps: "append",
    unwritten: "own",
    verdict: "lost",
    cause: "logic",
  },
  {
    bug: "a recovery that leaves nothing to be made",
    personality: uselessRecovery,
    steps: "log",
    unwritten: "zero",
    verdict: "broken",
    cause: "logic",
  },
  {
    bug: "an unmount that marks nothing clean",
    personality: neverClean,
    steps: "log",
    unwritten: "zero",
    verdict: "broken",
    cause: "logic",
  },
  {
    bug: "rename in three steps",
    personality: renameInSteps,
    steps: "names",
    unwritten: "zero",
    verdict: "lost",
    cause: "logic",
  },
];

function caseOf(personality: Personality, canary: Pick<Canary, "steps" | "unwritten">): CrashCase {
  return {
    ...Cases[canary.steps],
    name: canary.steps,
    personality,
    mountOptions: { data: "xip", unwritten: canary.unwritten },
    deviceSize: DEVICE_SIZE,
  };
}

const verdictsOf = (result: CrashResult): Record<VerdictName, number> => ({
  lost: result.lost.count,
  stale: result.stale.count,
  broken: result.broken.count,
});
const NOTHING = { lost: 0, stale: 0, broken: 0 };

/** Verdicts of the harness without a bug, once for each piece of work. */
const sound = new Map<string, Record<VerdictName, number>>();
function soundVerdicts(canary: Canary): Record<VerdictName, number> {
  const key = `${canary.steps} ${canary.unwritten}`;
  const known = sound.get(key) ?? verdictsOf(exploreCrash(caseOf(forwarded, canary)));
  sound.set(key, known);
  return known;
}

describe.each(canaries)("$bug", (canary) => {
  const result = exploreCrash(caseOf(canary.personality, canary));

  it(`is convicted of ${canary.verdict}`, () => {
    expect(result[canary.verdict].count).toBeGreaterThan(0);
  });

  it(`is explained as a matter of ${canary.cause}`, () => {
    const id = result[canary.verdict].firstId!;
    const explanation = replayCrash(id, caseOf(canary.personality, canary));
    expect(explanation.findings.map(({ verdict }) => verdict)).toContain(canary.verdict);
    expect(explanation.cause).toBe(canary.cause);
  });

  it("is acquitted in the same harness without the bug", () => {
    expect(soundVerdicts(canary)).toEqual(NOTHING);
  });
});

describe("no flush at all", () => {
  const work = { steps: "append", unwritten: "complete" } as const;

  it("is convicted under adr", () => {
    const result = exploreCrash(caseOf(noFlush, work));
    expect(result.lost.count).toBeGreaterThan(0);
  });

  it("is acquitted under eadr, where caches survive", () => {
    const result = exploreCrash({ ...caseOf(noFlush, work), domain: "eadr" });
    expect(verdictsOf(result)).toEqual(NOTHING);
  });
});
