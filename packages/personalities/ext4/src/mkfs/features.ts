/** The mkfs option `features`: a list like that of `mke2fs -O`, on top of its defaults. */
import { OptionError } from "@xiplab/core";
import * as f from "../format/features.ts";

export interface Features {
  compat: number;
  incompat: number;
  roCompat: number;
}

type Word = keyof Features;

/** What this mkfs can make, by the names that mke2fs knows. */
const KNOWN: Readonly<Record<string, readonly [Word, number]>> = {
  has_journal: ["compat", f.COMPAT_HAS_JOURNAL],
  ext_attr: ["compat", f.COMPAT_EXT_ATTR],
  resize_inode: ["compat", f.COMPAT_RESIZE_INODE],
  dir_index: ["compat", f.COMPAT_DIR_INDEX],
  sparse_super2: ["compat", f.COMPAT_SPARSE_SUPER2],
  orphan_file: ["compat", f.COMPAT_ORPHAN_FILE],
  filetype: ["incompat", f.INCOMPAT_FILETYPE],
  extent: ["incompat", f.INCOMPAT_EXTENTS],
  extents: ["incompat", f.INCOMPAT_EXTENTS],
  "64bit": ["incompat", f.INCOMPAT_64BIT],
  flex_bg: ["incompat", f.INCOMPAT_FLEX_BG],
  metadata_csum_seed: ["incompat", f.INCOMPAT_CSUM_SEED],
  sparse_super: ["roCompat", f.RO_COMPAT_SPARSE_SUPER],
  large_file: ["roCompat", f.RO_COMPAT_LARGE_FILE],
  huge_file: ["roCompat", f.RO_COMPAT_HUGE_FILE],
  uninit_bg: ["roCompat", f.RO_COMPAT_GDT_CSUM],
  dir_nlink: ["roCompat", f.RO_COMPAT_DIR_NLINK],
  extra_isize: ["roCompat", f.RO_COMPAT_EXTRA_ISIZE],
  metadata_csum: ["roCompat", f.RO_COMPAT_METADATA_CSUM],
  project: ["roCompat", f.RO_COMPAT_PROJECT],
};

const DEFAULTS =
  "has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg sparse_super " +
  "large_file huge_file dir_nlink extra_isize metadata_csum";

/**
 * Names apart by spaces, commas or colons; "^" takes a feature away; "none" takes all away.
 * @throws OptionError for a name that is not known, or features that exclude each other.
 */
export function parseFeatures(text: string): Features {
  const features: Features = { compat: 0, incompat: 0, roCompat: 0 };
  for (const name of `${DEFAULTS} ${text}`.split(/[\s,:]+/)) {
    if (name === "") continue;
    if (name === "none") Object.assign(features, { compat: 0, incompat: 0, roCompat: 0 });
    else change(features, name);
  }
  // The stronger checksum takes the place of the weaker, as in mke2fs.
  if ((features.roCompat & f.RO_COMPAT_METADATA_CSUM) !== 0) {
    features.roCompat &= ~f.RO_COMPAT_GDT_CSUM;
  }
  refuseCombinations(features);
  return features;
}

function change(features: Features, name: string): void {
  const off = name.startsWith("^");
  const plain = off ? name.slice(1) : name;
  const found = Object.hasOwn(KNOWN, plain) ? KNOWN[plain] : undefined;
  if (found === undefined) {
    const known = Object.keys(KNOWN).join(", ");
    throw new OptionError(`mkfs of ext4 does not make '${plain}'; it knows ${known}`);
  }
  const [word, bit] = found;
  features[word] = off ? features[word] & ~bit : features[word] | bit;
}

function refuseCombinations({ compat, incompat, roCompat }: Features): void {
  const journal = (compat & f.COMPAT_HAS_JOURNAL) !== 0;
  const resize = (compat & f.COMPAT_RESIZE_INODE) !== 0;
  const sparse = (roCompat & f.RO_COMPAT_SPARSE_SUPER) !== 0;
  const sparse2 = (compat & f.COMPAT_SPARSE_SUPER2) !== 0;
  const csum = (roCompat & f.RO_COMPAT_METADATA_CSUM) !== 0;
  refuse((compat & f.COMPAT_ORPHAN_FILE) !== 0 && !journal, "orphan_file wants has_journal");
  refuse(resize && !sparse && !sparse2, "resize_inode wants sparse_super");
  refuse(resize && sparse2, "sparse_super2 excludes resize_inode");
  const extents = (incompat & f.INCOMPAT_EXTENTS) !== 0;
  refuse(!extents && (incompat & f.INCOMPAT_64BIT) !== 0, "64bit wants extent");
  const seed = (incompat & f.INCOMPAT_CSUM_SEED) !== 0;
  refuse(seed && !csum, "metadata_csum_seed wants metadata_csum");
}

function refuse(wrong: boolean, why: string): void {
  if (wrong) throw new OptionError(`mkfs of ext4: ${why}`);
}
