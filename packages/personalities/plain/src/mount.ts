/**
 * Mount: verify the superblock, finish the rename that a power cut interrupted, read and verify
 * everything (check.ts), refuse what no power cut explains, and mend the rest, inode by inode, each
 * in one atomic update. A power cut meanwhile leaves less for the next time.
 *
 * So mounting takes as long as there are inodes, and what is mounted is sound.
 */
import { CorruptionError, type MountContext, type OptionTable } from "@xiplab/core";
import { type PmemDevice, PURPOSE_METADATA, redoWordPair } from "@xiplab/core";
import { Scan } from "./check.ts";
import { INTENT_AT, STATE_AT } from "./format/superblock.ts";
import { readSuperblock } from "./geometry.ts";
import { PlainFileSystem } from "./namei.ts";

export const mountOptions: OptionTable = {
  alloc: { values: ["next-fit", "first-fit"], default: "next-fit", help: "how blocks are chosen" },
};

/** @throws CorruptionError */
export function mount(device: PmemDevice, context: MountContext): PlainFileSystem {
  const sb = readSuperblock(device);
  const firstFit = context.options["alloc"] === "first-fit";
  const { balloc, findings, inodes, mended } = new Scan(device, sb, firstFit);
  if (findings.length > 0) throw new CorruptionError(findings[0]!);
  // A pending rename is done below; read-only, for as long as the mount lasts.
  const pending = context.readOnly ? sb.pending : [];
  const fs = new PlainFileSystem(device, { ...sb, pending }, context, balloc);
  for (const inode of inodes.toReversed()) if (inode?.mode === 0) fs.inodesFree.push(inode.ino);
  if (context.readOnly) {
    for (const inode of mended) fs.mended.set(inode.ino, inode);
    return fs;
  }
  // The image is dirty before anything in it changes.
  device.storeU64(STATE_AT, 0, sb.inodesEnd, PURPOSE_METADATA);
  device.persist(STATE_AT, 8);
  if (sb.pending.length > 0) redoWordPair(device, INTENT_AT, sb.pending, PURPOSE_METADATA);
  for (const inode of mended) {
    if (inode.nlink === 0 && inode.mode !== 0) fs.evict(inode);
    else fs.updateInode(inode);
  }
  return fs;
}
