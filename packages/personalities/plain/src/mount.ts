/**
 * Mount, and recover what a power cut left behind.
 *
 *   verify the superblock → redo a pending rename → scan everything (check.ts) → refuse what
 *   no power cut explains → mend the rest, inode by inode, each in one atomic update
 *
 * A power cut during recovery leaves less for the next one.
 */
import { CorruptionError, FsError, type Ino, isDirectory, type MountContext } from "@xiplab/core";
import { type OptionTable, type PmemDevice, PURPOSE_METADATA } from "@xiplab/core";
import { Scan } from "./check.ts";
import { INODE_SIZE } from "./format/inode.ts";
import { STATE_AT } from "./format/superblock.ts";
import { readSuperblock, slotToDevByte, type Superblock } from "./geometry.ts";
import type { PlainInode } from "./inode.ts";
import { readIntent, redo } from "./intent.ts";
import { PlainFileSystem } from "./namei.ts";

export const mountOptions: OptionTable = {
  alloc: {
    values: ["next-fit", "first-fit"],
    default: "next-fit",
    help: "where a file goes on: behind its last block, or in the first hole of the device",
  },
};

/** @throws CorruptionError; FsError EROFS where a dirty image is to be mounted read-only. */
export function mount(device: PmemDevice, context: MountContext): PlainFileSystem {
  const sb = readSuperblock(device);
  const fs = new PlainFileSystem(device, sb, context);
  if (sb.clean) {
    fs.balloc.load(device);
    fs.ialloc.scan();
  } else if (context.readOnly) {
    // Recovery writes, and without it a rename may show half.
    throw new FsError("EROFS", "not cleanly unmounted: mount it read-write once to recover");
  } else {
    recover(device, sb, fs);
  }
  if (!context.readOnly) {
    device.storeU64(STATE_AT, 0, fs.ialloc.end, PURPOSE_METADATA);
    // The image is dirty before anything in it changes.
    device.persist(STATE_AT, 8);
  }
  return fs;
}

function recover(device: PmemDevice, sb: Superblock, fs: PlainFileSystem): void {
  const words = readIntent(device, sb);
  if (words.length > 0) redo(device, words);
  const { balloc, findings, inodes, links, parents } = new Scan(device, sb);
  if (findings.length > 0) throw new CorruptionError(findings[0]!);
  fs.balloc.adopt(balloc);
  for (const inode of inodes.toReversed()) {
    if (inode === undefined) continue;
    removeTorn(device, sb, inode);
    const nlink = links[inode.ino]!;
    const parentIno = isDirectory(inode.mode) ? (parents[inode.ino] as Ino) : inode.parentIno;
    const right = nlink > 0 && nlink === inode.nlink && parentIno === inode.parentIno;
    if (inode.mode === 0) fs.ialloc.free.push(inode.ino);
    if (inode.mode === 0 || right) continue;
    inode.nlink = nlink;
    inode.parentIno = parentIno;
    if (nlink === 0) fs.evict(inode);
    else fs.updateInode(inode);
  }
}

/** After recovery both copies of a record hold, or are zero: anything else is corruption then. */
function removeTorn(device: PmemDevice, sb: Superblock, inode: PlainInode): void {
  for (const copy of [0, 1]) {
    if ((inode.torn & (1 << copy)) === 0) continue;
    device.zero(slotToDevByte(sb, inode.ino) + copy * INODE_SIZE, INODE_SIZE, PURPOSE_METADATA);
    device.fence();
  }
}
