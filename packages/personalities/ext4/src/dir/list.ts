/**
 * Listing a directory.
 *
 * Where dir_index is on, names come in the order of their hashes, also from a directory of one block
 * that is not indexed yet: so a position keeps its meaning when that block overflows, and when leaves
 * are split. A cookie is made of the 31 bits of the hash and the upper 21 of the minor hash, and
 * stands behind all names with these bits. Elsewhere names stay where they are, and a cookie is a
 * position.
 *
 * Names with the same 52 bits are listed in one call, if need be beyond `max`: no number between them
 * would stay good while names come and go.
 */
import { type DirBatch, direntType, type Ino, type Name, newDirBatch } from "@xiplab/core";
import type { Buffer } from "../buffers.ts";
import { DIRENT, DIRENT_HEAD, direntTypeOf } from "../format/dirent.ts";
import { INODE } from "../format/inode.ts";
import { hashName, type NameHash } from "../hash.ts";
import { slotOf } from "../inode-io.ts";
import type { Ext4Inode } from "../inode.ts";
import type { Volume } from "../volume.ts";
import { readLeaf, stateOf } from "./find.ts";
import { listKept } from "./listings.ts";
import { isListed } from "./entries.ts";
import { blocksOf, isIndexed, readBlock, verifyDirectory } from "./read.ts";
import { advance, hashVersionOf, nextHash, probe, treePath } from "./tree.ts";

/** Listings of larger directories are not kept. */
const KEPT_BLOCKS_MAX = 512;
/** Those of directories up to this are kept at once: who lists comes back, at least to hear that there
 * is no more. Of larger ones only if no name changed in between: else to list and remove in turn would
 * take the square of the time. */
const KEPT_AT_ONCE_BLOCKS_MAX = 16;
/** Of the minor hash, in a cookie. */
const MINOR_BITS = 21;
const MINOR_UNITS = 2 ** MINOR_BITS;
const HASH_BITS = 32;
/** Behind all hashes. */
const MAJOR_END = 2 ** HASH_BITS;

/** See FileSystem.readdir. @throws CorruptionError; FsError EIO */
export function listNames(
  volume: Volume,
  directory: Ext4Inode,
  cookie: number,
  batch: DirBatch,
  max: number,
): boolean {
  const blocks = blocksOf(volume, directory);
  const isHashed = isIndexed(volume, directory) || (volume.geometry.dirIndex && blocks === 1);
  if (!isHashed) return listBlocks(volume, directory, cookie, batch, max);
  const state = stateOf(directory);
  if (state.listing === null) {
    const isSmall = blocks <= KEPT_AT_ONCE_BLOCKS_MAX;
    if (blocks > KEPT_BLOCKS_MAX || !(isSmall || state.isListed)) {
      state.isListed = true;
      return listHashed(volume, directory, cookie, batch, max);
    }
    const listing = newDirBatch();
    listHashed(volume, directory, 0, listing, Infinity);
    volume.listings.keep(state, listing);
    return listKept(listing, cookie, batch, max);
  }
  return listKept(state.listing, cookie, batch, max);
}

/** In the order of hashes. */
function listHashed(
  volume: Volume,
  directory: Ext4Inode,
  cookie: number,
  batch: DirBatch,
  max: number,
): boolean {
  if (isIndexed(volume, directory)) return listTree(volume, directory, cookie, batch, max);
  const run = new HashRun(volume, directory, volume.geometry.hashVersion, cookie);
  run.add(readBlock(volume, directory, 0), 0, MAJOR_END);
  return run.emit(batch, max) < 0;
}

function listBlocks(
  volume: Volume,
  directory: Ext4Inode,
  cookie: number,
  batch: DirBatch,
  max: number,
): boolean {
  const { blockSize } = volume.geometry;
  const blocks = blocksOf(volume, directory);
  let left = max;
  for (let lblk = Math.floor(cookie / blockSize); lblk < blocks; lblk++) {
    const buffer = readBlock(volume, directory, lblk);
    const start = lblk * blockSize;
    for (let offset = 0; offset < blockSize;) {
      const position = start + offset;
      if (position >= cookie && isListed(buffer, offset)) {
        if (left-- === 0) return true;
        put(volume, buffer, offset, position + 1, batch);
      }
      offset += DIRENT.recLen.get(buffer.view, buffer.at + offset);
    }
  }
  return false;
}

