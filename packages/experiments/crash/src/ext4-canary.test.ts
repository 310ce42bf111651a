/**
 * Proves that the explorer convicts ext4 too, of one deliberate bug each, made by taking a fence from
 * under its journal, or by doing one thing of the journal, the allocator or the orphans in the wrong
 * order; and that the same harness without the bug acquits it of the same work.
 *
 * The bugs reach into a mounted file system where no option and no device leads: a canary whose way
 * in is gone throws, and so cannot be acquitted in silence.
 */
import {
  assert,
  type FileSystem,
  type MountContext,
  type Personality,
  O_RDWR,
  PAGE_SIZE,
  PURPOSE_CHECKPOINT,
  PURPOSE_ZEROING,
  type PmemDevice,
  type Purpose,
} from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import type { Operation } from "@xiplab/testkit";
import { describe, expect, it } from "vitest";
import { exploreCrash, replayCrash } from "./explore.ts";
import { Cases, create, fsync, write } from "./testing-cases.ts";
import { ForwardingDevice, onDevice } from "./testing.ts";
import type { CrashCase, CrashResult, VerdictName } from "./types.ts";

/** Few: each bug shows in plain plans. */
const BOUNDS = {
  exhaustiveStates: 16,
  exhaustiveLines: 3,
  linesMax: 4,
  prefixesMax: 4,
  samples: 4,
};

/** What the canaries reach into. */
interface Insides {
  readonly device: PmemDevice;
  readonly volume: {
    readonly geometry: {
      readonly blockSize: number;
      groupOf(pblk: number): number;
      groupStart(group: number): number;
    };
    readonly journal: {
      readonly writer: {
        write(tid: number, blocks: readonly BlockInside[], ...rest: unknown[]): void;
      };
    };
    readonly balloc: {
      readonly space: {
        remember(start: number, length: number): void;
        letGo(group: number, start: number, length: number): void;
      };
    };
    readonly orphans: {
      readonly waiting: Array<{ waiting: number; orphan: boolean }>;
      run(): void;
    };
  };
}

interface BlockInside {
  readonly pblk: number;
  readonly bytes: Uint8Array | null;
}

/** ext4, of which each mount gets `spoil`. mkfs and check are honest. */
function spoiled(spoil: (insides: Insides, device: SpoiltDevice) => void): Personality {
  const mount = (inner: PmemDevice, context: MountContext): FileSystem => {
    const device = new SpoiltDevice(inner);
    const fs = ext4.mount(device, context);
    // A mount that only reads has no journal to spoil.
    if (!fs.readOnly) spoil(fs as FileSystem & Insides, device);
    return fs;
  };
  return Object.assign(Object.create(ext4) as Personality, { mount });
}

/** Leaves out the next fence where it is told to. */
class SpoiltDevice extends ForwardingDevice {
  skipsFence = false;

  override fence(): void {
    if (!this.skipsFence) super.fence();
    this.skipsFence = false;
  }
}

class NoFence extends ForwardingDevice {
  override fence(): void {}
}

class NoZeroing extends ForwardingDevice {
  override zero(offset: number, length: number, purpose: Purpose): void {
    if (purpose !== PURPOSE_ZEROING) super.zero(offset, length, purpose);
  }
}

const noFence = onDevice(ext4, (device) => new NoFence(device));
const noZeroing = onDevice(ext4, (device) => new NoZeroing(device));

const noFenceBeforeCommitWord = spoiled(({ volume }, device) => {
  const { writer } = volume.journal;
  const sound = writer.write.bind(writer);
  writer.write = (...transaction) => {
    sound(...transaction);
    device.skipsFence = true;
  };
});

const homeBeforeCommit = spoiled(({ volume }, device) => {
  const { writer } = volume.journal;
  const { blockSize } = volume.geometry;
  const sound = writer.write.bind(writer);
  writer.write = (tid, blocks, ...rest) => {
    for (const { bytes, pblk } of blocks) {
      assert(bytes !== null, "a block of a transaction has bytes of its own");
      device.storeNonTemporal(pblk * blockSize, bytes, 0, blockSize, PURPOSE_CHECKPOINT);
    }
    sound(tid, blocks, ...rest);
  };
});

