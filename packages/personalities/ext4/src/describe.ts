/** The superblock for people: `xip info`. */
import { describe, formatUuid, type PmemDevice, readOr, splitOptions } from "@xiplab/core";
import { mountOptionTable, type OptionValues, type Personality } from "@xiplab/core";
import * as f from "./format/features.ts";
import { EXT4_MAGIC, STATE_ERROR, STATE_VALID, SUPERBLOCK } from "./format/superblock.ts";
import { SUPERBLOCK_AT, SUPERBLOCK_SIZE } from "./format/superblock.ts";
import { Geometry } from "./geometry.ts";
import { isSuperblockSound } from "./super.ts";

/** s_log_block_size of blocks of a page. */
const LOG_PAGE_SIZE = 2;

type Fact = readonly [label: string, value: string];

/** Is there the magic number of ext2, ext3 and ext4? Never throws. */
export function probe(device: PmemDevice): boolean {
  if (device.size < SUPERBLOCK_AT + SUPERBLOCK_SIZE) return false;
  return readOr(0, () => SUPERBLOCK.magic.get(viewOf(device), SUPERBLOCK_AT)) === EXT4_MAGIC;
}

/** Nothing is left to be done by a recovery, nor to be looked for by a check. Never throws. */
export const isClean = (device: PmemDevice): boolean =>
  probe(device) && readOr(false, () => stateOf(viewOf(device), SUPERBLOCK_AT) === CLEAN);

/** A few facts, then every field of the superblock as "superblock.field". */
export function describeImage(device: PmemDevice): readonly Fact[] {
  const view = viewOf(device);
  const at = SUPERBLOCK_AT;
  const fields = describe(SUPERBLOCK, view, at)
    .filter(([name]) => name !== "reserved")
    .map(([name, value]) => [`superblock.${name}`, value] as const);
  return [...factsOf(new Geometry(view, at), view, at, device.size), ...fields];
}

function factsOf(geometry: Geometry, view: DataView, at: number, deviceSize: number): Fact[] {
  const { blockCount, blockSize, compat, groupCount, incompat, roCompat } = geometry;
  const s = SUPERBLOCK;
  const features = [
    ...f.featureNames(compat, f.CompatNames),
    ...f.featureNames(incompat, f.IncompatNames),
    ...f.featureNames(roCompat, f.RoCompatNames),
  ];
  const free = s.freeBlocksLo.get(view, at) + highOf(geometry, s.freeBlocksHi.get(view, at));
  const isShort = blockCount * blockSize > deviceSize;
  const groups = groupCount === 1 ? "1 group" : `${groupCount} groups`;
  return [
    ["volume name", s.volumeName.get(view, at)],
    ["volume uuid", formatUuid(geometry.uuid)],
    ["features", features.join(" ")],
    ["file system state", stateOf(view, at)],
    [
      "size",
      `${blockCount} blocks of ${blockSize} bytes, in ${groups}${isShort ? ": more than the device has" : ""}`,
    ],
    ["free blocks", `${free} when it was last unmounted`],
    ["reserved for root", `${geometry.reservedBlocks} blocks`],
    ["inodes", `${geometry.inodeCount} of ${geometry.inodeSize} bytes`],
    ["free inodes", `${s.freeInodes.get(view, at)} when it was last unmounted`],
    ["journal", geometry.hasJournal ? journalOf(geometry, view, at) : "none"],
    ["made", dateOf(s.mkfsTime.get(view, at), s.mkfsTimeHi.get(view, at))],
    ["last written", dateOf(s.wtime.get(view, at), s.wtimeHi.get(view, at))],
    ["mounts since check", `${s.mntCount.get(view, at)}`],
    ["mount options", s.mountOpts.get(view, at)],
  ];
}

/** What `stateOf` says where there is nothing to say. */
const CLEAN = "clean";

function stateOf(view: DataView, at: number): string {
  const state = SUPERBLOCK.state.get(view, at);
  const recover = (SUPERBLOCK.featureIncompat.get(view, at) & f.INCOMPAT_RECOVER) !== 0;
  const words = [(state & STATE_VALID) !== 0 && !recover ? CLEAN : "not clean"];
  if (recover) words.push("needs recovery");
  if ((state & STATE_ERROR) !== 0) words.push("with errors");
  return words.join(", ");
}

/** Its size is told by the copy of its inode's map that mke2fs keeps: the last two words are i_size. */
function journalOf(geometry: Geometry, view: DataView, at: number): string {
  const inode = `inode ${geometry.journalIno}`;
  if (SUPERBLOCK.journalBackupType.get(view, at) !== 1) return inode;
  const copy = SUPERBLOCK.journalBlocks.get(view, at);
  const size = new DataView(copy.buffer, copy.byteOffset).getUint32(copy.length - 4, true);
  return `${inode}, ${size / geometry.blockSize} blocks`;
}

const dateOf = (low: number, high: number): string =>
  new Date((high * 2 ** 32 + low) * 1000).toISOString();

const highOf = (geometry: Geometry, high: number): number =>
  (geometry.incompat & f.INCOMPAT_64BIT) === 0 ? 0 : high * 2 ** 32;

/**
 * Options that the superblock names (s_mount_opts). Those of the kernel that mean nothing here are
 * left out: an image must not be refused for them. Blocks that are no pages go through the page cache
 * unless told otherwise: XIP refuses them.
 */
export function defaultOptions(device: PmemDevice, personality: Personality): OptionValues {
  return readOr<OptionValues>({}, () => {
    const view = viewOf(device);
    if (!probe(device) || !isSuperblockSound(view, SUPERBLOCK_AT)) return {};
    const table = mountOptionTable(personality);
    const stored = Object.entries(splitOptions(SUPERBLOCK.mountOpts.get(view, SUPERBLOCK_AT)));
    const known = stored.filter(([name, value]) => {
      const values = Object.hasOwn(table, name) ? table[name]!.values : null;
      return values !== null && (typeof values === "string" || values.includes(value));
    });
    const small = SUPERBLOCK.logBlockSize.get(view, SUPERBLOCK_AT) < LOG_PAGE_SIZE;
    return { ...(small ? { data: "delalloc" } : {}), ...Object.fromEntries(known) };
  });
}

const viewOf = (device: PmemDevice): DataView => device.view(SUPERBLOCK_AT, SUPERBLOCK_SIZE);
