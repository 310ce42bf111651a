/**
 * Pass 1: every inode that somebody could look at: its record, its blocks, its attributes.
 *
 * In use is what has links, what is reserved, and what is on the orphan list of an image that will
 * be recovered.
 */
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "@xiplab/core";
import { crcRaw, crcZeros, inodeSeed } from "../checksum.ts";
import { fileTypeOf } from "../format/dirent.ts";
import {
  COMPAT_RESIZE_INODE,
  INCOMPAT_64BIT,
  RO_COMPAT_LARGE_FILE,
  RO_COMPAT_QUOTA,
} from "../format/features.ts";
import * as f from "../format/inode.ts";
import { covers, I_BLOCK_AT, INODE, INODE_BASE_SIZE, INODE_EXTRA } from "../format/inode.ts";
import { BlockMap } from "./block-map.ts";
import type { Claims } from "./claims.ts";
import type { DirectoriesFound } from "./directories-found.ts";
import type { GroupTable } from "./groups.ts";
import type { Image } from "./image.ts";
import { type InodeFacts, KIND_NAMELESS, KIND_ORPHAN, KIND_USED } from "./inode-facts.ts";
import { checkResizeInode } from "./resize-inode.ts";
import type { SuperFacts } from "./superblock.ts";
import { Xattrs } from "./xattrs.ts";

const STRUCT = "ext4_inode";
const TWO_32 = 2 ** 32;
const SECTOR_SIZE = 512;
/** Larger files need a feature. */
const LARGE_FILE = 2 ** 31 - 1;
const INO_USER_QUOTA = 3;
const INO_GROUP_QUOTA = 4;
/** May hold a boot loader; nothing in Linux makes one. */
const INO_BOOT_LOADER = 5;
const TIMES = [
  { base: INODE.atime, high: INODE_EXTRA.atimeExtra, name: "atime" },
  { base: INODE.ctime, high: INODE_EXTRA.ctimeExtra, name: "ctime" },
  { base: INODE.mtime, high: INODE_EXTRA.mtimeExtra, name: "mtime" },
  { base: INODE_EXTRA.crtime, high: INODE_EXTRA.crtimeExtra, name: "crtime" },
] as const;
/** Compressed blocks, and inodes of AFS. */
const FL_COMPRBLK = 0x200;
const FL_IMAGIC = 0x2000;
/** Flags of features that no image has that is checked. */
const FOREIGN_FLAGS =
  f.FL_INLINE_DATA | f.FL_ENCRYPT | f.FL_CASEFOLD | f.FL_EA_INODE | FL_COMPRBLK | FL_IMAGIC;

/** Where the log begins, for those who check what is in it. */
export interface SpecialFile {
  /** Device block of its first block, 0 where it has none. */
  first: number;
  /** Blocks of the file. */
  length: number;
}

export class InodePass {
  readonly journal: SpecialFile = { first: 0, length: 0 };
  private readonly image: Image;
  private readonly groups: GroupTable;
  private readonly claims: Claims;
  private readonly facts: InodeFacts;
  private readonly directories: DirectoriesFound;
  private readonly map: BlockMap;
  private readonly xattrs: Xattrs;
  /** The orphan file, quota files: inodes that the superblock names and no directory. */
  private readonly namelessInos: readonly number[];
  private readonly lateTimes: boolean;

  constructor(
    image: Image,
    groups: GroupTable,
    claims: Claims,
    facts: InodeFacts,
    directories: DirectoriesFound,
    { namelessInos, lateTimes }: SuperFacts,
  ) {
    this.image = image;
    this.namelessInos = namelessInos;
    this.lateTimes = lateTimes;
    this.groups = groups;
    this.claims = claims;
    this.facts = facts;
    this.directories = directories;
    this.map = new BlockMap(image, claims);
    this.xattrs = new Xattrs(image, claims);
  }

  run(): void {
    for (let ino = 1; ino < this.image.geometry.firstIno; ino++) {
      if (ino !== f.INO_ROOT) this.facts.addKind(ino, KIND_USED | KIND_NAMELESS);
    }
    for (let group = 0; group < this.image.geometry.groupCount; group++) this.runGroup(group);
    this.xattrs.checkCounts();
  }

