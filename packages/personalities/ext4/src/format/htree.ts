/**
 * Hash trees of directories. Little-endian.
 * Ref: Linux Documentation/filesystems/ext4/directory.rst, "Hash Tree Directories".
 *
 *   block 0      "." and "..", whose recLen covers the rest; DX_ROOT_INFO at 0x18; entries from 0x20
 *   index block  a free entry that covers the block; entries from 0x8
 *   leaf         directory entries, in no order
 *
 * Entry 0 has no hash of its own (it stands for what comes first): `limit` and `count` are in its
 * place. Entries are sorted by hash. A hash with bit 0 set says that names with this hash begin in
 * the block before.
 */
import { struct, u16le, u32le, u8 } from "@xiplab/core";

export const DX_ROOT_INFO = struct("dx_root_info", 8, {
  reservedZero: u32le(0x0),
  /** DX_HASH_* */
  hashVersion: u8(0x4),
  /** 8 */
  infoLength: u8(0x5),
  /** Levels of index blocks below the root. */
  indirectLevels: u8(0x6),
  unusedFlags: u8(0x7),
});

/** Entry 0. */
export const DX_COUNT_LIMIT = struct("dx_countlimit", 8, {
  limit: u16le(0x0),
  count: u16le(0x2),
  block: u32le(0x4),
});

export const DX_ENTRY = struct("dx_entry", 8, {
  hash: u32le(0x0),
  block: u32le(0x4),
});

/** Behind entry `limit`, with metadata_csum. */
export const DX_TAIL = struct("dx_tail", 8, {
  /** Left over from what the block held before; the checksum covers it. */
  reserved: u32le(0x0),
  checksum: u32le(0x4),
});

export const DX_ENTRY_SIZE = 8;
const DX_TAIL_SIZE = 8;
export const DX_ROOT_INFO_AT = 0x18;
export const DX_ROOT_INFO_SIZE = 8;
/** Where the entries of the root, and of other index blocks, begin. */
export const DX_ROOT_ENTRIES_AT = 0x20;
export const DX_NODE_ENTRIES_AT = 0x8;
/** The kernel keeps the upper bits of a block number for another use. */
export const DX_BLOCK_MASK = 0x0fffffff;
/** Levels below the root; more come only with large_dir. */
export const DX_LEVELS_MAX = 1;

export const DX_HASH_LEGACY = 0;
export const DX_HASH_HALF_MD4 = 1;
export const DX_HASH_TEA = 2;
/** Hash version names, as dumpe2fs prints them. */
export const DxHashNames: Readonly<Record<number, string>> = {
  [DX_HASH_LEGACY]: "legacy",
  [DX_HASH_HALF_MD4]: "half_md4",
  [DX_HASH_TEA]: "tea",
};

/** Entries that an index block has room for, which begin at `entriesAt`. */
export const dxLimit = (blockSize: number, entriesAt: number, metadataCsum: boolean): number =>
  Math.floor((blockSize - entriesAt - (metadataCsum ? DX_TAIL_SIZE : 0)) / DX_ENTRY_SIZE);
