/**
 * A full check of an image, which only reads: what e2fsck looks at, in its passes.
 *
 *   0  superblock, copies, group descriptors; fixed places are claimed
 *   1  inodes: record, blocks, attributes; what is special (resize inode, journal, orphans)
 *   2  directories: entries, names, hash trees
 *   3  every directory hangs on the root
 *   4  link counts
 *   5  bitmaps and counts
 *
 * It shares with a mount only the field tables, the geometry and the checksums: what reads and
 * writes a mounted image cannot excuse itself here.
 *
 * Memory: a bit per block and 7 bytes per inode, of groups that are in use. Work is bounded by what
 * is on the device: a block is entered once, and after some hundred findings the check stops.
 */
import {
  type CheckReport,
  CorruptionError,
  FsError,
  OptionError,
  type PmemDevice,
} from "@xiplab/core";
import { SUPERBLOCK, SUPERBLOCK_AT, SUPERBLOCK_SIZE } from "../format/superblock.ts";
import { INCOMPAT_RECOVER } from "../format/features.ts";
import { recover } from "../journal/recovery.ts";
import { geometryUnchecked, isSuperblockSound, superblockChecksumToggled } from "../super.ts";
import { checkBitmaps } from "./bitmaps.ts";
import { Claims } from "./claims.ts";
import { DirectoriesFound } from "./directories-found.ts";
import { DirectoryPass } from "./directories.ts";
import { EnoughFound, Findings } from "./findings.ts";
import { checkGroups } from "./groups.ts";
import { Image, type Overlay } from "./image.ts";
import { InodeFacts } from "./inode-facts.ts";
import { InodePass } from "./inodes.ts";
import { checkJournal } from "./journal.ts";
import { checkLinkCounts, checkTree } from "./links.ts";
import { findOrphans } from "./orphans.ts";
import { checkBackups, checkSuperblock, checkTotals, isClean, superFacts } from "./superblock.ts";

/** See `Personality.check`. Never throws on a bad image. */
export function check(device: PmemDevice): CheckReport {
  const findings = new Findings();
  const report = { findings: findings.list, clean: false, inodesUsed: 0, blocksUsed: 0 };
  try {
    checkImage(openImage(device, findings), report);
  } catch (error) {
    if (!(error instanceof EnoughFound)) findings.list.push(refusal(error));
  }
  return report;
}

/**
 * The image as it will be after recovery, if it needs one. Where the log cannot be replayed that is
 * a finding, and the image is looked at as it stands.
 * @throws CorruptionError, OptionError, FsError EIO, where there is nothing to look at
 */
function openImage(device: PmemDevice, findings: Findings): Image {
  const geometry = geometryUnchecked(device);
  const superblock = device.view(SUPERBLOCK_AT, SUPERBLOCK_SIZE);
  const torn = !isSuperblockExplained(superblock, SUPERBLOCK_AT);
  const dirty = (geometry.incompat & INCOMPAT_RECOVER) !== 0 && geometry.hasJournal;
  if (!torn && !dirty) return new Image(device, geometry, findings, false, null);
  let overlay: Overlay | null = null;
  try {
    ({ overlay } = recover(device, geometry, { readOnly: true, torn }));
  } catch (error) {
    findings.push(refusal(error));
  }
  const copy = overlay?.get(geometry.superBlock);
  if (copy === undefined) return new Image(device, geometry, findings, dirty, overlay);
  const view = new DataView(copy.buffer, copy.byteOffset + geometry.superOffset, SUPERBLOCK_SIZE);
  return new Image(device, geometryUnchecked(device, view), findings, true, overlay);
}

/** The checksum is that of the content, or of the content before needs_recovery was changed. */
function isSuperblockExplained(view: DataView, at: number): boolean {
  if (isSuperblockSound(view, at)) return true;
  return SUPERBLOCK.checksum.get(view, at) === superblockChecksumToggled(view, at);
}

/** What keeps an image from being read at all, as a finding. */
function refusal(error: unknown): CheckReport["findings"][number] {
  const structure = "ext4_super_block";
  if (error instanceof CorruptionError) return error.corruption;
  if (error instanceof OptionError) {
    const found = error.message;
    return { structure, at: SUPERBLOCK_AT, field: "feature", found, expected: "what is supported" };
  }
  if (error instanceof FsError && error.code === "EIO") {
    const at = error.detail ?? SUPERBLOCK_AT;
    return { structure: "medium", at, field: "line", found: "EIO", expected: "data" };
  }
  if (error instanceof FsError) {
    // ESTALE: the journal's inode is free.
    const found = error.message;
    return { structure: "journal inode", at: "journal", field: "links", found, expected: "in use" };
  }
  throw error;
}

interface Totals {
  clean: boolean;
  inodesUsed: number;
  blocksUsed: number;
}

function checkImage(image: Image, report: Totals): void {
  const { geometry } = image;
  const claims = new Claims(geometry);
  const facts = new InodeFacts(geometry);
  const directories = new DirectoriesFound();
  if (!image.open(geometry.superBlock)) return;
  const { view } = image;
  const at = image.at + geometry.superOffset;
  report.clean = isClean(image, view, at);
  checkSuperblock(image, view, at);
  checkBackups(image, view, at);
  const groups = checkGroups(image, claims);
  findOrphans(image, groups, facts, view, at);
  const known = superFacts(image, view, at);
  const inodes = new InodePass(image, groups, claims, facts, directories, known);
  inodes.run();
  if (geometry.hasJournal) checkJournal(image, inodes.journal);
  new DirectoryPass(image, facts, directories).run();
  checkTree(image, directories, facts);
  checkLinkCounts(image, facts);
  checkBitmaps(image, groups, claims, facts);
  report.inodesUsed = facts.used;
  report.blocksUsed = claims.total;
  const used = { blocks: claims.total, inodes: facts.used };
  // A mount that recovers counts anew: until then the totals are those of the mount before.
  if (!image.recovers) checkTotals(image, view, at, used);
}
