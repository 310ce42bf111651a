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
import { SUPERBLOCK_AT, SUPERBLOCK_SIZE } from "../format/superblock.ts";
import { INCOMPAT_RECOVER } from "../format/features.ts";
import { readGeometry } from "../super.ts";
import type { Geometry } from "../geometry.ts";
import { checkBitmaps } from "./bitmaps.ts";
import { Claims } from "./claims.ts";
import { DirectoriesFound } from "./directories-found.ts";
import { DirectoryPass } from "./directories.ts";
import { EnoughFound, Findings } from "./findings.ts";
import { checkGroups } from "./groups.ts";
import { Image } from "./image.ts";
import { InodeFacts } from "./inode-facts.ts";
import { InodePass } from "./inodes.ts";
import { checkLinkCounts, checkTree } from "./links.ts";
import { checkBackups, checkSuperblock, checkTotals, isClean } from "./superblock.ts";

/** See `Personality.check`. Never throws on a bad image. */
export function check(device: PmemDevice): CheckReport {
  const findings = new Findings();
  const report = { findings: findings.list, clean: false, inodesUsed: 0, blocksUsed: 0 };
  try {
    const geometry = readGeometry(device);
    checkImage(device, geometry, findings, report);
  } catch (error) {
    if (error instanceof CorruptionError) findings.list.push(error.corruption);
    else if (!(error instanceof EnoughFound)) findings.list.push(refusal(error));
  }
  return report;
}

/** What keeps an image from being read at all, as a finding. */
function refusal(error: unknown): CheckReport["findings"][number] {
  const structure = "ext4_super_block";
  if (error instanceof OptionError) {
    const found = error.message;
    return { structure, at: SUPERBLOCK_AT, field: "feature", found, expected: "what is supported" };
  }
  if (error instanceof FsError && error.code === "EIO") {
    const at = error.detail ?? SUPERBLOCK_AT;
    return { structure: "medium", at, field: "line", found: "EIO", expected: "data" };
  }
  throw error;
}

interface Totals {
  clean: boolean;
  inodesUsed: number;
  blocksUsed: number;
}

function checkImage(
  device: PmemDevice,
  geometry: Geometry,
  findings: Findings,
  report: Totals,
): void {
  const recovers = (geometry.incompat & INCOMPAT_RECOVER) !== 0 && geometry.hasJournal;
  const image = new Image(device, geometry, findings, recovers, null);
  const raw = device.view(SUPERBLOCK_AT, SUPERBLOCK_SIZE);
  const claims = new Claims(geometry);
  const facts = new InodeFacts(geometry);
  const directories = new DirectoriesFound();
  report.clean = isClean(image, raw, SUPERBLOCK_AT);
  checkSuperblock(image);
  checkBackups(image, raw, SUPERBLOCK_AT);
  const groups = checkGroups(image, claims);
  const inodes = new InodePass(image, groups, claims, facts, directories);
  inodes.run();
  new DirectoryPass(image, facts, directories).run();
  checkTree(image, directories, facts);
  checkLinkCounts(image, facts);
  checkBitmaps(image, groups, claims, facts);
  report.inodesUsed = facts.used;
  report.blocksUsed = claims.total;
  const used = { blocks: claims.total, inodes: facts.used };
  // A mount that recovers counts anew: until then the totals are those of the mount before.
  if (!recovers) checkTotals(image, raw, SUPERBLOCK_AT, used);
}
