/**
 * Targets of symbolic links: up to 59 bytes in i_block ("fast"), longer ones in one block of data
 * that is journaled as metadata.
 */
import { assert, copyName, corrupt, FsError, type Name, nameFromBytes } from "@xiplab/core";
import type { Pblk } from "@xiplab/core";
import type { BlockKind } from "./buffers.ts";
import { addBlock, mapBlock } from "./file-map.ts";
import { I_BLOCK_AT, I_BLOCK_SIZE } from "./format/inode.ts";
import { slotOf, writableSlotOf, writeInode } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import type { Volume } from "./volume.ts";

/** A block that holds a target. It has no checksum, and any bytes but NUL are right. */
const TARGET: BlockKind = { name: "ext4 symlink target", verify() {}, stamp() {} };

/** Without blocks of its own but for attributes: as the kernel tells fast ones. */
export const isFast = (inode: Ext4Inode): boolean =>
  inode.blocks - (inode.fileAcl === 0 ? 0 : 1) === 0;

/**
 * Give a new symlink its target. Inside a handle.
 * @throws FsError ENOSPC, ENAMETOOLONG: nothing was allocated
 */
export function storeTarget(volume: Volume, inode: Ext4Inode, target: Name): void {
  const { length } = target;
  assert(volume.journal.running, "a target is stored inside a handle");
  assert(length > 0, "the vfs refuses empty targets");
  if (length >= volume.geometry.blockSize) throw new FsError("ENAMETOOLONG");
  if (length < I_BLOCK_SIZE) {
    const { buffer, at } = writableSlotOf(volume, inode.ino);
    writeName(buffer.view, buffer.at + at + I_BLOCK_AT, target);
  } else {
    const pblk = addBlock(volume, inode, 0);
    const buffer = volume.buffers.create(pblk as Pblk, TARGET, inode.ino);
    writeName(buffer.view, buffer.at, target);
  }
  inode.resize(length);
  writeInode(volume, inode);
}

/** @throws CorruptionError; FsError EIO */
export function readTarget(volume: Volume, inode: Ext4Inode): Name {
  const { size } = inode;
  const where = `inode ${inode.ino}`;
  let view: DataView;
  let at: number;
  if (isFast(inode)) {
    if (size >= I_BLOCK_SIZE) corrupt("ext4_inode", where, "size", size, `< ${I_BLOCK_SIZE}`);
    const slot = slotOf(volume, inode.ino);
    view = slot.buffer.view;
    at = slot.buffer.at + slot.at + I_BLOCK_AT;
  } else {
    const pblk = mapBlock(volume, inode, 0);
    if (pblk === 0) corrupt("ext4 symlink target", where, "block 0", "hole", "a block");
    const buffer = volume.buffers.read(pblk as Pblk, TARGET, inode.ino);
    view = buffer.view;
    at = buffer.at;
  }
  const target = nameFromBytes(new Uint8Array(view.buffer, view.byteOffset + at, size));
  if (target.includes("\0")) corrupt("ext4 symlink target", where, "target", "NUL", "a path");
  return target;
}

function writeName(view: DataView, at: number, name: Name): void {
  copyName(name, new Uint8Array(view.buffer, view.byteOffset), at);
}
