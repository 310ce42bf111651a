/**
 * struct ext4_super_block: 1024 bytes at byte 1024 of the device, little-endian. Copies stand at the
 * start of some block groups (geometry.ts).
 * Ref: Linux Documentation/filesystems/ext4/super.rst
 *
 * Invariants: magic is 0xef53; the checksum covers bytes 0 to 0x3fb where metadata_csum is on.
 */
import { bytes, pad, struct, text, u16le, u32le, u64le, u8, uuid } from "@xiplab/core";

export const SUPERBLOCK_AT = 1024;
export const SUPERBLOCK_SIZE = 1024;
export const EXT4_MAGIC = 0xef53;

export const SUPERBLOCK = struct("ext4_super_block", SUPERBLOCK_SIZE, {
  inodesCount: u32le(0x0),
  blocksCountLo: u32le(0x4),
  reservedBlocksLo: u32le(0x8),
  freeBlocksLo: u32le(0xc),
  freeInodes: u32le(0x10),
  firstDataBlock: u32le(0x14),
  /** Block size is 1024 << this. */
  logBlockSize: u32le(0x18),
  logClusterSize: u32le(0x1c),
  blocksPerGroup: u32le(0x20),
  clustersPerGroup: u32le(0x24),
  inodesPerGroup: u32le(0x28),
  mtime: u32le(0x2c),
  wtime: u32le(0x30),
  mntCount: u16le(0x34),
  maxMntCount: u16le(0x36),
  magic: u16le(0x38),
  state: u16le(0x3a),
  errors: u16le(0x3c),
  minorRev: u16le(0x3e),
  lastCheck: u32le(0x40),
  checkInterval: u32le(0x44),
  creatorOs: u32le(0x48),
  revLevel: u32le(0x4c),
  defResuid: u16le(0x50),
  defResgid: u16le(0x52),
  firstIno: u32le(0x54),
  inodeSize: u16le(0x58),
  /** The group that this copy stands in. */
  blockGroup: u16le(0x5a),
  featureCompat: u32le(0x5c),
  featureIncompat: u32le(0x60),
  featureRoCompat: u32le(0x64),
  uuid: uuid(0x68),
  volumeName: text(0x78, 16),
  lastMounted: text(0x88, 64),
  algorithmUsage: u32le(0xc8),
  preallocBlocks: u8(0xcc),
  preallocDirBlocks: u8(0xcd),
  reservedGdtBlocks: u16le(0xce),
  journalUuid: uuid(0xd0),
  journalIno: u32le(0xe0),
  journalDev: u32le(0xe4),
  /** Head of the list of inodes to be freed or truncated; each names the next in its dtime. */
  lastOrphan: u32le(0xe8),
  hashSeed: uuid(0xec),
  defHashVersion: u8(0xfc),
  journalBackupType: u8(0xfd),
  descSize: u16le(0xfe),
  defaultMountOpts: u32le(0x100),
  firstMetaBg: u32le(0x104),
  mkfsTime: u32le(0x108),
  /** Copy of the journal inode's i_block and size. */
  journalBlocks: bytes(0x10c, 68),
  blocksCountHi: u32le(0x150),
  reservedBlocksHi: u32le(0x154),
  freeBlocksHi: u32le(0x158),
  minExtraIsize: u16le(0x15c),
  wantExtraIsize: u16le(0x15e),
  flags: u32le(0x160),
  raidStride: u16le(0x164),
  mmpInterval: u16le(0x166),
  mmpBlock: u64le(0x168),
  raidStripeWidth: u32le(0x170),
  logGroupsPerFlex: u8(0x174),
  checksumType: u8(0x175),
  encryptionLevel: u8(0x176),
  reservedPad: pad(0x177, 1),
  kbytesWritten: u64le(0x178),
  snapshotIno: u32le(0x180),
  snapshotId: u32le(0x184),
  snapshotReservedBlocks: u64le(0x188),
  snapshotList: u32le(0x190),
  errorCount: u32le(0x194),
  firstErrorTime: u32le(0x198),
  firstErrorIno: u32le(0x19c),
  firstErrorBlock: u64le(0x1a0),
  firstErrorFunction: text(0x1a8, 32),
  firstErrorLine: u32le(0x1c8),
  lastErrorTime: u32le(0x1cc),
  lastErrorIno: u32le(0x1d0),
  lastErrorLine: u32le(0x1d4),
  lastErrorBlock: u64le(0x1d8),
  lastErrorFunction: text(0x1e0, 32),
  mountOpts: text(0x200, 64),
  userQuotaIno: u32le(0x240),
  groupQuotaIno: u32le(0x244),
  overheadBlocks: u32le(0x248),
  backupBgs: bytes(0x24c, 8),
  encryptAlgos: u32le(0x254),
  encryptSalt: bytes(0x258, 16),
  lostFoundIno: u32le(0x268),
  projectQuotaIno: u32le(0x26c),
  /** crc of the uuid at the time of mkfs, where metadata_csum_seed is on. */
  checksumSeed: u32le(0x270),
  wtimeHi: u8(0x274),
  mtimeHi: u8(0x275),
  mkfsTimeHi: u8(0x276),
  lastCheckHi: u8(0x277),
  firstErrorTimeHi: u8(0x278),
  lastErrorTimeHi: u8(0x279),
  firstErrorCode: u8(0x27a),
  lastErrorCode: u8(0x27b),
  encoding: u16le(0x27c),
  encodingFlags: u16le(0x27e),
  orphanFileIno: u32le(0x280),
  reserved: bytes(0x284, 376),
  checksum: u32le(0x3fc),
});

/** s_state */
export const STATE_VALID = 1;
export const STATE_ERROR = 2;

/** s_checksum_type: the only one there is */
export const CHECKSUM_CRC32C = 1;

/** s_errors: what the kernel does about a corrupt structure. */
export const ERRORS_CONTINUE = 1;

/** s_jnl_backup_type: journalBlocks holds i_block and the size of the journal inode. */
export const JOURNAL_BACKUP_BLOCKS = 1;

/** s_flags */
export const FLAG_SIGNED_HASH = 1;
export const FLAG_UNSIGNED_HASH = 2;

/** s_default_mount_opts: values of EXT4_DEFM_* */
export const DEFM_XATTR_USER = 0x4;
export const DEFM_ACL = 0x8;
