/** Finding names, and room for names: in linear directories block by block, else by hash. */
import { assert, corrupt, type DirBatch, NO_INO } from "@xiplab/core";
import type { Buffer } from "../buffers.ts";
import { DIRENT, direntSize } from "../format/dirent.ts";
import { FL_INDEX } from "../format/inode.ts";
import { hashName } from "../hash.ts";
import { writeInode } from "../inode-io.ts";
import type { Ext4Inode } from "../inode.ts";
import type { Volume } from "../volume.ts";
import { initBlock } from "./block.ts";
import { convert } from "./convert.ts";
import { findEntry, findRoom, lastEntryBefore } from "./entries.ts";
import { appendBlock } from "./grow.ts";
import type { NameKey } from "./key.ts";
import { blocksOf, isIndexed, readBlock, whereOf } from "./read.ts";
import { growIndex, splitLeaf } from "./split.ts";
import { advance, hashVersionOf, isTrustedIndex, nextHash, probe, treePath } from "./tree.ts";

/** What is kept in memory of a directory that was looked into: hints, and the listing. */
export interface DirectoryState {
  /** Block in which a name last found room: linear directories look there first. */
  roomIn: number;
  /** Block in which a name was last found: programs ask in the order of a listing. */
  foundIn: number;
  /** All names, as they are now; or null. listings.ts */
  listing: DirBatch | null;
  /** It was listed since names changed last. */
  isListed: boolean;
}

/** Where an entry is, or room for one: filled by the functions below. */
export interface Place {
  buffer: Buffer | null;
  /** From the start of the block. */
  offset: number;
  /** The entry in front of the one that was found. */
  before: number;
}

/** One for all calls: what is found is used before anybody looks again. */
export const place: Place = { buffer: null, offset: 0, before: 0 };

export function stateOf(directory: Ext4Inode): DirectoryState {
  return (directory.directory ??= { roomIn: 0, foundIn: 0, listing: null, isListed: false });
}

/** Set `place` to the entry with that name. HOT. @throws CorruptionError; FsError EIO */
export function findName(volume: Volume, directory: Ext4Inode, key: NameKey): boolean {
  if (isIndexed(volume, directory)) return findByHash(volume, directory, key);
  const state = stateOf(directory);
  const blocks = blocksOf(volume, directory);
  let lblk = state.foundIn < blocks ? state.foundIn : 0;
  for (let looked = 0; looked < blocks; looked++) {
    if (isIn(volume, readBlock(volume, directory, lblk), key)) {
      state.foundIn = lblk;
      return true;
    }
    lblk = lblk + 1 === blocks ? 0 : lblk + 1;
  }
  return false;
}

function findByHash(volume: Volume, directory: Ext4Inode, key: NameKey): boolean {
  hashKey(volume, hashVersionOf(volume, directory), key);
  probe(volume, directory, key.major, treePath);
  while (!isIn(volume, readLeaf(volume, directory, treePath.leaf()), key)) {
    // Names with one hash may fill several leaves.
    const next = nextHash(treePath);
    if (next < 0 || (next & ~1) >>> 0 !== key.major) return false;
    advance(volume, directory, treePath);
  }
  return true;
}

function hashKey({ geometry }: Volume, version: number, key: NameKey): void {
  const { hashSeed, hashUnsigned } = geometry;
  hashName(key.view, 0, key.length, version, hashUnsigned, hashSeed, key);
}

function isIn({ geometry }: Volume, buffer: Buffer, key: NameKey): boolean {
  const offset = findEntry(geometry, buffer, key);
  place.buffer = buffer;
  place.offset = offset;
  place.before = lastEntryBefore();
  return offset >= 0;
}

/** Inode number of the entry at `place`. */
export function inoAtPlace(): number {
  const { view, at } = place.buffer!;
  return place.offset < 0 ? NO_INO : DIRENT.inode.get(view, at + place.offset);
}

/** A leaf: an index block does not pass for an empty one. @throws CorruptionError */
export function readLeaf(volume: Volume, directory: Ext4Inode, lblk: number): Buffer {
  const { blockSize, metadataCsum } = volume.geometry;
  const buffer = readBlock(volume, directory, lblk);
  const { at, view } = buffer;
  if (DIRENT.recLen.get(view, at) === blockSize && DIRENT.inode.get(view, at) === NO_INO) {
    if (metadataCsum || isTrustedIndex(buffer)) {
      corrupt("ext4 directory", whereOf(directory), `leaf ${lblk}`, "an index block", "names");
    }
  }
  return buffer;
}

/**
 * Set `place` to room for a name that is not there, making it if need be. Inside a handle.
 * @throws FsError ENOSPC: no name changed; CorruptionError
 */
export function findRoomFor(volume: Volume, directory: Ext4Inode, key: NameKey): void {
  const indexed = isIndexed(volume, directory);
  if (!indexed) {
    if ((directory.flags & FL_INDEX) !== 0) {
      // Whoever adds a name without looking at the index makes it useless.
      directory.flags &= ~FL_INDEX;
      writeInode(volume, directory, false);
    }
    if (linearRoom(volume, directory, key)) return;
    const blocks = blocksOf(volume, directory);
    if (!volume.geometry.dirIndex || blocks > 1) return appendRoom(volume, directory, blocks);
    convert(volume, directory);
  }
  roomByHash(volume, directory, key);
}

/** Is there room for the key in a block of a linear directory? */
function linearRoom(volume: Volume, directory: Ext4Inode, key: NameKey): boolean {
  const { geometry } = volume;
  const state = stateOf(directory);
  const blocks = blocksOf(volume, directory);
  const size = direntSize(key.length);
  let lblk = state.roomIn < blocks ? state.roomIn : 0;
  for (let looked = 0; looked < blocks; looked++) {
    const buffer = readBlock(volume, directory, lblk);
    const offset = findRoom(geometry, buffer, size);
    if (offset >= 0) {
      place.buffer = buffer;
      place.offset = offset;
      state.roomIn = lblk;
      return true;
    }
    lblk = lblk + 1 === blocks ? 0 : lblk + 1;
  }
  return false;
}

function appendRoom(volume: Volume, directory: Ext4Inode, lblk: number): void {
  const buffer = appendBlock(volume, directory);
  initBlock(volume.geometry, buffer);
  place.buffer = buffer;
  place.offset = 0;
  stateOf(directory).roomIn = lblk;
}

function roomByHash(volume: Volume, directory: Ext4Inode, key: NameKey): void {
  const { geometry } = volume;
  const size = direntSize(key.length);
  hashKey(volume, hashVersionOf(volume, directory), key);
  probe(volume, directory, key.major, treePath);
  let leaf = readLeaf(volume, directory, treePath.leaf());
  let offset = findRoom(geometry, leaf, size);
  if (offset < 0) {
    growIndex(volume, directory, treePath, key.major);
    leaf = readLeaf(volume, directory, treePath.leaf());
    leaf = splitLeaf(volume, directory, treePath, leaf, key.major);
    offset = findRoom(geometry, leaf, size);
    assert(offset >= 0, "half of a leaf has room for any name");
  }
  place.buffer = leaf;
  place.offset = offset;
}