  private runGroup(group: number): void {
    const { image, groups } = this;
    const { inodesPerGroup, inodesPerBlock, inodeSize } = image.geometry;
    const table = groups.inodeTable[group]!;
    if (table === 0) return;
    const count = inodesPerGroup - groups.itableUnused[group]!;
    for (let index = 0; index < count; index += inodesPerBlock) {
      if (!image.open(table + index / inodesPerBlock)) continue;
      const { view, at } = image;
      const slots = Math.min(inodesPerBlock, count - index);
      for (let slot = 0; slot < slots; slot++) {
        const ino = group * inodesPerGroup + index + slot + 1;
        this.checkRecord(view, at + slot * inodeSize, ino);
      }
    }
  }

  private add(ino: number, field: string, found: string | number, expected: string | number): void {
    this.image.findings.add(STRUCT, `inode ${ino}`, field, found, expected);
  }

  private checkRecord(view: DataView, at: number, ino: number): void {
    const links = INODE.linksCount.get(view, at);
    const mode = INODE.mode.get(view, at);
    const reserved = ino < this.image.geometry.firstIno && ino !== f.INO_ROOT;
    const orphan = (this.facts.kindOf(ino) & KIND_ORPHAN) !== 0;
    // Most records beyond those in use are zeros: no checksum, nothing to see.
    if (links === 0 && mode === 0 && isZero(view, at, this.image.geometry.inodeSize)) return;
    this.checkChecksum(view, at, ino);
    if (links === 0 && !reserved && !orphan) {
      this.checkFree(view, at, ino, mode);
      return;
    }
    if (reserved) this.checkReserved(view, at, ino, mode);
    else this.checkUsed(view, at, ino, mode, links, orphan);
  }

  private checkFree(view: DataView, at: number, ino: number, mode: number): void {
    const dtime = INODE.dtime.get(view, at);
    if (mode === 0) return;
    if (dtime === 0) this.add(ino, "dtime", 0, "the time of its deletion");
    else if (this.lateTimes && dtime < this.image.geometry.inodeCount) {
      this.add(ino, "dtime", dtime, "the time of its deletion, not an orphan's next");
    }
  }

  private checkChecksum(view: DataView, at: number, ino: number): void {
    const { geometry } = this.image;
    if (!geometry.metadataCsum) return;
    const { csumSeed, inodeSize } = geometry;
    const seed = inodeSeed(csumSeed, ino, INODE.generation.get(view, at));
    const low = INODE.checksumLo.offset;
    let crc = crcZeros(crcRaw(seed, view, at, low), 2);
    const extra = inodeSize > INODE_BASE_SIZE ? INODE_EXTRA.extraIsize.get(view, at) : 0;
    const wide = inodeSize > INODE_BASE_SIZE && covers(extra, INODE_EXTRA.checksumHi);
    let found = INODE.checksumLo.get(view, at);
    if (wide) {
      const high = INODE_EXTRA.checksumHi.offset;
      crc = crcZeros(crcRaw(crc, view, at + low + 2, high - low - 2), 2);
      crc = crcRaw(crc, view, at + high + 2, inodeSize - high - 2);
      found += INODE_EXTRA.checksumHi.get(view, at) * 2 ** 16;
    } else {
      crc = crcRaw(crc, view, at + low + 2, inodeSize - low - 2) & 0xffff;
    }
    if (found !== crc) this.add(ino, "checksum", found, crc);
  }

  /** An inode with a name, or an orphan: everything. */
  private checkUsed(
    view: DataView,
    at: number,
    ino: number,
    mode: number,
    links: number,
    orphan: boolean,
  ): void {
    const type = fileTypeOf(mode);
    const nameless = links === 0 || this.namelessInos.includes(ino);
    this.facts.addKind(ino, KIND_USED | type | (nameless ? KIND_NAMELESS : 0));
    this.facts.setLinks(ino, links);
    const dtime = INODE.dtime.get(view, at);
    if (dtime !== 0 && !orphan) this.add(ino, "dtime", dtime, "0 of an inode in use");
    if (type === 0) {
      this.add(ino, "mode", mode, "a type that there is");
      return;
    }
    if (ino === f.INO_ROOT && (mode & S_IFMT) !== S_IFDIR) {
      this.add(ino, "mode", mode, "a directory at the root");
    }
    this.checkFields(view, at, ino, mode);
    const seed = inodeSeed(this.image.geometry.csumSeed, ino, INODE.generation.get(view, at));
    const attributeBlocks = this.checkXattrs(view, at, ino);
    this.checkContent(view, at, ino, mode, seed, attributeBlocks, orphan);
  }

