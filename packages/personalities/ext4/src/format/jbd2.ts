/**
 * jbd2: the journal, in the blocks of inode 8. Big-endian. Block 0 is its superblock; the log goes
 * round in blocks s_first to s_maxlen - 1. A transaction in it:
 *
 *   [revoke]*   ([descriptor] [block]*)*   [revoke]*   [commit]
 *
 * A descriptor has a tag for each of the blocks that follow it: where they belong. Every block of
 * the log but those copies starts with a header; a copy that starts with the magic number by chance
 * has it replaced by zeros, and the tag says so.
 * Ref: Linux Documentation/filesystems/ext4/journal.rst
 */
import { bytes, pad, struct, u16be, u32be, u64be, u8 } from "@xiplab/core";

export const JBD2_MAGIC = 0xc03b3998;

export const BLOCK_DESCRIPTOR = 1;
export const BLOCK_COMMIT = 2;
export const BLOCK_SUPERBLOCK_V1 = 3;
export const BLOCK_SUPERBLOCK_V2 = 4;
export const BLOCK_REVOKE = 5;

export const JBD2_HEADER = struct("journal_header", 12, {
  magic: u32be(0x0),
  type: u32be(0x4),
  /** Number of the transaction. */
  sequence: u32be(0x8),
});

export const JBD2_SUPERBLOCK_SIZE = 1024;

export const JBD2_SUPERBLOCK = struct("journal_superblock", JBD2_SUPERBLOCK_SIZE, {
  magic: u32be(0x0),
  type: u32be(0x4),
  headerSequence: u32be(0x8),
  blockSize: u32be(0xc),
  /** Blocks of the journal, this one included. */
  maxlen: u32be(0x10),
  /** First block of the log. */
  first: u32be(0x14),
  /** Number of the first transaction in the log. */
  sequence: u32be(0x18),
  /** Block where it starts; 0: the log is empty. */
  start: u32be(0x1c),
  errno: u32be(0x20),
  /** From here on only in version 2. */
  featureCompat: u32be(0x24),
  featureIncompat: u32be(0x28),
  featureRoCompat: u32be(0x2c),
  uuid: bytes(0x30, 16),
  users: u32be(0x40),
  dynamicSuper: u32be(0x44),
  maxTransaction: u32be(0x48),
  maxTransactionData: u32be(0x4c),
  checksumType: u8(0x50),
  padding: pad(0x51, 3),
  /** Blocks at the end that are kept for fast commits. */
  fastCommitBlocks: u32be(0x54),
  head: u32be(0x58),
  padding2: pad(0x5c, 160),
  checksum: u32be(0xfc),
  userIds: bytes(0x100, 768),
});

export const COMPAT_CHECKSUM = 0x1;

export const INCOMPAT_REVOKE = 0x1;
export const INCOMPAT_64BIT = 0x2;
export const INCOMPAT_CSUM_V2 = 0x8;
export const INCOMPAT_CSUM_V3 = 0x10;
export const INCOMPAT_FAST_COMMIT = 0x20;
export const INCOMPAT_KNOWN = 0x3f;

export const JournalIncompatNames: Readonly<Record<number, string>> = {
  0x1: "journal_incompat_revoke",
  0x2: "journal_64bit",
  0x4: "journal_async_commit",
  0x8: "journal_checksum_v2",
  0x10: "journal_checksum_v3",
  0x20: "fast_commit",
};

/** s_checksum_type and h_chksum_type */
export const CHECKSUM_CRC32 = 1;
export const CHECKSUM_CRC32C = 4;

export const COMMIT_BLOCK = struct("commit_header", 60, {
  magic: u32be(0x0),
  type: u32be(0x4),
  sequence: u32be(0x8),
  /** Of checksum version 1 alone: type, size, and the crc32 of descriptors and blocks. */
  checksumType: u8(0xc),
  checksumSize: u8(0xd),
  padding: pad(0xe, 2),
  /** Versions 2 and 3: of this block, with this field taken as zero. */
  checksum: u32be(0x10),
  checksumMore: pad(0x14, 28),
  commitSec: u64be(0x30),
  commitNsec: u32be(0x38),
});

/** Header, then block numbers of 4 bytes, or 8 with INCOMPAT_64BIT. */
export const REVOKE_BLOCK = struct("journal_revoke_header", 16, {
  magic: u32be(0x0),
  type: u32be(0x4),
  sequence: u32be(0x8),
  /** Bytes used, this header included. */
  count: u32be(0xc),
});

/** Tag with INCOMPAT_CSUM_V3. */
export const TAG3 = struct("journal_block_tag3", 16, {
  block: u32be(0x0),
  flags: u32be(0x4),
  blockHigh: u32be(0x8),
  checksum: u32be(0xc),
});

/** Tag without: 8 bytes, 12 with INCOMPAT_64BIT; and 2 more, unused, with INCOMPAT_CSUM_V2. */
export const TAG = struct("journal_block_tag", 12, {
  block: u32be(0x0),
  /** Low half of the checksum, with INCOMPAT_CSUM_V2. */
  checksum: u16be(0x4),
  flags: u16be(0x6),
  blockHigh: u32be(0x8),
});

/** The copy in the log starts with zeros instead of the magic number. */
export const TAG_ESCAPE = 1;
/** No uuid follows: it is that of the tag before. */
export const TAG_SAME_UUID = 2;
export const TAG_LAST = 8;
export const TAG_UUID_SIZE = 16;

/** Last bytes of descriptor and revoke blocks, with checksum versions 2 and 3. */
export const BLOCK_TAIL = struct("journal_block_tail", 4, { checksum: u32be(0x0) });

/** Fewer blocks are no journal. */
export const JOURNAL_BLOCKS_MIN = 1024;

export const JBD2_HEADER_SIZE = 12;
export const REVOKE_HEADER_SIZE = 16;

/** JBD2_MAGIC as it stands on the medium. */
export const MAGIC_BYTES = Uint8Array.of(0xc0, 0x3b, 0x39, 0x98);
