/**
 * Directory blocks that are wrong, behind checksums that are right: each is refused with an error
 * that names structure and field, when it is first read, and nothing hangs, whatever the medium says.
 */
import {
  CorruptionError,
  FsError,
  type Name,
  newDirBatch,
  type Pmem,
  PURPOSE_METADATA,
} from "@xiplab/core";
import { describe, expect, test } from "vitest";
import { Buffer } from "../buffers.ts";
import { mapBlock } from "../file-map.ts";
import type { Ext4FileSystem } from "../filesystem.ts";
import { DIRENT, DIRENT_HEAD } from "../format/dirent.ts";
import { DX_COUNT_LIMIT, DX_ENTRY, DX_ENTRY_SIZE, DX_NODE_ENTRIES_AT } from "../format/htree.ts";
import { DX_ROOT_ENTRIES_AT, DX_ROOT_INFO, DX_ROOT_INFO_AT } from "../format/htree.ts";
import type { Ext4Inode } from "../inode.ts";
import { DIR_BLOCK } from "./block.ts";
import { emptyImage, lookupIn, makeDirectory, makeFile, openImage, rootOf } from "./testing.ts";

const SEED = Number(process.env["SEED"] ?? 20_131_206);
const IMAGES = Number(process.env["IMAGES"] ?? 500);
const BLOCK_SIZE = 1024;
const NAMES = 500;
const LONG = 200;
const NODE = 2;
const LEAF = 1;

const nameOf = (index: number): Name => `${index}`.padEnd(LONG, ".") as Name;

/** Two levels of index blocks, made so that block 1 is a leaf. */
function makeImage(features = ""): Pmem {
  const device = emptyImage(16, { blockSize: `${BLOCK_SIZE}`, features });
  const fs = openImage(device);
  const directory = makeDirectory(fs, rootOf(fs), "directory");
  const file = makeFile(fs, rootOf(fs), "file");
  for (let index = 0; index < NAMES; index++) fs.link(directory, nameOf(index), file);
  fs.unmount();
  return device;
}

interface Opened {
  readonly fs: Ext4FileSystem;
  readonly directory: Ext4Inode;
}

function open(device: Pmem): Opened {
  const fs = openImage(device, true);
  return { fs, directory: fs.iget(lookupIn(fs, rootOf(fs), "directory")) };
}

/** Change a block of the directory on the medium, and mend its checksum. */
function change(
  { fs, directory }: Opened,
  lblk: number,
  edit: (view: DataView, at: number) => void,
  mend = true,
): void {
  const { device, geometry } = fs.volume;
  const pblk = mapBlock(fs.volume, directory, lblk) as Buffer["pblk"];
  const home = geometry.pblkToDevByte(pblk);
  const bytes = new Uint8Array(BLOCK_SIZE);
  device.load(home, bytes, 0, BLOCK_SIZE);
  const view = new DataView(bytes.buffer);
  edit(view, 0);
  if (mend) {
    const buffer = new Buffer(pblk, DIR_BLOCK, directory.seed, view, 0);
    buffer.slots = new Set([0]);
    DIR_BLOCK.stamp(geometry, buffer);
  }
  device.store(home, bytes, 0, BLOCK_SIZE, PURPOSE_METADATA);
}

/** The first index block below the root. */
const nodeOf = ({ fs, directory }: Opened): number => {
  const { volume } = fs;
  const at = volume.geometry.pblkToDevByte(mapBlock(volume, directory, 0));
  const bytes = volume.device.directAccess(at, BLOCK_SIZE);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return DX_COUNT_LIMIT.block.get(view, DX_ROOT_ENTRIES_AT);
};

/** Look up and list everything. */
function use({ fs, directory }: Opened): void {
  for (let index = 0; index < NAMES; index++) fs.lookup(directory, nameOf(index));
  const batch = newDirBatch();
  while (fs.readdir(directory, batch.cookies.at(-1) ?? 0, batch, 100)) {
    expect(batch.names.length).toBeLessThan(10 * NAMES);
  }
  fs.isEmpty(directory);
  fs.parentOf(directory);
}

/** Add and remove names: what is wrong may show here, as an error again. */
function write(device: Pmem): void {
  const fs = openImage(device);
  const root = rootOf(fs);
  const directory = fs.iget(lookupIn(fs, root, "directory"));
  const file = fs.iget(lookupIn(fs, root, "file"));
  for (let index = 0; index < 40; index++) {
    fs.link(directory, nameOf(NAMES + index), file);
    const name = nameOf(index * 10);
    if (lookupIn(fs, directory, name) === file.ino) fs.unlink(directory, name, file);
  }
  fs.sync();
}