  /** Fields that must have certain values, whatever the inode is. */
  private checkFields(view: DataView, at: number, ino: number, mode: number): void {
    const { geometry } = this.image;
    const flags = INODE.flags.get(view, at);
    this.checkForeign(ino, flags);
    if ((flags & f.FL_EXTENTS) !== 0 && !geometry.extents) {
      this.add(ino, "flags", flags, "no EXTENTS without the feature");
    }
    if (INODE.obsoleteFaddr.get(view, at) !== 0) {
      this.add(ino, "obsoleteFaddr", INODE.obsoleteFaddr.get(view, at), 0);
    }
    const aclHigh = INODE.fileAclHi.get(view, at);
    if (aclHigh !== 0 && (geometry.incompat & INCOMPAT_64BIT) === 0) {
      this.add(ino, "fileAclHi", aclHigh, "0 without 64bit");
    }
    if (!geometry.hugeFile && INODE.blocksHi.get(view, at) !== 0) {
      this.add(ino, "blocksHi", INODE.blocksHi.get(view, at), "0 without huge_file");
    }
    this.checkIndex(ino, flags, (mode & S_IFMT) === S_IFDIR);
    if (geometry.inodeSize > INODE_BASE_SIZE) this.checkExtra(view, at, ino);
  }

  private checkIndex(ino: number, flags: number, isDirectory: boolean): void {
    if ((flags & f.FL_INDEX) === 0 || (isDirectory && this.image.geometry.dirIndex)) return;
    this.add(ino, "flags", flags, "INDEX of directories alone, with dir_index");
  }

  private checkForeign(ino: number, flags: number): void {
    if ((flags & FOREIGN_FLAGS) === 0) return;
    this.add(ino, "flags", flags, "none of features that the image lacks");
  }

  private checkExtra(view: DataView, at: number, ino: number): void {
    const extra = INODE_EXTRA.extraIsize.get(view, at);
    const max = this.image.geometry.inodeSize - INODE_BASE_SIZE;
    if (extra !== 0 && (extra < 4 || extra > max || extra % 4 !== 0)) {
      this.add(ino, "extraIsize", extra, `4 n, 4 to ${max}`);
      return;
    }
    for (let index = 0; index < TIMES.length; index++) {
      const { base, high, name } = TIMES[index]!;
      if (!covers(extra, high)) continue;
      // Old kernels stored times before 1970 so: both epoch bits, and a negative base. Read as it
      // stands that is a time between 2310 and 2378, which e2fsck does not believe either.
      if ((high.get(view, at) & 3) !== 3 || base.get(view, at) < 2 ** 31) continue;
      this.add(
        ino,
        name,
        base.get(view, at),
        "no time between 2310 and 2378: likely one before 1970",
      );
    }
  }

  /** Returns the blocks that the inode has for attributes: 0 or 1. */
  private checkXattrs(view: DataView, at: number, ino: number): number {
    const { geometry } = this.image;
    const { inodeSize } = geometry;
    if (inodeSize > INODE_BASE_SIZE) {
      const extra = INODE_EXTRA.extraIsize.get(view, at);
      const room = inodeSize - INODE_BASE_SIZE;
      if (extra > 0 && extra <= room && extra % 4 === 0) {
        this.xattrs.checkBody(view, at + INODE_BASE_SIZE + extra, at + inodeSize, ino);
      }
    }
    const wide = (geometry.incompat & INCOMPAT_64BIT) !== 0;
    const high = wide ? INODE.fileAclHi.get(view, at) * TWO_32 : 0;
    const pblk = INODE.fileAclLo.get(view, at) + high;
    return pblk !== 0 && this.xattrs.checkBlock(pblk, ino) ? 1 : 0;
  }

  private checkContent(
    view: DataView,
    at: number,
    ino: number,
    mode: number,
    seed: number,
    attributeBlocks: number,
    orphan: boolean,
  ): void {
    const { map } = this;
    const type = mode & S_IFMT;
    const flags = INODE.flags.get(view, at);
    const size = sizeOf(view, at);
    const isDirectory = type === S_IFDIR;
    const { blockSize } = this.image.geometry;
    if (isDirectory) {
      const index = this.directories.add(ino, seed, flags, Math.ceil(size / blockSize));
      this.facts.setDirectory(ino, index);
    }
    map.reset(ino, seed, isDirectory ? this.directories : null);
    const isFast = type === S_IFLNK && size > 0 && size < f.I_BLOCK_SIZE;
    if (type === S_IFREG || isDirectory || (type === S_IFLNK && !isFast)) {
      if ((flags & f.FL_EXTENTS) !== 0) map.readExtents(view, at + I_BLOCK_AT);
      else this.readPointers(view, at, ino);
      if (isDirectory) this.checkDirectorySize(ino, size);
      else if (type === S_IFREG) this.checkFileSize(ino, size, flags, orphan);
    }
    if (type === S_IFLNK) this.checkSymlink(view, at, ino, size, flags, isFast);
    else if (type !== S_IFREG && !isDirectory) this.checkSpecial(view, at, ino, type, size, flags);
    this.checkBlockCount(view, at, ino, map.blocks + attributeBlocks, flags);
    if (ino === this.image.geometry.journalIno) this.noteJournal(ino, size);
  }

