/**
 * Images that nobody made: each of 10,000 with random bytes flipped, and of 10,000 with one field of
 * a structure set to an extreme and its checksum mended, mounts and works, or is refused with an
 * error that says so. Nothing else is thrown, and nothing takes long. What is mounted is sound: the
 * mount has read it all, so after an unmount the check finds nothing.
 */
import {
  crc32c,
  CorruptionError,
  type Field,
  FsError,
  type Ino,
  layoutOf,
  mount,
  OptionError,
  type Pmem,
  PURPOSE_METADATA,
  sizeOf,
  type Struct,
  WORD_PAIR,
} from "@xiplab/core";
import { describe, expect, test } from "vitest";
import { DIRENT, UNIT_SIZE } from "./format/dirent.ts";
import { EXTENT, INODE, INODE_SIZE, INODE_TWIN, LEAF, seedOf } from "./format/inode.ts";
import { INTENT_AT, STATE, STATE_AT, SUPERBLOCK } from "./format/superblock.ts";
import { BLOCK_SIZE, readSuperblock, slotToDevByte, type Superblock } from "./geometry.ts";
import { plain } from "./index.ts";
import { readInode } from "./inode.ts";
import { dirtyImage, exercise, interruptedImage, populatedImage } from "./testing.ts";

const IMAGES = Number(process.env["IMAGES"] ?? 10_000);
const SEED = Number(process.env["SEED"] ?? 20_131_206);
const DEVICE_SIZE = 2 ** 20;
/** Of images: the random ones are shared out among them. */
const KINDS = 3;
/** One image may take so long on a slow, shared machine; a hang takes for ever. */
const MILLISECONDS_MAX = 5000;

type Random = (below: number) => number;

