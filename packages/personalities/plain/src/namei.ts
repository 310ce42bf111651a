/**
 * Names, and what else a file system does with whole inodes.
 *
 *   create, link   record and name → fence → head word → fence, COMMIT POINT
 *   unlink         no head word → fence, COMMIT POINT → record
 *   rename         name → fence → intent → fence, COMMIT POINT → head words → fence → no intent
 *
 * In between a power cut may leave a link count or a parent that is not right, or an inode without
 * a name. The names say what is right; recovery mends the rest.
 */
import { assert, ATIME, CTIME, type DevByte, type DirBatch, direntType } from "@xiplab/core";
import { FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE } from "@xiplab/core";
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE } from "@xiplab/core";
import { type FileSystem, FsError, type Ino, isDirectory, MTIME, type Name } from "@xiplab/core";
import { NAME_MAX, nameFromBytes, nameToBytes, type NewInode, NO_INO } from "@xiplab/core";
import { PURPOSE_DATA, PURPOSE_METADATA, type StatFs } from "@xiplab/core";
import { type Directory, readDirectory } from "./dir.ts";
import { tailOf, UNIT_NAME, UNIT_SIZE, UNITS_PER_BLOCK, unitsOf } from "./format/dirent.ts";
import { ROOT_INO } from "./format/inode.ts";
import { CLEAN, MAGIC, STATE_AT } from "./format/superblock.ts";
import { BLOCK_SIZE, corrupt, LBLK_MAX, pblkToDevByte } from "./geometry.ts";
import { flushRecord, type PlainInode, readInode } from "./inode.ts";
import { storeWords, type Word } from "./intent.ts";
import { PlainMapping } from "./map.ts";

const XATTRS = "plain has no place for extended attributes";

export class PlainFileSystem extends PlainMapping implements FileSystem {
  readonly rootIno = ROOT_INO;
  readonly linkMax = 65_000;
  /** Inodes with times that are newer in memory, and inodes without a name. */
  private readonly lazy = new Set<PlainInode>();
  private readonly orphans = new Set<PlainInode>();

  lookup(directory: PlainInode, name: Name): Ino {
    return this.index(directory).names.get(name)?.ino ?? NO_INO;
  }

  parentOf(directory: PlainInode): Ino {
    return directory.parentIno;
  }

  create(directory: PlainInode, name: Name, attributes: NewInode): PlainInode {
    const unit = this.place(directory, name);
    const inode = this.newInode(directory, attributes, 1);
    this.enter(directory, name, inode, unit);
    if (isDirectory(inode.mode)) this.addLinks(directory, 1);
    return inode;
  }

  tmpfile(directory: PlainInode, attributes: NewInode): PlainInode {
    const inode = this.newInode(directory, attributes, 0);
    this.orphans.add(inode);
    return inode;
  }

  link(directory: PlainInode, name: Name, inode: PlainInode): void {
    const unit = this.place(directory, name);
    inode.nlink++;
    inode.touch(CTIME, this.clock);
    flushRecord(this.device, this.sb, inode);
    this.enter(directory, name, inode, unit);
    this.orphans.delete(inode);
  }

  unlink(directory: PlainInode, name: Name, inode: PlainInode): void {
    const { device } = this;
    const index = this.index(directory);
    const dirent = index.names.get(name);
    assert(dirent?.ino === inode.ino, "the name leads to the inode");
    const at = this.unitToDevByte(directory, dirent.unit);
    device.storeU64(at, 0, 0, PURPOSE_METADATA);
    // COMMIT POINT: the name is gone.
    device.persist(at, 8);
    this.counters.transactions++;
    index.remove(dirent);
    this.touch(directory, MTIME | CTIME);
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
    const old = this.index(oldDirectory).names.get(oldName);
    assert(old?.ino === inode.ino, "the old name leads to the inode");
    const target = this.index(newDirectory).names.get(newName);
    assert(target?.ino === displaced?.ino, "the new name leads to what is displaced");
    const unit = target?.unit ?? this.place(newDirectory, newName);
    // A new name is durable before an intent leads to it.
    this.device.fence();
    const back = exchange ? displaced : null;
    storeWords(this.device, [
      this.word(oldDirectory, old.unit, oldName, back),
      this.word(newDirectory, unit, newName, inode),
    ]);
    this.counters.transactions++;
    this.index(oldDirectory).remove(old);
    if (target !== undefined) this.index(newDirectory).remove(target);
    if (back !== null)
      this.index(oldDirectory).put(oldName, back.ino, direntType(back.mode), old.unit);
    this.index(newDirectory).put(newName, inode.ino, direntType(inode.mode), unit);
    this.touch(inode, CTIME);
    if (back !== null) this.touch(back, CTIME);
    this.touch(oldDirectory, MTIME | CTIME);
    this.touch(newDirectory, MTIME | CTIME);
    if (displaced !== null && !exchange) this.dropLink(newDirectory, displaced);
    this.reparent(inode, oldDirectory, newDirectory);
    if (back !== null) this.reparent(back, newDirectory, oldDirectory);
  }