  private readPointers(view: DataView, at: number, ino: number): void {
    const block = at + I_BLOCK_AT;
    // The magic number and a header that could be: the flag is what is wrong.
    const looksLikeTree =
      this.image.geometry.extents &&
      view.getUint16(block, true) === 0xf30a &&
      view.getUint16(block + 4, true) === 4;
    if (looksLikeTree) this.add(ino, "flags", "no EXTENTS", "EXTENTS over an extent tree");
    else this.map.readPointers(view, block);
  }

  private noteJournal(ino: number, size: number): void {
    const { blockSize } = this.image.geometry;
    const { first, end } = this.map;
    if (size > end * blockSize) this.add(ino, "size", size, `at most ${end * blockSize}`);
    this.journal.first = first;
    this.journal.length = Math.min(end, Math.floor(size / blockSize));
  }

  private checkDirectorySize(ino: number, size: number): void {
    const { map } = this;
    const { blockSize } = this.image.geometry;
    if (map.end === 0) this.add(ino, "blocks", 0, "at least 1 of a directory");
    if (size % blockSize !== 0 || size !== map.end * blockSize) {
      if (map.sound) this.add(ino, "size", size, map.end * blockSize);
    }
  }

  private checkFileSize(ino: number, size: number, flags: number, orphan: boolean): void {
    const { map } = this;
    const { blockSize } = this.image.geometry;
    const extents = (flags & f.FL_EXTENTS) !== 0;
    const max = extents ? 2 ** 32 * blockSize : indirectSizeMax(blockSize);
    if (size > max) this.add(ino, "size", size, `at most ${max}`);
    if (size > LARGE_FILE && (this.image.geometry.roCompat & RO_COMPAT_LARGE_FILE) === 0) {
      this.add(ino, "size", size, `at most ${LARGE_FILE} without large_file`);
    }
    const last = map.endWritten - 1;
    // An orphan is waiting for its truncation.
    if (!orphan && last >= 0 && size < last * blockSize && (flags & f.FL_VERITY) === 0) {
      this.add(ino, "size", size, `at least ${last * blockSize + 1}, for block ${last}`);
    }
  }

  private checkSymlink(
    view: DataView,
    at: number,
    ino: number,
    size: number,
    flags: number,
    isFast: boolean,
  ): void {
    const { map, image } = this;
    const { blockSize } = image.geometry;
    if (size === 0 || size > blockSize) {
      this.add(ino, "size", size, `1 to ${blockSize} of a symbolic link`);
      return;
    }
    if (isFast) {
      if ((flags & f.FL_EXTENTS) !== 0) this.add(ino, "flags", flags, "no EXTENTS: a short link");
      this.checkTarget(view, at + I_BLOCK_AT, f.I_BLOCK_SIZE, ino, size);
    } else if (map.end !== 1 || map.runs > 1 || map.first === 0) {
      this.add(ino, "block", map.end, "one block of a symbolic link");
    } else if (image.open(map.first)) {
      this.checkTarget(image.view, image.at, blockSize, ino, size);
    }
  }

  private checkTarget(view: DataView, at: number, room: number, ino: number, size: number): void {
    let length = 0;
    while (length < room && view.getUint8(at + length) !== 0) length++;
    if (length !== size || length === room) {
      this.add(ino, "size", size, `${length}, the bytes of the target`);
    }
  }

  /** Device nodes, fifos, sockets: no blocks, no size. */
  private checkSpecial(
    view: DataView,
    at: number,
    ino: number,
    type: number,
    size: number,
    flags: number,
  ): void {
    const isDevice = type === S_IFCHR || type === S_IFBLK;
    if (size !== 0) this.add(ino, "size", size, 0);
    const wrong = flags & (f.FL_EXTENTS | f.FL_IMMUTABLE | f.FL_APPEND);
    if (wrong !== 0) this.add(ino, "flags", flags, "no EXTENTS, IMMUTABLE, APPEND");
    // A number in the old form stands in the first word, in the new one in the second.
    for (let word = isDevice ? 3 : 0; word < 15; word++) {
      const found = view.getUint32(at + I_BLOCK_AT + 4 * word, true);
      if (found !== 0) this.add(ino, `block[${word}]`, found, 0);
    }
  }

