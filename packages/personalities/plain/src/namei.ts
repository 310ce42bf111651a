/**
 * Names.
 *
 *   create, link   record and name → fence → head word → fence, COMMIT POINT
 *   unlink         no head word → fence, COMMIT POINT → record
 *   rename         name → fence → intent → fence, COMMIT POINT → head words → fence → no intent
 *
 * In between a power cut may leave a link count or a parent that is not right, or an inode without
 * a name. The names say what is right; recovery mends the rest.
 */
import { assert, CTIME, type DirBatch, direntType, type FileSystem, FsError } from "@xiplab/core";
import { type Ino, isDirectory, MTIME, type Name, NAME_MAX, nameFromBytes } from "@xiplab/core";
import { type NewInode, NO_INO, PURPOSE_METADATA, type StatFs, storeWordPair } from "@xiplab/core";
import type { Word } from "@xiplab/core";
import { type Directory, encodeName, readDirectory } from "./dir.ts";
import { tailOf, UNIT_SIZE, UNITS_PER_BLOCK } from "./format/dirent.ts";
import { ROOT_INO } from "./format/inode.ts";
import { CLEAN, INTENT_AT, MAGIC, STATE_AT } from "./format/superblock.ts";
import { BLOCK_SIZE, pblkToDevByte } from "./geometry.ts";
import { PlainInodes } from "./ialloc.ts";
import { flushInode, type PlainInode } from "./inode.ts";

/** The vfs does not call it: see the capabilities. */
function noXattrs(): never {
  throw new FsError("EOPNOTSUPP");
}

export class PlainFileSystem extends PlainInodes implements FileSystem {
  readonly rootIno = ROOT_INO;
  readonly linkMax = 65_000;
  readonly getxattr = noXattrs;
  readonly setxattr = noXattrs;
  readonly listxattr = (): Name[] => [];

  lookup(directory: PlainInode, name: Name): Ino {
    return this.index(directory).names.get(name)?.ino ?? NO_INO;
  }

  parentOf(directory: PlainInode): Ino {
    return directory.parentIno as Ino;
  }

  create(directory: PlainInode, name: Name, attributes: NewInode): PlainInode {
    const unit = this.place(directory, name);
    const inode = this.newInode(directory, attributes, 1);
    this.enter(directory, name, inode, unit);
    if (isDirectory(inode.mode)) this.addLinks(directory, 1);
    return inode;
  }

  link(directory: PlainInode, name: Name, inode: PlainInode): void {
    const unit = this.place(directory, name);
    inode.nlink++;
    inode.touch(CTIME, this.clock);
    flushInode(this.device, this.sb.seed, inode);
    this.enter(directory, name, inode, unit);
  }

  unlink(directory: PlainInode, name: Name, inode: PlainInode): void {
    const dirent = this.index(directory).names.get(name);
    assert(dirent?.ino === inode.ino, "the name leads to the inode");
    // COMMIT POINT: the name is gone.
    this.setWord(directory, name, dirent.unit, null);
    this.dropLink(directory, inode);
  }

  rename(
    oldDirectory: PlainInode,
    oldName: Name,
    newDirectory: PlainInode,
    newName: Name,
    inode: PlainInode,
    displaced: PlainInode | null,
    exchange: boolean,
  ): void {
    const source = this.index(oldDirectory).names.get(oldName);
    const target = this.index(newDirectory).names.get(newName);
    assert(source?.ino === inode.ino, "the old name leads to the inode");
    assert(target?.ino === displaced?.ino, "the new name leads to what is displaced");
    const unit = target?.unit ?? this.place(newDirectory, newName);
    // A new name is durable before the intent that leads to it.
    if (target === undefined) this.device.fence();
    const back = exchange ? displaced : null;
    const oldWord = this.word(oldDirectory, oldName, source.unit, back);
    const newWord = this.word(newDirectory, newName, unit, inode);
    // COMMIT POINT: both words, or none.
    storeWordPair(this.device, INTENT_AT, [oldWord, newWord], PURPOSE_METADATA);
    this.counters.transactions++;
    this.index(oldDirectory).put(oldName, source.unit, oldWord.low, oldWord.high);
    this.index(newDirectory).put(newName, unit, newWord.low, newWord.high);
    this.touch(inode, CTIME);
    if (back !== null) this.touch(back, CTIME);
    for (const directory of [oldDirectory, newDirectory]) this.touch(directory, MTIME | CTIME);
    if (displaced !== null && back === null) this.dropLink(newDirectory, displaced);
    this.reparent(inode, oldDirectory, newDirectory);
    if (back !== null) this.reparent(back, newDirectory, oldDirectory);
  }

