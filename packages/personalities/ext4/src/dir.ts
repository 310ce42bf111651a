/**
 * Directories, linear and hashed: names to inode numbers and back.
 *
 *   lookupName   find.ts: block by block, or by the hash tree (tree.ts), then one scan of bytes
 *   addName      find.ts makes room (convert.ts, split.ts), block.ts puts the name there
 *   removeName   the entry before takes the bytes
 *   listNames    list.ts
 *
 * Of a directory hints are kept in memory, which are wrong at no cost, and what was listed of it
 * (listings.ts). Changes are inside handles of the caller, which also sets times and link counts.
 */
import { assert, type Ino, type Name, NO_INO } from "@xiplab/core";
import { creditsForBlock } from "./file-map.ts";
import { fileTypeOf, FT_UNKNOWN } from "./format/dirent.ts";
import type { Geometry } from "./geometry.ts";
import type { Ext4Inode } from "./inode.ts";
import { isUnlisted, placeEntry, pointEntry, removeEntry } from "./dir/entries.ts";
import { findName, findRoomFor, inoAtPlace, place } from "./dir/find.ts";
import { nameKey } from "./dir/key.ts";
import { forgetListing } from "./dir/listings.ts";
import { blocksOf, readBlock, verifyDirectory } from "./dir/read.ts";
import type { Volume } from "./volume.ts";

export { makeFirstBlock, parentInoOf, setParentIno } from "./dir/convert.ts";
export type { DirectoryState } from "./dir/find.ts";
export { listNames } from "./dir/list.ts";

/** Blocks of a directory that adding a name may change or make: the leaf and its new half, the index
 * block above and its new half, and the root. */
const ADD_BLOCKS = 5;
/** New blocks among them: the leaf's half, and an index block. */
const ADD_NEW_BLOCKS = 2;
/** An entry changes in place. */
export const REMOVE_CREDITS = 1;

/** Credits of `addName` or `reserveName`; the directory's own record is not in them. */
export const addCredits = (volume: Volume, directory: Ext4Inode): number =>
  ADD_BLOCKS + ADD_NEW_BLOCKS * creditsForBlock(volume, directory);

/** The inode number behind a name, or NO_INO. HOT. @throws CorruptionError; FsError EIO */
export function lookupName(volume: Volume, directory: Ext4Inode, name: Name): Ino {
  return findName(volume, directory, nameKey.set(name)) ? (inoAtPlace() as Ino) : NO_INO;
}

/**
 * Make room for a name that is not there, and remember where: `fillName` with the same name, before
 * anything else happens to the directory, cannot fail then. Inside a handle.
 * @throws FsError ENOSPC: no name changed; CorruptionError
 */
export function reserveName(volume: Volume, directory: Ext4Inode, name: Name): void {
  forgetListing(directory.directory);
  findRoomFor(volume, directory, nameKey.set(name));
}

/** Put the name of `reserveName` in. `mode`: of the inode, for its type. */
export function fillName(volume: Volume, name: Name, ino: number, mode: number): void {
  const { buffer, offset } = place;
  assert(buffer !== null, "the name has a place");
  placeEntry(volume, buffer, offset, nameKey.set(name), ino, typeOf(volume.geometry, mode));
}

/** Add a name that is not there. Inside a handle. @throws FsError ENOSPC: no name changed */
export function addName(
  volume: Volume,
  directory: Ext4Inode,
  name: Name,
  ino: number,
  mode: number,
): void {
  reserveName(volume, directory, name);
  fillName(volume, name, ino, mode);
}

/** Take a name away that leads to `ino`. Inside a handle. @throws CorruptionError */
export function removeName(volume: Volume, directory: Ext4Inode, name: Name, ino: number): void {
  forgetListing(directory.directory);
  requireName(volume, directory, name, ino);
  removeEntry(volume, place.buffer!, place.offset, place.before);
}

/** Have a name that leads to `before` lead to `ino`. Inside a handle. @throws CorruptionError */
export function setName(
  volume: Volume,
  directory: Ext4Inode,
  name: Name,
  before: number,
  ino: number,
  mode: number,
): void {
  forgetListing(directory.directory);
  requireName(volume, directory, name, before);
  pointEntry(volume, place.buffer!, place.offset, ino, typeOf(volume.geometry, mode));
}

/** Names that are there twice may lead elsewhere than when they were looked up. */
function requireName(volume: Volume, directory: Ext4Inode, name: Name, ino: number): void {
  const found = lookupName(volume, directory, name);
  verifyDirectory(found === ino, directory, "inode of a name", found, ino);
}

/** Has the directory no names but "." and ".."? @throws CorruptionError; FsError EIO */
export function isEmptyDirectory(volume: Volume, directory: Ext4Inode): boolean {
  const blocks = blocksOf(volume, directory);
  for (let lblk = 0; lblk < blocks; lblk++) {
    if (!isUnlisted(volume.geometry, readBlock(volume, directory, lblk))) return false;
  }
  return true;
}

const typeOf = ({ fileType }: Geometry, mode: number): number =>
  fileType ? fileTypeOf(mode) : FT_UNKNOWN;