  private checkBlockCount(
    view: DataView,
    at: number,
    ino: number,
    blocks: number,
    flags: number,
  ): void {
    const { hugeFile, blockSize } = this.image.geometry;
    const high = hugeFile ? INODE.blocksHi.get(view, at) * TWO_32 : 0;
    const found = INODE.blocksLo.get(view, at) + high;
    const inBlocks = hugeFile && (flags & f.FL_HUGE_FILE) !== 0;
    const expected = inBlocks ? blocks : blocks * (blockSize / SECTOR_SIZE);
    if (found !== expected) this.add(ino, "blocks", found, expected);
  }

  /** Inodes below firstIno but the root: in use whatever they say. */
  private checkReserved(view: DataView, at: number, ino: number, mode: number): void {
    const { image, map } = this;
    const { geometry } = image;
    const flags = INODE.flags.get(view, at);
    const seed = inodeSeed(geometry.csumSeed, ino, INODE.generation.get(view, at));
    const isUsed = this.isSpecial(ino);
    this.checkForeign(ino, flags);
    this.checkIndex(ino, flags, false);
    if (isUsed) {
      if (mode >>> 12 !== S_IFREG >>> 12) this.add(ino, "mode", mode, "a regular file");
      if (INODE.linksCount.get(view, at) === 0) this.add(ino, "linksCount", 0, 1);
    } else if (ino !== INO_BOOT_LOADER || mode >>> 12 !== S_IFREG >>> 12) {
      this.checkUnused(view, at, ino);
    }
    const dtime = INODE.dtime.get(view, at);
    if (dtime !== 0) this.add(ino, "dtime", dtime, "0 of an inode that is reserved");
    if (geometry.inodeSize > INODE_BASE_SIZE) this.checkExtra(view, at, ino);
    const attributeBlocks = this.checkXattrs(view, at, ino);
    map.reset(ino, seed, null);
    if (ino === f.INO_RESIZE) {
      checkResizeInode(image, this.claims, map, view, at);
    } else if ((flags & f.FL_EXTENTS) !== 0) {
      map.readExtents(view, at + I_BLOCK_AT);
    } else {
      map.readPointers(view, at + I_BLOCK_AT);
    }
    this.checkBlockCount(view, at, ino, map.blocks + attributeBlocks, flags);
    const size = sizeOf(view, at);
    if (isUsed) this.checkFileSize(ino, size, flags, false);
    if (ino === geometry.journalIno && geometry.hasJournal) this.noteJournal(ino, size);
  }

  /** Does the format use the reserved inode? */
  private isSpecial(ino: number): boolean {
    const { geometry } = this.image;
    if (ino === f.INO_RESIZE) return (geometry.compat & COMPAT_RESIZE_INODE) !== 0;
    if (ino === geometry.journalIno) return geometry.hasJournal;
    const quotas = (geometry.roCompat & RO_COMPAT_QUOTA) !== 0;
    return quotas && (ino === INO_USER_QUOTA || ino === INO_GROUP_QUOTA);
  }

  /** A reserved inode that nothing uses says nothing (inode 1 may list bad blocks). */
  private checkUnused(view: DataView, at: number, ino: number): void {
    const fields = ["mode", "uidLo", "uidHi", "gidLo", "gidHi", "linksCount"] as const;
    for (const name of fields) {
      const found = INODE[name].get(view, at);
      if (found !== 0) this.add(ino, name, found, "0 of a reserved inode");
    }
    const size = sizeOf(view, at);
    if (size !== 0 && ino !== f.INO_BAD_BLOCKS) this.add(ino, "size", size, 0);
  }
}

const sizeOf = (view: DataView, at: number): number =>
  INODE.sizeLo.get(view, at) + INODE.sizeHi.get(view, at) * TWO_32;

/** HOT. */
function isZero(view: DataView, at: number, length: number): boolean {
  for (let byte = at; byte < at + length; byte += 4) {
    if (view.getUint32(byte, true) !== 0) return false;
  }
  return true;
}

/** Most bytes that pointers reach, and i_blocks counts. */
function indirectSizeMax(blockSize: number): number {
  const perBlock = blockSize / 4;
  return (12 + perBlock + perBlock ** 2 + perBlock ** 3) * blockSize;
}