  readdir(directory: PlainInode, cookie: number, batch: DirBatch, max: number): boolean {
    const { units } = this.index(directory);
    const { cookies, inos, names, types } = batch;
    let left = max;
    for (let unit = cookie; unit < units.length; unit++) {
      const dirent = units[unit];
      if (dirent?.unit !== unit) continue;
      if (left-- === 0) return true;
      names.push(dirent.name);
      inos.push(dirent.ino);
      types.push(dirent.type);
      cookies.push(unit + 1);
    }
    return false;
  }

  isEmpty(directory: PlainInode): boolean {
    return this.index(directory).names.size === 0;
  }

  readlink(inode: PlainInode): Name {
    const at = pblkToDevByte(inode.extents.map(0));
    return nameFromBytes(this.device.directAccess(at, inode.size));
  }

  statfs(): StatFs {
    return {
      type: MAGIC,
      blockSize: BLOCK_SIZE,
      blocks: this.sb.blocks - this.sb.dataStart,
      blocksFree: this.balloc.free,
      blocksAvailable: Math.max(0, this.balloc.available),
      files: this.sb.inodes,
      filesFree: this.sb.inodes - this.inodesEnd + this.inodesFree.length,
      nameMax: NAME_MAX,
    };
  }

  sync(): void {
    for (const inode of this.lazy) this.fsync(inode, false);
    this.lazy.clear();
    this.device.fence();
  }

  unmount(): void {
    if (this.readOnly) return;
    this.sync();
    this.device.storeU64(STATE_AT, CLEAN, this.inodesEnd, PURPOSE_METADATA);
    this.device.persist(STATE_AT, 8);
  }

  private index(directory: PlainInode): Directory {
    return (directory.index ??= readDirectory(this.device, this.sb, directory));
  }

  /** Put a name where it has room, without its head word, and flush it. Returns its first unit. */
  private place(directory: PlainInode, name: Name): number {
    const index = this.index(directory);
    if (index.place(name) < 0) {
      const lblk = index.units.length / UNITS_PER_BLOCK;
      this.change(directory, directory.diskSize + BLOCK_SIZE, () => {
        this.fillHole(directory, lblk, lblk + 1, false);
        this.zero(directory, lblk, lblk + 1);
        directory.extents.convert(lblk, lblk + 1, false);
      });
      index.units.length += UNITS_PER_BLOCK;
    }
    const unit = index.place(name);
    const { at } = this.word(directory, name, unit, null);
    const bytes = encodeName(name);
    this.device.store(at, bytes, 0, bytes.length, PURPOSE_METADATA);
    this.device.flush(at, bytes.length);
    return unit;
  }

  /** Have a name that was placed lead to an inode that was flushed. */
  private enter(directory: PlainInode, name: Name, inode: PlainInode, unit: number): void {
    // Inode and name are durable before the head word leads to them.
    this.device.fence();
    // COMMIT POINT: the name is there.
    this.setWord(directory, name, unit, inode);
  }

  private setWord(directory: PlainInode, name: Name, unit: number, to: PlainInode | null): void {
    const { at, low, high } = this.word(directory, name, unit, to);
    this.device.storeU64(at, low, high, PURPOSE_METADATA);
    this.device.persist(at, 8);
    this.counters.transactions++;
    this.index(directory).put(name, unit, low, high);
    this.touch(directory, MTIME | CTIME);
  }

  /** The head word of a name that leads to `to`, and its place. */
  private word(directory: PlainInode, name: Name, unit: number, to: PlainInode | null): Word {
    const pblk = directory.extents.map(Math.floor(unit / UNITS_PER_BLOCK));
    const at = pblkToDevByte(pblk) + (unit % UNITS_PER_BLOCK) * UNIT_SIZE;
    if (to === null) return { at, low: NO_INO, high: 0 };
    return { at, low: to.ino, high: tailOf(name.length, direntType(to.mode)) };
  }

  private touch(inode: PlainInode, which: number): void {
    inode.touch(which, this.clock);
    this.lazy.add(inode);
  }

  /** A name of `inode` in `directory` is gone. Without any it is freed when nobody uses it. */
  private dropLink(directory: PlainInode, inode: PlainInode): void {
    inode.touch(CTIME, this.clock);
    inode.nlink = isDirectory(inode.mode) ? 0 : inode.nlink - 1;
    if (inode.nlink > 0) this.updateInode(inode);
    if (isDirectory(inode.mode)) this.addLinks(directory, -1);
  }

  private addLinks(directory: PlainInode, by: number): void {
    directory.nlink += by;
    this.updateInode(directory);
  }

  private reparent(inode: PlainInode, from: PlainInode, to: PlainInode): void {
    if (from === to || !isDirectory(inode.mode)) return;
    inode.parentIno = to.ino;
    this.updateInode(inode);
    this.addLinks(from, -1);
    this.addLinks(to, 1);
  }
}