function refusalOf(opened: Opened): string {
  try {
    use(opened);
  } catch (error) {
    if (error instanceof CorruptionError) {
      return `${error.corruption.structure} ${error.corruption.field}`;
    }
    throw error;
  }
  return "none";
}

type Edit = (view: DataView, at: number) => void;
interface Case {
  readonly label: string;
  readonly lblk: "root" | "node" | "leaf";
  readonly edit: Edit;
  readonly expected: string;
  readonly mend?: false;
}

const INFO = DX_ROOT_INFO_AT;
const ROOT = DX_ROOT_ENTRIES_AT;
const NODE_AT = DX_NODE_ENTRIES_AT;

const CASES: readonly Case[] = [
  {
    label: "a leaf's checksum",
    lblk: "leaf",
    edit: (view) => view.setUint8(BLOCK_SIZE - 20, 1),
    expected: "ext4_dir_entry_tail checksum",
    mend: false,
  },
  {
    label: "a node's checksum",
    lblk: "node",
    edit: (view) => view.setUint8(NODE_AT + 9, 1),
    expected: "dx_tail checksum",
    mend: false,
  },
  {
    label: "no tail",
    lblk: "leaf",
    edit: (view) => view.setUint8(BLOCK_SIZE - 5, 0),
    expected: "ext4_dir_block tail",
    mend: false,
  },
  {
    label: "recLen of zero",
    lblk: "leaf",
    edit: (view, at) => DIRENT.recLen.set(view, at, 0),
    expected: "ext4_dir_entry_2 recLen",
  },
  {
    label: "recLen not a multiple of 4",
    lblk: "leaf",
    edit: (view, at) => DIRENT.recLen.set(view, at, 210),
    expected: "ext4_dir_entry_2 recLen",
  },
  {
    label: "recLen too small for the name",
    lblk: "leaf",
    edit: (view, at) => DIRENT.nameLen.set(view, at, 255),
    expected: "ext4_dir_entry_2 recLen",
  },
  {
    label: "recLen beyond the block",
    lblk: "leaf",
    edit: (view, at) => DIRENT.recLen.set(view, at, 4096),
    expected: "ext4_dir_entry_2 recLen",
  },
  {
    label: "an inode that cannot be",
    lblk: "leaf",
    edit: (view, at) => DIRENT.inode.set(view, at, 0xffffffff),
    expected: "ext4_dir_entry_2 inode",
  },
  {
    label: "no name",
    lblk: "leaf",
    edit: (view, at) => DIRENT.nameLen.set(view, at, 0),
    expected: "ext4_dir_entry_2 nameLen",
  },
  {
    label: "a slash in a name",
    lblk: "leaf",
    edit: (view, at) => view.setUint8(at + DIRENT_HEAD + 3, 0x2f),
    expected: "ext4_dir_entry_2 name",
  },
  {
    label: "NUL in a name",
    lblk: "leaf",
    edit: (view, at) => view.setUint8(at + DIRENT_HEAD + 3, 0),
    expected: "ext4_dir_entry_2 name",
  },
  {
    label: "a name in a leaf of other hashes",
    lblk: "leaf",
    edit: (view, at) => view.setUint8(at + DIRENT_HEAD + 3, 0x78),
    expected: "ext4 directory hash of a name",
  },
  {
    label: "a hash that does not exist",
    lblk: "root",
    edit: (view, at) => DX_ROOT_INFO.hashVersion.set(view, at + INFO, 6),
    expected: "dx_root_info hashVersion",
  },
  {
    label: "a root of another length",
    lblk: "root",
    edit: (view, at) => DX_ROOT_INFO.infoLength.set(view, at + INFO, 16),
    expected: "dx_root_info infoLength",
  },
  {
    label: "too many levels",
    lblk: "root",
    edit: (view, at) => DX_ROOT_INFO.indirectLevels.set(view, at + INFO, 2),
    expected: "dx_root_info indirectLevels",
  },
  {
    label: "a limit beyond the block",
    lblk: "root",
    edit: (view, at) => DX_COUNT_LIMIT.limit.set(view, at + ROOT, 500),
    expected: "dx_countlimit limit",
    mend: false,
  },
  {
    label: "no entries",
    lblk: "node",
    edit: (view, at) => DX_COUNT_LIMIT.count.set(view, at + NODE_AT, 0),
    expected: "dx_countlimit count",
  },
  {
    label: "more entries than there is room",
    lblk: "node",
    edit: (view, at) => DX_COUNT_LIMIT.count.set(view, at + NODE_AT, 200),
    expected: "dx_countlimit count",
    mend: false,
  },
  {
    label: "hashes that are not sorted",
    lblk: "node",
    edit: (view, at) => DX_ENTRY.hash.set(view, at + NODE_AT + 5 * DX_ENTRY_SIZE, 2),
    expected: "dx_entry hash of entry 5",
  },
  {
    label: "a block beyond the directory",
    lblk: "node",
    edit: (view, at) => DX_ENTRY.block.set(view, at + NODE_AT + 3 * DX_ENTRY_SIZE, 5000),
    expected: "dx_entry block of entry 3",
  },
  {
    label: "a root that leads to itself",
    lblk: "root",
    edit: (view, at) => DX_COUNT_LIMIT.block.set(view, at + ROOT, 0),
    expected: "dx_entry block of entry 0",
  },
  {
    label: "a root that leads to a leaf",
    lblk: "root",
    edit: (view, at) => DX_COUNT_LIMIT.block.set(view, at + ROOT, LEAF),
    expected: "dx_node fake recLen",
  },
];