function randomNumbers(seed: number): Random {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const outcomes = ["refused", "stopped", "worked"] as const;
type Outcome = (typeof outcomes)[number];

/** Do everything with an image. Throws what must not be thrown. */
function use(device: Pmem): Outcome {
  plain.probe(device);
  plain.describe(device);
  plain.check(device);
  try {
    const vfs = mount(plain, device);
    let outcome: Outcome = "worked";
    try {
      exercise(vfs);
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      outcome = "stopped";
    }
    vfs.unmount(true);
    const { findings, clean } = plain.check(device);
    const sound = vfs.superblock.corruption !== null || (clean && findings.length === 0);
    if (!sound) throw new Error(`unsound after unmount: ${JSON.stringify(findings.slice(0, 3))}`);
    return outcome;
  } catch (error) {
    const refused = error instanceof CorruptionError || error instanceof OptionError;
    if (!refused && !(error instanceof FsError)) throw error;
    return "refused";
  }
}

/** Mutate, use, roll back; `IMAGES` times. Returns how often each outcome came. */
function fuzz(device: Pmem, seed: number, mutate: (random: Random) => string): number[] {
  const counts = outcomes.map(() => 0);
  for (let index = 0; index < IMAGES / KINDS; index++) {
    device.snapshot();
    const what = mutate(randomNumbers(seed + index * 2654435761));
    const begin = performance.now();
    try {
      counts[outcomes.indexOf(use(device))]!++;
    } catch (error) {
      throw new Error(`seed=${SEED} image ${index}, ${what}`, { cause: error });
    }
    const elapsed = performance.now() - begin;
    if (elapsed > MILLISECONDS_MAX) throw new Error(`image ${index}, ${what}: ${elapsed} ms`);
    device.rollback();
  }
  return counts;
}

/** A structure on the device, and how to make its checksum right again. */
interface Place {
  readonly at: number;
  readonly structure: Struct<object>;
  mend(device: Pmem): void;
}

const dataView = (device: Pmem, at: number): DataView => {
  const bytes = device.directAccess(at, BLOCK_SIZE);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
};

const setU32 = (device: Pmem, at: number, value: number): void =>
  device.storeU32(at, value, PURPOSE_METADATA);

/** Every structure of the image with its place: found through the file system's own readers. */
function placesOf(device: Pmem): Place[] {
  const sb = readSuperblock(device);
  const places: Place[] = [
    {
      at: 0,
      structure: SUPERBLOCK,
      mend: () => setU32(device, 4, crc32c(dataView(device, 0), 8, STATE_AT - 8)),
    },
    { at: STATE_AT, structure: STATE, mend() {} },
    {
      at: INTENT_AT,
      structure: WORD_PAIR,
      mend: () => setU32(device, INTENT_AT + 4, crc32c(dataView(device, INTENT_AT), 8, 32)),
    },
  ];
  for (let ino = 1; ino <= sb.inodesEnd; ino++) addInode(device, sb, ino, places);
  return places;
}

function addInode(device: Pmem, sb: Superblock, ino: number, places: Place[]): void {
  const inode = readInode(device, sb, ino as Ino);
  const seed = seedOf(sb.seed, ino);
  const slot = slotToDevByte(ino);
  for (const at of [slot, slot + INODE_SIZE]) {
    const mend = (): void => {
      const view = dataView(device, at);
      const length = Math.min(INODE_TWIN.lengthOf(view, 0), INODE_SIZE);
      setU32(device, at, crc32c(view, 4, length - 4, seed));
    };
    places.push({ at, structure: INODE, mend });
    for (let extent = 0; extent < 3; extent++) {
      const extentAt = at + INODE.map.offset + extent * sizeOf(EXTENT);
      places.push({ at: extentAt, structure: EXTENT, mend });
    }
  }
  for (const [index, leaf] of inode.extents.leaves.entries()) {
    const at = leaf * BLOCK_SIZE;
    const count = Math.min(inode.extents.list.length - index * 340, 340);
    const length = sizeOf(LEAF) + count * sizeOf(EXTENT);
    const mend = (): void => setU32(device, at, crc32c(dataView(device, at), 4, length - 4, seed));
    places.push({ at, structure: LEAF, mend });
    for (let extent = 0; extent < count; extent += 5) {
      const extentAt = at + sizeOf(LEAF) + extent * sizeOf(EXTENT);
      places.push({ at: extentAt, structure: EXTENT, mend });
    }
  }
  if ((inode.mode & 0o170000) !== 0o040000) return;
  for (const { pblk } of inode.extents.list) {
    for (let unit = 0; unit < 12; unit++) {
      places.push({ at: pblk * BLOCK_SIZE + unit * UNIT_SIZE, structure: DIRENT, mend() {} });
    }
  }
}

/** Set a field to an extreme, or next to what it was. */
function setExtreme(device: Pmem, at: number, field: Field<unknown>, random: Random): string {
  const words = Math.max(1, field.size / 4);
  const bytes = new Uint8Array(field.size);
  const view = new DataView(bytes.buffer);
  device.load(at + field.offset, bytes, 0, bytes.length);
  const old = field.size >= 4 ? view.getUint32(0, true) : bytes[0]!;
  const extremes = [0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, old + 1, old - 1];
  const value = extremes[random(extremes.length)]!;
  const word = random(words);
  if (field.size >= 4) view.setUint32(4 * word, value >>> 0, true);
  else bytes.fill(value & 0xff);
  device.store(at + field.offset, bytes, 0, bytes.length, PURPOSE_METADATA);
  return `word ${word} = 0x${(value >>> 0).toString(16)}`;
}

describe.each([
  ["clean", populatedImage(DEVICE_SIZE)],
  ["dirty", dirtyImage(DEVICE_SIZE)],
  ["interrupted", interruptedImage(DEVICE_SIZE)],
])("%s images", (kind, device) => {
  const seed = SEED + kind.length;
  const places = placesOf(device);

  test(`${Math.ceil(IMAGES / KINDS)} with bytes flipped, seed=${seed}`, () => {
    const metadata = places.map(({ at, structure }) => [at, sizeOf(structure)] as const);
    const counts = fuzz(device, seed, (random) => {
      const flips = Array.from({ length: 1 + random(6) }, () => {
        const [from, size] = metadata[random(metadata.length)]!;
        const at = random(4) === 0 ? random(device.size) : from + random(size);
        const bytes = Uint8Array.of(0);
        device.load(at, bytes, 0, 1);
        bytes[0]! ^= 1 << random(8);
        device.store(at, bytes, 0, 1, PURPOSE_METADATA);
        return at.toString(16);
      });
      return `bits flipped at ${flips.join(", ")}`;
    });
    expect(counts[0]).toBeGreaterThan(IMAGES / 30);
    expect(counts[2]).toBeGreaterThan(IMAGES / 100);
  });

  test(`${Math.ceil(IMAGES / KINDS)} with a field at an extreme, seed=${seed}`, () => {
    const counts = fuzz(device, seed, (random) => {
      const { at, structure, mend } = places[random(places.length)]!;
      const { fields, name } = layoutOf(structure);
      const [fieldName, field] = fields[random(fields.length)]!;
      const value = setExtreme(device, at, field, random);
      mend(device);
      return `${name} at ${at.toString(16)}: ${fieldName}, ${value}`;
    });
    expect(counts[0]).toBeGreaterThan(IMAGES / 30);
    expect(counts[2]).toBeGreaterThan(IMAGES / 100);
  });
});
