/**
 * Feature words of the superblock: what they are called, and what this driver does with each.
 * Ref: Linux Documentation/filesystems/ext4/super.rst, "compat", "incompat", "rocompat".
 *
 * An unknown compat bit may be ignored, an unknown ro_compat bit allows reading alone, an unknown
 * incompat bit forbids mounting.
 */
export const COMPAT_HAS_JOURNAL = 0x4;
export const COMPAT_EXT_ATTR = 0x8;
export const COMPAT_RESIZE_INODE = 0x10;
export const COMPAT_DIR_INDEX = 0x20;
export const COMPAT_SPARSE_SUPER2 = 0x200;
export const COMPAT_ORPHAN_FILE = 0x1000;

export const INCOMPAT_FILETYPE = 0x2;
export const INCOMPAT_RECOVER = 0x4;
export const INCOMPAT_EXTENTS = 0x40;
export const INCOMPAT_64BIT = 0x80;
export const INCOMPAT_FLEX_BG = 0x200;
export const INCOMPAT_CSUM_SEED = 0x2000;

export const RO_COMPAT_SPARSE_SUPER = 0x1;
export const RO_COMPAT_LARGE_FILE = 0x2;
export const RO_COMPAT_HUGE_FILE = 0x8;
export const RO_COMPAT_GDT_CSUM = 0x10;
export const RO_COMPAT_DIR_NLINK = 0x20;
export const RO_COMPAT_EXTRA_ISIZE = 0x40;
export const RO_COMPAT_QUOTA = 0x100;
export const RO_COMPAT_BIGALLOC = 0x200;
export const RO_COMPAT_METADATA_CSUM = 0x400;
export const RO_COMPAT_PROJECT = 0x2000;
export const RO_COMPAT_VERITY = 0x8000;
export const RO_COMPAT_ORPHAN_PRESENT = 0x10000;

export const CompatNames: Readonly<Record<number, string>> = {
  0x1: "dir_prealloc",
  0x2: "imagic_inodes",
  0x4: "has_journal",
  0x8: "ext_attr",
  0x10: "resize_inode",
  0x20: "dir_index",
  0x40: "lazy_bg",
  0x100: "exclude_bitmap",
  0x200: "sparse_super2",
  0x400: "fast_commit",
  0x800: "stable_inodes",
  0x1000: "orphan_file",
};

export const IncompatNames: Readonly<Record<number, string>> = {
  0x1: "compression",
  0x2: "filetype",
  0x4: "needs_recovery",
  0x8: "journal_dev",
  0x10: "meta_bg",
  0x40: "extent",
  0x80: "64bit",
  0x100: "mmp",
  0x200: "flex_bg",
  0x400: "ea_inode",
  0x1000: "dirdata",
  0x2000: "metadata_csum_seed",
  0x4000: "large_dir",
  0x8000: "inline_data",
  0x10000: "encrypt",
  0x20000: "casefold",
};

export const RoCompatNames: Readonly<Record<number, string>> = {
  0x1: "sparse_super",
  0x2: "large_file",
  0x4: "btree_dir",
  0x8: "huge_file",
  0x10: "uninit_bg",
  0x20: "dir_nlink",
  0x40: "extra_isize",
  0x80: "has_snapshot",
  0x100: "quota",
  0x200: "bigalloc",
  0x400: "metadata_csum",
  0x800: "replica",
  0x1000: "read-only",
  0x2000: "project",
  0x4000: "shared_blocks",
  0x8000: "verity",
  0x10000: "orphan_present",
};

/** Images with others are refused. */
export const INCOMPAT_SUPPORTED =
  INCOMPAT_FILETYPE |
  INCOMPAT_RECOVER |
  INCOMPAT_EXTENTS |
  INCOMPAT_64BIT |
  INCOMPAT_FLEX_BG |
  INCOMPAT_CSUM_SEED;

/** Images with others are mounted read-only. */
export const RO_COMPAT_SUPPORTED =
  RO_COMPAT_SPARSE_SUPER |
  RO_COMPAT_LARGE_FILE |
  RO_COMPAT_HUGE_FILE |
  RO_COMPAT_GDT_CSUM |
  RO_COMPAT_DIR_NLINK |
  RO_COMPAT_EXTRA_ISIZE |
  RO_COMPAT_METADATA_CSUM |
  RO_COMPAT_PROJECT |
  RO_COMPAT_ORPHAN_PRESENT;

/** The names of the bits in `word`, unknown ones as hexadecimal numbers. */
export function featureNames(word: number, names: Readonly<Record<number, string>>): string[] {
  const found: string[] = [];
  for (let bit = 0; bit < 32; bit++) {
    const mask = (1 << bit) >>> 0;
    if ((word & mask) !== 0) found.push(names[mask] ?? `0x${mask.toString(16)}`);
  }
  return found;
}
