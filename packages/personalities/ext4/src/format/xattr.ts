/**
 * Extended attributes: in the rest of the inode behind its fields, and in one block of their own.
 * Both hold a header, entries from the front, 4 bytes of zero behind the last, and values from the
 * back. Little-endian.
 * Ref: Linux Documentation/filesystems/ext4/attributes.rst
 *
 * Invariants: names and values are padded to 4 bytes with zeros; in a block the entries are sorted by
 * index, length of name, name, and value offsets count from the start of the block; in the inode
 * they count from the first entry, and hashes are 0.
 */
import { bytes, struct, u16le, u32le, u8 } from "@xiplab/core";

/** Before the entries in the inode. */
export const XATTR_BODY_HEADER = struct("ext4_xattr_ibody_header", 4, { magic: u32le(0x0) });

/** At the start of a block. */
export const XATTR_HEADER = struct("ext4_xattr_header", 32, {
  magic: u32le(0x0),
  /** Inodes that share the block. */
  refcount: u32le(0x4),
  /** Always 1. */
  blocks: u32le(0x8),
  /** Of all entries; 0 where the block is not to be shared. */
  hash: u32le(0xc),
  checksum: u32le(0x10),
  reserved: bytes(0x14, 12),
});

export const XATTR_ENTRY = struct("ext4_xattr_entry", 16, {
  nameLength: u8(0x0),
  nameIndex: u8(0x1),
  valueOffset: u16le(0x2),
  /** Inode that holds the value, with the feature ea_inode; else 0. */
  valueIno: u32le(0x4),
  valueSize: u32le(0x8),
  hash: u32le(0xc),
});

export const XATTR_MAGIC = 0xea020000;
export const XATTR_BODY_HEADER_SIZE = 4;
export const XATTR_HEADER_SIZE = 32;
export const XATTR_ENTRY_SIZE = 16;
/** The four zero bytes behind the last entry. */
export const XATTR_END_SIZE = 4;
/** Most inodes that share a block. */
export const XATTR_REFCOUNT_MAX = 1024;

/** e_name_index: what stands before the name. */
export const INDEX_USER = 1;
export const INDEX_ACL_ACCESS = 2;
export const INDEX_ACL_DEFAULT = 3;
export const INDEX_TRUSTED = 4;
export const INDEX_SECURITY = 6;

/** Names and values end at a multiple of 4. */
export const padded = (size: number): number => (size + 3) & ~3;