describe("a directory block that is wrong", () => {
  const image = makeImage();
  for (const { label, lblk, edit, expected, mend } of CASES) {
    test(`${label}`, () => {
      image.snapshot();
      try {
        const opened = open(image);
        const block = { root: 0, node: nodeOf(opened), leaf: LEAF }[lblk];
        change(opened, block, edit, mend ?? true);
        expect(refusalOf(open(image))).toBe(expected);
      } finally {
        image.rollback();
      }
    });
  }

  test("an index block that leads to an index block as to a leaf", () => {
    for (const features of ["", "^metadata_csum"]) {
      const device = makeImage(features);
      const opened = open(device);
      const node = nodeOf(opened);
      change(opened, node, (view, at) => {
        DX_ENTRY.block.set(view, at + NODE_AT + NODE * DX_ENTRY_SIZE, node);
      });
      expect(refusalOf(open(device))).toMatch(/^ext4 directory leaf \d+$/);
    }
  });

  test("a name that is there twice is not removed where it leads elsewhere", () => {
    const device = emptyImage(16, { blockSize: `${BLOCK_SIZE}`, features: "^dir_index" });
    const fs = openImage(device);
    const directory = makeDirectory(fs, rootOf(fs), "directory");
    const [one, two] = ["one", "two"].map((name) => makeFile(fs, rootOf(fs), name));
    // The first block has room for four; the name in the second becomes one of them.
    for (let index = 0; index < 4; index++) fs.link(directory, nameOf(index), one!);
    fs.link(directory, nameOf(9), two!);
    fs.unmount();
    change(open(device), 1, (view, at) => {
      expect(view.getUint8(at + DIRENT_HEAD)).toBe("9".charCodeAt(0));
      view.setUint8(at + DIRENT_HEAD, "0".charCodeAt(0));
    });
    const again = openImage(device);
    const same = again.iget(lookupIn(again, rootOf(again), "directory"));
    expect(again.lookup(same, nameOf(0))).toBe(one!.ino);
    const other = again.iget(two!.ino);
    expect(() => again.unlink(same, nameOf(0), other)).toThrow("inode of a name");
  });

  test("an untouched image is read without a complaint", () => {
    expect(refusalOf(open(image))).toBe("none");
  });
});

describe("blocks with random words, checksums mended", () => {
  for (const features of ["", "^metadata_csum"]) {
    const seed = SEED + features.length;
    test(`${features}, seed=${seed}`, () => {
      const image = makeImage(features);
      let state = seed | 1;
      const random = (below: number): number => {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        return (state >>> 0) % below;
      };
      const outcomes = { refused: 0, worked: 0 };
      for (let count = 0; count < IMAGES; count++) {
        image.snapshot();
        try {
          mutate(open(image), random);
          use(open(image));
          write(image);
          outcomes.worked++;
        } catch (error) {
          const expected = error instanceof CorruptionError || error instanceof FsError;
          if (!expected) throw error;
          outcomes.refused++;
        } finally {
          image.rollback();
        }
      }
      expect(outcomes.refused).toBeGreaterThan(IMAGES / 10);
      expect(outcomes.worked).toBeGreaterThan(0);
    });
  }
});

/** Some 16-bit words of a block become other ones; most of them where structure is. */
function mutate(opened: Opened, random: (below: number) => number): void {
  const node = nodeOf(opened);
  const blocks = opened.directory.size / BLOCK_SIZE;
  const lblk = [0, node, LEAF, random(blocks)][random(4)]!;
  for (let count = 1 + random(3); count > 0; count--) {
    const place = random(2) === 0 ? random(0x40) : random(BLOCK_SIZE);
    const value = [0, 1, 0xffff, random(0x10000), random(blocks)][random(5)]!;
    const mend = random(8) > 0;
    try {
      change(opened, lblk, (view, at) => view.setUint16(at + (place & ~1), value, true), mend);
    } catch {
      // Neither a leaf nor an index block any more: there is no checksum to mend.
    }
  }
}