const freedAtOnce = spoiled(({ volume }) => {
  const { balloc, geometry } = volume;
  const { space } = balloc;
  assert(typeof space.remember === "function", "the allocator remembers what is freed");
  space.remember = (start, length) => {
    const group = geometry.groupOf(start);
    space.letGo(group, start - geometry.groupStart(group), length);
  };
});

const noOrphans = spoiled(({ volume }) => {
  const { orphans } = volume;
  assert(typeof orphans.run === "function", "orphans are put on the medium at a commit");
  orphans.run = () => {
    for (const inode of orphans.waiting) {
      inode.waiting = -1;
      inode.orphan = false;
    }
    orphans.waiting.length = 0;
  };
});

const forwarded = spoiled(() => {});

interface Steps {
  readonly setup: readonly Operation[];
  readonly body: readonly Operation[];
}

/** Blocks that one file gives up and the next one wants, before anything is synced. */
const reuse: Steps = {
  setup: [create("/a"), write("/a", 0, 5 * PAGE_SIZE, 1), create("/b")],
  body: [{ op: "truncate", file: "/a", size: 0 }, write("/b", 0, 5 * PAGE_SIZE, 2), fsync("/b")],
};

/** A file that is open without a name when everything is synced. */
const unlinked: Steps = {
  setup: [create("/a"), write("/a", 0, 5000, 1)],
  body: [
    { op: "open", slot: 0, path: "/a", flags: O_RDWR, mode: 0 },
    { op: "unlink", path: "/a" },
    { op: "sync" },
    write(0, 0, 100, 2),
    { op: "close", slot: 0 },
  ],
};

const Works = { ...Cases, reuse, unlinked };

interface Canary {
  readonly bug: string;
  readonly personality: Personality;
  readonly steps: keyof typeof Works;
  readonly mountOptions: Readonly<Record<string, string>>;
  readonly features?: string;
  readonly verdict: VerdictName;
}

const canaries: Canary[] = [
  {
    bug: "no fence at all",
    personality: noFence,
    steps: "append",
    mountOptions: { unwritten: "complete" },
    verdict: "lost",
  },
  {
    bug: "no fence before the commit word",
    personality: noFenceBeforeCommitWord,
    steps: "tree",
    mountOptions: { unwritten: "complete" },
    // With checksums in the log recovery finds out.
    features: "^metadata_csum",
    verdict: "broken",
  },
  {
    bug: "blocks that go home before their commit",
    personality: homeBeforeCommit,
    steps: "tree",
    mountOptions: { unwritten: "complete" },
    verdict: "broken",
  },
  {
    bug: "freed blocks that are used again before the commit",
    personality: freedAtOnce,
    steps: "reuse",
    mountOptions: { unwritten: "complete", alloc: "first-fit" },
    verdict: "stale",
  },
  {
    bug: "an orphan that is on no list",
    personality: noOrphans,
    steps: "unlinked",
    mountOptions: { unwritten: "complete" },
    verdict: "broken",
  },
  {
    bug: "no zeros under zero",
    personality: noZeroing,
    steps: "log",
    mountOptions: { unwritten: "zero" },
    verdict: "stale",
  },
];

function caseOf(personality: Personality, canary: Canary): CrashCase {
  const { features, mountOptions, steps } = canary;
  return {
    ...Works[steps],
    name: steps,
    personality,
    mountOptions: { data: "xip", ...mountOptions },
    ...(features === undefined ? {} : { mkfsOptions: { features } }),
    deviceSize: ext4.deviceSizeMin,
    bounds: BOUNDS,
  };
}

const verdictsOf = ({ lost, stale, broken }: CrashResult) => [
  lost.count,
  stale.count,
  broken.count,
];

describe.each(canaries)("$bug", (canary) => {
  it(`is convicted of ${canary.verdict}, in a state that can be replayed`, () => {
    const crashCase = caseOf(canary.personality, canary);
    const result = exploreCrash(crashCase);
    expect(result[canary.verdict].count).toBeGreaterThan(0);
    const explanation = replayCrash(result[canary.verdict].firstId!, crashCase);
    expect(explanation.findings.map(({ verdict }) => verdict)).toContain(canary.verdict);
  });

  it("is acquitted in the same harness without the bug", () => {
    expect(verdictsOf(exploreCrash(caseOf(forwarded, canary)))).toEqual([0, 0, 0]);
  });
});
