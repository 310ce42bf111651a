/**
 * Images that nobody made: in each of IMAGES one field of one structure has another value, mostly
 * with its checksum mended. Every one is checked, mounted and worked with, or is refused by an error
 * that names what is wrong. Nothing else is thrown, nothing takes long, and what is refused is not
 * written to.
 */
import {
  CorruptionError,
  counterClock,
  FsError,
  mount,
  OptionError,
  type Pmem,
  PURPOSE_METADATA,
} from "@xiplab/core";
import { describe, expect, test } from "vitest";
import { Mutator } from "./check/testing/mutations.ts";
import { exercise } from "./testing/exercise.ts";
import { dirtyImage, populatedImage } from "./testing/images.ts";
import { logTargets } from "./testing/log-targets.ts";
import { ext4 } from "./index.ts";

const IMAGES = Number(process.env["IMAGES"] ?? 10_000);
const SEED = Number(process.env["SEED"] ?? 20_131_206);
/** One image may take so long on a slow, shared machine; a hang takes for ever. */
const MILLISECONDS_MAX = 20_000;

const outcomes = ["refused", "stopped", "worked"] as const;
type Outcome = (typeof outcomes)[number];

interface Kind {
  readonly name: string;
  readonly data: string;
  /** A mount writes before it has seen everything: the journal is replayed. */
  readonly dirty: boolean;
  make(): Pmem;
}

const SIZE = 8 * 2 ** 20;
const KINDS: readonly Kind[] = [
  { name: "new", data: "xip", dirty: false, make: () => populatedImage(SIZE, {}, 60) },
  {
    name: "orphan_file",
    data: "xip",
    dirty: false,
    make: () => populatedImage(SIZE, { features: "orphan_file metadata_csum_seed" }, 60),
  },
  {
    name: "old",
    data: "nodelalloc",
    dirty: false,
    make: () => {
      const features = "^extent ^64bit ^metadata_csum uninit_bg ^flex_bg";
      return populatedImage(SIZE, { features, blockSize: "1024", inodeSize: "128" }, 20);
    },
  },
  { name: "dirty", data: "xip", dirty: true, make: () => dirtyImage(SIZE, {}, 60) },
];

// Traces of the many errors that are expected take longer than what they are about.
Error.stackTraceLimit = 0;

/** Do everything with an image. Throws what must not be thrown. */
function use(device: Pmem, { data, dirty }: Kind): Outcome {
  ext4.probe(device);
  ext4.describe(device);
  ext4.defaultOptions(device);
  ext4.check(device);
  const { stores } = device.counters;
  try {
    const vfs = mount(ext4, device, { data }, { clock: counterClock() });
    const failed = exercise(vfs);
    vfs.unmount(true);
    ext4.check(device);
    return failed > 0 && vfs.superblock.corruption !== null ? "stopped" : "worked";
  } catch (error) {
    if (error instanceof FsError) return "stopped";
    const refused = error instanceof CorruptionError || error instanceof OptionError;
    if (!refused) throw error;
    const written = device.counters.stores !== stores && !dirty;
    if (written) throw new Error("refused, but written to before", { cause: error });
    return "refused";
  }
}

describe.each(KINDS)("$name", (kind) => {
  const count = Math.ceil(IMAGES / KINDS.length);
  test(`${count} images with one field changed, seed=${SEED}`, { timeout: 3_600_000 }, () => {
    const device = kind.make();
    expect(ext4.check(device)).toMatchObject({ clean: !kind.dirty });
    const bytes = new Uint8Array(SIZE);
    device.load(0, bytes, 0, SIZE);
    const more = kind.dirty ? logTargets(device, bytes) : [];
    expect(more.length > 1000).toBe(kind.dirty);
    const mutator = new Mutator(bytes, SEED, more);
    const counts = outcomes.map(() => 0);
    for (let index = 0; index < count; index++) {
      device.snapshot();
      const mutation = mutator.mutate();
      for (const [at, length] of mutation.ranges) {
        device.store(at, bytes, at, length, PURPOSE_METADATA);
      }
      const begin = performance.now();
      try {
        counts[outcomes.indexOf(use(device, kind))]!++;
      } catch (error) {
        throw new Error(`seed=${SEED} image ${index}, ${mutation.text}`, { cause: error });
      }
      const elapsed = performance.now() - begin;
      if (elapsed > MILLISECONDS_MAX) throw new Error(`${index}, ${mutation.text}: ${elapsed} ms`);
      device.rollback();
      mutator.restore(mutation);
    }
    for (const outcome of counts) expect(outcome).toBeGreaterThan(count / 100);
  });
});
