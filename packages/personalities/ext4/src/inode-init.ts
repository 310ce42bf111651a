/** A new inode: its record, what it takes over from its directory, and the target of a symlink. */
import { type Clock, FsError, type Ino, isDevice, isDirectory, isRegular } from "@xiplab/core";
import { isSymlink, type NewInode } from "@xiplab/core";
import { crcU32, inodeSeed } from "./checksum.ts";
import * as f from "./format/inode.ts";
import { I_BLOCK_AT, I_BLOCK_SIZE, INODE } from "./format/inode.ts";
import type { Geometry } from "./geometry.ts";
import { clampSeconds, clearInode, writableSlotOf, writeInode } from "./inode-io.ts";
import { Ext4Inode } from "./inode.ts";
import { storeTarget } from "./symlink.ts";
import type { Volume } from "./volume.ts";
import { dropXattrs, initXattrs } from "./xattr.ts";

/** struct ext4_extent_header of an empty tree in i_block: magic, entries 0, max 4, depth 0. */
const EXTENT_MAGIC = 0xf30a;
const EXTENT_ROOT_MAX = 4;

/**
 * Fill the record of a number that was just allocated: attributes, what is inherited from `parent`,
 * no blocks, the target of a symlink, and the attributes that it starts with. Links are 1, of a
 * directory 2. Inside a handle.
 * @throws FsError ENOSPC for want of a block: none was kept, the record is cleared, and the caller
 *   gives the number back
 */
export function initInode(
  volume: Volume,
  ino: number,
  parent: Ext4Inode,
  attributes: NewInode,
): Ext4Inode {
  const { geometry } = volume;
  const { buffer, at } = writableSlotOf(volume, ino);
  const { view } = buffer;
  const record = buffer.at + at;
  const generation = nextGeneration(geometry, view, record, ino, volume.clock);
  // Eight zero bytes are the number 0.
  for (let byte = 0; byte < geometry.inodeSize; byte += 8) view.setFloat64(record + byte, 0);
  const seed = inodeSeed(geometry.csumSeed, ino, generation);
  const inode = new Ext4Inode(ino as Ino, seed);
  inode.generation = generation;
  setAttributes(volume, inode, parent, attributes);
  const { mode } = inode;
  // Who lists a directory may look for it here, before the other fields come (`writeInode`).
  INODE.mode.set(view, record, mode);
  if ((inode.flags & f.FL_EXTENTS) !== 0) {
    view.setUint16(record + I_BLOCK_AT, EXTENT_MAGIC, true);
    view.setUint16(record + I_BLOCK_AT + 4, EXTENT_ROOT_MAX, true);
  } else if (isDevice(mode)) {
    const [old, wide] = f.encodeDevice(inode.rdev);
    view.setUint32(record + I_BLOCK_AT, old, true);
    view.setUint32(record + I_BLOCK_AT + 4, wide, true);
  }
  writeInode(volume, inode);
  try {
    const { target, xattrs } = attributes;
    if (xattrs !== undefined) initXattrs(volume, inode, xattrs);
    if (target !== undefined) storeTarget(volume, inode, target);
    else if (xattrs !== undefined) writeInode(volume, inode);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    dropXattrs(volume, inode);
    inode.nlink = 0;
    clearInode(volume, inode);
    throw error;
  }
  return inode;
}

function setAttributes(
  volume: Volume,
  inode: Ext4Inode,
  parent: Ext4Inode,
  attributes: NewInode,
): void {
  const { geometry, clock } = volume;
  const { mode } = attributes;
  inode.mode = mode;
  inode.uid = attributes.uid;
  inode.gid = attributes.gid;
  inode.nlink = isDirectory(mode) ? 2 : 1;
  inode.rdev = isDevice(mode) ? attributes.rdev : 0;
  inode.flags = inheritedFlags(parent.flags, mode);
  const mapped = isDirectory(mode) || isRegular(mode) || hasLongTarget(attributes);
  if (geometry.extents && mapped) inode.flags = (inode.flags | f.FL_EXTENTS) >>> 0;
  inode.extraIsize = geometry.extraIsize;
  if ((parent.flags & f.FL_PROJINHERIT) !== 0) inode.projectId = parent.projectId;
  const { sec, nsec } = clock.now();
  inode.atimeSec = inode.mtimeSec = inode.ctimeSec = sec;
  inode.atimeNsec = inode.mtimeNsec = inode.ctimeNsec = nsec | 0;
  if (!f.covers(inode.extraIsize, f.INODE_EXTRA.crtimeExtra)) return;
  inode.btimeSec = clampSeconds(sec, f.SECONDS_MAX_EXTRA);
  inode.btimeNsec = nsec | 0;
}

function hasLongTarget({ mode, target }: NewInode): boolean {
  return isSymlink(mode) && target!.length >= I_BLOCK_SIZE;
}

function inheritedFlags(flags: number, mode: number): number {
  const inherited = flags & f.FL_INHERITED;
  if (isDirectory(mode)) return inherited >>> 0;
  if (isRegular(mode)) return (inherited & ~f.FL_DIRECTORY_ONLY) >>> 0;
  return (inherited & f.FL_OTHER) >>> 0;
}

/** Another one than the number had before, so that old handles of it do not fit. */
function nextGeneration(
  geometry: Geometry,
  view: DataView,
  record: number,
  ino: number,
  clock: Clock,
): number {
  const { sec, nsec } = clock.now();
  const before = crcU32(geometry.csumSeed, INODE.generation.get(view, record));
  return crcU32(crcU32(crcU32(before, ino), sec >>> 0), nsec >>> 0);
}