  readdir(directory: PlainInode, cookie: number, batch: DirBatch, max: number): boolean {
    const { units } = this.index(directory);
    let left = max;
    for (let unit = cookie; unit < units.length; unit++) {
      const dirent = units[unit]!;
      if (dirent === null || dirent.unit !== unit) continue;
      if (left-- === 0) return true;
      batch.names.push(dirent.name);
      batch.inos.push(dirent.ino);
      batch.types.push(dirent.type);
      batch.cookies.push(unit + 1);
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

  truncate(inode: PlainInode, size: number): void {
    const end = Math.ceil(size / BLOCK_SIZE);
    this.change(inode, size, () => inode.extents.remove(end, LBLK_MAX, this.balloc));
    inode.resize(size);
  }

  fallocate(inode: PlainInode, mode: number, pos: number, length: number): void {
    const { balloc } = this;
    const { diskSize, extents } = inode;
    const first = Math.floor(pos / BLOCK_SIZE);
    const end = Math.ceil((pos + length) / BLOCK_SIZE);
    if (mode === FALLOC_FL_COLLAPSE_RANGE || mode === FALLOC_FL_INSERT_RANGE) {
      const by = mode === FALLOC_FL_INSERT_RANGE ? end - first : first - end;
      const size = inode.size + by * BLOCK_SIZE;
      this.change(inode, size, () => {
        if (by < 0) extents.remove(first, end, balloc);
        extents.shift(by < 0 ? end : first, by);
      });
      return inode.resize(size);
    }
    const keep = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
    const size = keep ? diskSize : Math.max(diskSize, pos + length);
    const kind = mode & ~FALLOC_FL_KEEP_SIZE;
    if ((kind & ~(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) !== 0)
      throw new FsError("EOPNOTSUPP");
    this.change(inode, size, () => {
      if (kind === FALLOC_FL_PUNCH_HOLE) return extents.remove(first, end, balloc);
      for (let at = first; at < end;) {
        const extent = extents.at(extents.find(at));
        if (extent.lblk <= at) at = extent.lblk + extent.length;
        else at = this.fillHole(inode, at, Math.min(end, extent.lblk), true);
      }
      if (kind === FALLOC_FL_ZERO_RANGE) extents.convert(first, end, true);
    });
  }

  updateInode(inode: PlainInode): void {
    this.commit(inode);
  }

  fsync(inode: PlainInode, datasync: boolean): void {
    if (inode.timesDirty && !datasync) this.commit(inode);
  }

  evict(inode: PlainInode): void {
    this.orphans.delete(inode);
    this.lazy.delete(inode);
    if (inode.nlink > 0) return this.fsync(inode, false);
    this.change(inode, 0, () => {
      inode.extents.remove(0, LBLK_MAX, this.balloc);
      inode.mode = 0;
    });
    this.ialloc.free.push(inode.ino);
  }

  getxattr(): Uint8Array | null {
    throw new FsError("EOPNOTSUPP", XATTRS);
  }
  setxattr(): void {
    throw new FsError("EOPNOTSUPP", XATTRS);
  }
  listxattr(): Name[] {
    return [];
  }

  statfs(): StatFs {
    const { balloc, ialloc, sb } = this;
    return {
      type: MAGIC,
      blockSize: BLOCK_SIZE,
      blocks: sb.blocks - sb.dataStart,
      blocksFree: balloc.free,
      blocksAvailable: balloc.available,
      files: sb.inodes,
      filesFree: ialloc.free.length + sb.inodes - ialloc.end,
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
    for (const inode of this.orphans) this.evict(inode);
    this.sync();
    this.balloc.save(this.device);
    // The bitmap is durable before the flag that has it trusted.
    this.device.fence();
    this.device.storeU64(STATE_AT, CLEAN, this.ialloc.end, PURPOSE_METADATA);
    this.device.persist(STATE_AT, 8);
  }

  private index(directory: PlainInode): Directory {
    directory.index ??= readDirectory(this.device, this.sb, directory);
    return directory.index;
  }

  private unitToDevByte(directory: PlainInode, unit: number): DevByte {
    const pblk = directory.extents.map(Math.floor(unit / UNITS_PER_BLOCK));
    return (pblkToDevByte(pblk) + (unit % UNITS_PER_BLOCK) * UNIT_SIZE) as DevByte;
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
      index.grow();
    }
    const unit = index.place(name);
    const bytes = new Uint8Array(unitsOf(name.length) * UNIT_SIZE);
    for (let at = 0; at < name.length; at++) {
      const from = Math.floor(at / UNIT_NAME) * UNIT_SIZE + 8;
      bytes[from + (at % UNIT_NAME)] = name.charCodeAt(at);
    }
    const at = this.unitToDevByte(directory, unit);
    this.device.store(at, bytes, 0, bytes.length, PURPOSE_METADATA);
    this.device.flush(at, bytes.length);
    return unit;
  }

  /** Make a name that was placed lead to an inode that was flushed. */
  private enter(directory: PlainInode, name: Name, inode: PlainInode, unit: number): void {
    const { at, ino, tail } = this.word(directory, unit, name, inode);
    // The inode and the name are durable before the head word leads to them.
    this.device.fence();
    this.device.storeU64(at, ino, tail, PURPOSE_METADATA);
    // COMMIT POINT: the name is there.
    this.device.persist(at, 8);
    this.counters.transactions++;
    this.index(directory).put(name, inode.ino, direntType(inode.mode), unit);
    this.touch(directory, MTIME | CTIME);
  }

  private word(directory: PlainInode, unit: number, name: Name, inode: PlainInode | null): Word {
    const at = this.unitToDevByte(directory, unit);
    if (inode === null) return { at, ino: 0, tail: 0 };
    return { at, ino: inode.ino, tail: tailOf(name.length, direntType(inode.mode)) };
  }

  /** A new inode, flushed. A symbolic link has its target in a block. */
  private newInode(directory: PlainInode, attributes: NewInode, nlink: number): PlainInode {
    const { balloc, clock, device, ialloc, sb } = this;
    const { target } = attributes;
    if (target !== undefined && balloc.available === 0) throw new FsError("ENOSPC");
    const ino = ialloc.allocate();
    const inode = readInode(device, sb, ino, false);
    if (inode.mode !== 0) corrupt("plain inode", `inode ${ino}`, "mode", inode.mode, 0);
    inode.generation = (inode.generation + 1) >>> 0;
    inode.mode = attributes.mode;
    inode.uid = attributes.uid;
    inode.gid = attributes.gid;
    inode.rdev = attributes.rdev;
    inode.nlink = isDirectory(inode.mode) ? 2 : nlink;
    if (isDirectory(inode.mode)) inode.parentIno = directory.ino;
    inode.touch(ATIME | MTIME | CTIME, clock);
    inode.btimeSec = inode.ctimeSec;
    inode.btimeNsec = inode.ctimeNsec;
    if (target !== undefined) {
      this.fillHole(inode, 0, 1, false);
      inode.extents.convert(0, 1, false);
      const at = pblkToDevByte(inode.extents.map(0));
      device.storeNonTemporal(at, nameToBytes(target), 0, target.length, PURPOSE_DATA);
      inode.resize(target.length);
      inode.blocks = balloc.commit();
    }
    flushRecord(this.device, this.sb, inode);
    return inode;
  }

  private touch(inode: PlainInode, which: number): void {
    inode.touch(which, this.clock);
    this.lazy.add(inode);
  }

  /** A name of `inode` in `directory` is gone. */
  private dropLink(directory: PlainInode, inode: PlainInode): void {
    this.touch(inode, CTIME);
    inode.nlink = isDirectory(inode.mode) ? 0 : inode.nlink - 1;
    if (isDirectory(inode.mode)) this.addLinks(directory, -1);
    // An inode without a name is freed when the last reference goes, or by recovery.
    if (inode.nlink === 0) this.orphans.add(inode);
    else this.commit(inode);
  }

  private addLinks(directory: PlainInode, by: number): void {
    directory.nlink += by;
    this.commit(directory);
  }

  private reparent(inode: PlainInode, from: PlainInode, to: PlainInode): void {
    if (from === to || !isDirectory(inode.mode)) return;
    inode.parentIno = to.ino;
    this.commit(inode);
    this.addLinks(from, -1);
    this.addLinks(to, 1);
  }
}