function listTree(
  volume: Volume,
  directory: Ext4Inode,
  cookie: number,
  batch: DirBatch,
  max: number,
): boolean {
  const version = hashVersionOf(volume, directory);
  const run = new HashRun(volume, directory, version, cookie);
  const first = Math.floor(cookie / MINOR_UNITS) * 2;
  if (first >= MAJOR_END) return false;
  probe(volume, directory, first, treePath);
  let left = max;
  for (let low = 0; ;) {
    let next = nextHash(treePath);
    run.add(readLeaf(volume, directory, treePath.leaf()), low, next < 0 ? MAJOR_END : next);
    // Names with one hash may fill several leaves: all of them are sorted together.
    while (next >= 0 && (next & 1) !== 0) {
      low = next - 1;
      advance(volume, directory, treePath);
      next = nextHash(treePath);
      run.add(readLeaf(volume, directory, treePath.leaf()), low, next < 0 ? MAJOR_END : next);
    }
    left = run.emit(batch, left);
    if (left < 0) return true;
    if (next < 0) return false;
    low = next;
    advance(volume, directory, treePath);
  }
}

/** Entries of leaves that are listed together, in the order of their hashes. */
class HashRun {
  private readonly volume: Volume;
  private readonly directory: Ext4Inode;
  private readonly version: number;
  /** Entries before it are not listed. */
  private readonly cookie: number;
  private readonly hash: NameHash = { major: 0, minor: 0 };
  private emitted = false;
  private readonly buffers: Buffer[] = [];
  private readonly offsets: number[] = [];
  private readonly keys: number[] = [];
  /** Indices into the three above. */
  private readonly order: number[] = [];

  constructor(volume: Volume, directory: Ext4Inode, version: number, cookie: number) {
    this.volume = volume;
    this.directory = directory;
    this.version = version;
    this.cookie = cookie;
  }

  /** The entries of a leaf with hashes from `low` to `high`; bit 0 of `high`: up to it, included. */
  add(buffer: Buffer, low: number, high: number): void {
    const { blockSize, hashSeed, hashUnsigned } = this.volume.geometry;
    const { hash, version } = this;
    const { at, view } = buffer;
    for (let offset = 0; offset < blockSize;) {
      const entry = at + offset;
      if (isListed(buffer, offset)) {
        const length = DIRENT.nameLen.get(view, entry);
        hashName(view, entry + DIRENT_HEAD, length, version, hashUnsigned, hashSeed, hash);
        const { major, minor } = hash;
        // `high` is odd where names with the hash below it stand on both sides.
        const inside = major >= low && major < high;
        if (!inside) verifyDirectory(false, this.directory, "hash of a name", major, "its leaf's");
        const key = (major / 2) * MINOR_UNITS + (minor >>> (HASH_BITS - MINOR_BITS));
        if (key >= this.cookie) this.keep(buffer, offset, key);
      }
      offset += DIRENT.recLen.get(view, entry);
    }
  }

  private keep(buffer: Buffer, offset: number, key: number): void {
    this.order.push(this.keys.length);
    this.buffers.push(buffer);
    this.offsets.push(offset);
    this.keys.push(key);
  }

  /** List up to `max` entries and forget them. Returns what is left of `max`; -1 if it was not
   * enough. */
  emit(batch: DirBatch, max: number): number {
    const { buffers, keys, offsets, order, volume } = this;
    const count = order.length;
    order.sort((a, b) => keys[a]! - keys[b]!);
    let left = max;
    let index = 0;
    while (index < count) {
      const key = keys[order[index]!]!;
      let end = index + 1;
      while (end < count && keys[order[end]!] === key) end++;
      if (end - index > left && (this.emitted || left === 0)) break;
      for (; index < end; index++) {
        const which = order[index]!;
        put(volume, buffers[which]!, offsets[which]!, key + 1, batch);
        left--;
      }
      this.emitted = true;
    }
    buffers.length = keys.length = offsets.length = order.length = 0;
    return index < count ? -1 : Math.max(left, 0);
  }
}

function put(
  volume: Volume,
  { at, view }: Buffer,
  offset: number,
  cookie: number,
  batch: DirBatch,
): void {
  const entry = at + offset;
  const ino = DIRENT.inode.get(view, entry) as Ino;
  batch.names.push(readName(view, entry + DIRENT_HEAD, DIRENT.nameLen.get(view, entry)));
  batch.inos.push(ino);
  batch.types.push(typeOf(volume, ino, DIRENT.fileType.get(view, entry)));
  batch.cookies.push(cookie);
}

/** Filled and read within one call. */
const codes: number[] = [];

/** One call of String makes one flat string: a third of the time of joining characters. */
function readName(view: DataView, at: number, length: number): Name {
  codes.length = length;
  for (let index = 0; index < length; index++) codes[index] = view.getUint8(at + index);
  return String.fromCharCode.apply(null, codes) as Name;
}

/** DT_*: what the entry says, or else what the inode is. */
function typeOf(volume: Volume, ino: Ino, fileType: number): number {
  if (volume.geometry.fileType) return direntTypeOf(fileType);
  const { at, buffer } = slotOf(volume, ino);
  return direntType(INODE.mode.get(buffer.view, buffer.at + at));
}
