/** Attributes in the inode itself, behind its fields: the first place to look and to put them. */
import { INODE_BASE_SIZE } from "../format/inode.ts";
import { XATTR_BODY_HEADER, XATTR_BODY_HEADER_SIZE, XATTR_MAGIC } from "../format/xattr.ts";
import { type Slot, slotOf, writableSlotOf } from "../inode-io.ts";
import type { Ext4Inode } from "../inode.ts";
import type { Volume } from "../volume.ts";
import { readEntries, sizeOfEntries, writeEntries, type Xattr, type XattrArea } from "./entries.ts";

/** Bytes for entries and values; negative or small where there is no room at all. */
const roomOf = (volume: Volume, inode: Ext4Inode): number =>
  inode.extraIsize === 0
    ? 0
    : volume.geometry.inodeSize - INODE_BASE_SIZE - inode.extraIsize - XATTR_BODY_HEADER_SIZE;

/** @throws CorruptionError */
export function readBody(volume: Volume, inode: Ext4Inode): Xattr[] {
  if (roomOf(volume, inode) <= 0) return [];
  const area = areaOf(volume, inode, slotOf(volume, inode.ino));
  const header = area.start - XATTR_BODY_HEADER_SIZE;
  if (XATTR_BODY_HEADER.magic.get(area.view, header) !== XATTR_MAGIC) return [];
  return readEntries(area);
}

/** Do the attributes fit into the inode? */
export const fitsBody = (volume: Volume, inode: Ext4Inode, list: readonly Xattr[]): boolean =>
  list.length === 0 || sizeOfEntries(list) <= roomOf(volume, inode);

/** Inside a handle: the attributes fit. */
export function writeBody(volume: Volume, inode: Ext4Inode, list: readonly Xattr[]): void {
  if (roomOf(volume, inode) <= 0) return;
  const area = areaOf(volume, inode, writableSlotOf(volume, inode.ino));
  const header = area.start - XATTR_BODY_HEADER_SIZE;
  XATTR_BODY_HEADER.magic.set(area.view, header, list.length === 0 ? 0 : XATTR_MAGIC);
  writeEntries(area, list, false);
}

function areaOf(volume: Volume, inode: Ext4Inode, { buffer, at }: Slot): XattrArea {
  const record = buffer.at + at;
  const start = record + INODE_BASE_SIZE + inode.extraIsize + XATTR_BODY_HEADER_SIZE;
  const end = record + volume.geometry.inodeSize;
  return { view: buffer.view, start, end, base: start, where: `inode ${inode.ino}` };
}
