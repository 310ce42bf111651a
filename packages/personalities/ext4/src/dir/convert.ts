/** The first blocks of a directory: of a new one, and of one that becomes indexed. */
import { assert } from "@xiplab/core";
import type { Buffer } from "../buffers.ts";
import { DIRENT, DIRENT_MIN, DIRENT_HEAD, FT_DIR, FT_UNKNOWN } from "../format/dirent.ts";
import {
  DX_COUNT_LIMIT,
  DX_ROOT_ENTRIES_AT,
  DX_ROOT_INFO,
  DX_ROOT_INFO_AT,
  DX_ROOT_INFO_SIZE,
  dxLimit,
} from "../format/htree.ts";
import { FL_INDEX } from "../format/inode.ts";
import type { Geometry } from "../geometry.ts";
import { writeInode } from "../inode-io.ts";
import type { Ext4Inode } from "../inode.ts";
import type { Volume } from "../volume.ts";
import { DOT, entriesEnd, initTail, rewrite } from "./block.ts";
import { growDirectory } from "./grow.ts";
import { EntryList } from "./entry-list.ts";
import { readBlock, verifyDirectory } from "./read.ts";
import { trustIndex } from "./tree.ts";

/** Block 0 of a new directory: "." and "..". Inside a handle. @throws FsError ENOSPC */
export function makeFirstBlock(volume: Volume, directory: Ext4Inode, parentIno: number): void {
  const { geometry } = volume;
  const buffer = growDirectory(volume, directory, 0);
  putDots(geometry, buffer, directory.ino, parentIno, entriesEnd(geometry) - DIRENT_MIN);
  initTail(geometry, buffer);
}

function putDots(
  geometry: Geometry,
  { at, view }: Buffer,
  ino: number,
  parentIno: number,
  secondLength: number,
): void {
  const type = geometry.fileType ? FT_DIR : FT_UNKNOWN;
  const second = at + DIRENT_MIN;
  DIRENT.inode.set(view, at, ino);
  DIRENT.recLen.set(view, at, DIRENT_MIN);
  DIRENT.nameLen.set(view, at, 1);
  DIRENT.fileType.set(view, at, type);
  view.setUint8(at + DIRENT_HEAD, DOT);
  DIRENT.inode.set(view, second, parentIno);
  DIRENT.recLen.set(view, second, secondLength);
  DIRENT.nameLen.set(view, second, 2);
  DIRENT.fileType.set(view, second, type);
  view.setUint8(second + DIRENT_HEAD, DOT);
  view.setUint8(second + DIRENT_HEAD + 1, DOT);
}

/** Block 0, which starts with "." and "..". @throws CorruptionError */
function readFirstBlock(volume: Volume, directory: Ext4Inode): Buffer {
  const buffer = readBlock(volume, directory, 0);
  const { at, view } = buffer;
  const second = at + DIRENT_MIN;
  const self = DIRENT.inode.get(view, at);
  verifyDirectory(self === directory.ino, directory, "inode of .", self, directory.ino);
  const dot = DIRENT.recLen.get(view, at) === DIRENT_MIN && DIRENT.nameLen.get(view, at) === 1;
  const first = view.getUint8(at + DIRENT_HEAD);
  verifyDirectory(dot && first === DOT, directory, "first entry", first, "the name .");
  const dots = DIRENT.inode.get(view, second) !== 0 && DIRENT.nameLen.get(view, second) === 2;
  const pair = view.getUint16(second + DIRENT_HEAD);
  verifyDirectory(dots && pair === DOT * 0x101, directory, "second entry", pair, "the name ..");
  return buffer;
}

/** Inode number behind "..". @throws CorruptionError */
export function parentInoOf(volume: Volume, directory: Ext4Inode): number {
  const { at, view } = readFirstBlock(volume, directory);
  return DIRENT.inode.get(view, at + DIRENT_MIN);
}

/** The directory stands in another one now. Inside a handle. @throws CorruptionError */
export function setParentIno(volume: Volume, directory: Ext4Inode, parentIno: number): void {
  const buffer = readFirstBlock(volume, directory);
  rewrite(volume, buffer);
  DIRENT.inode.set(buffer.view, buffer.at + DIRENT_MIN, parentIno);
}

/**
 * A linear directory of one block becomes indexed: its names move to a leaf, the only one, and the
 * root takes their place. Inside a handle.
 * @throws FsError ENOSPC: nothing changed; CorruptionError
 */
export function convert(volume: Volume, directory: Ext4Inode): void {
  const { geometry } = volume;
  const root = readFirstBlock(volume, directory);
  const parentIno = parentInoOf(volume, directory);
  const leaf = growDirectory(volume, directory, 1);
  const entries = new EntryList(geometry, root, DIRENT_MIN * 2);
  entries.packInto(leaf, 0, entries.count);
  rewrite(volume, root);
  assert(root.bytes !== null, "a buffer that is written has its own bytes");
  root.bytes.fill(0);
  const length = geometry.blockSize - DIRENT_MIN;
  putDots(geometry, root, directory.ino, parentIno, length);
  const { at, view } = root;
  DX_ROOT_INFO.hashVersion.set(view, at + DX_ROOT_INFO_AT, geometry.hashVersion);
  DX_ROOT_INFO.infoLength.set(view, at + DX_ROOT_INFO_AT, DX_ROOT_INFO_SIZE);
  const head = at + DX_ROOT_ENTRIES_AT;
  const limit = dxLimit(geometry.blockSize, DX_ROOT_ENTRIES_AT, geometry.metadataCsum);
  DX_COUNT_LIMIT.limit.set(view, head, limit);
  DX_COUNT_LIMIT.count.set(view, head, 1);
  DX_COUNT_LIMIT.block.set(view, head, 1);
  trustIndex(root);
  directory.flags = (directory.flags | FL_INDEX) >>> 0;
  writeInode(volume, directory);
}
