/**
 * Everything in an image that has fields, found by walking it: for mutations, one field at a time.
 * The image must be sound.
 */
import { type Layout, layoutOf, type Struct } from "@xiplab/core";
import { crcRaw, crcU64, crcZeros, inodeSeed } from "../../checksum.ts";
import { DIR_TAIL, DIR_TAIL_SIZE, DIRENT } from "../../format/dirent.ts";
import * as e from "../../format/extent.ts";
import * as gd from "../../format/group-descriptor.ts";
import * as h from "../../format/htree.ts";
import * as i from "../../format/inode.ts";
import { JBD2_SUPERBLOCK, JBD2_SUPERBLOCK_SIZE } from "../../format/jbd2.ts";
import { ORPHAN_TAIL, ORPHAN_TAIL_SIZE } from "../../format/orphan-file.ts";
import { SUPERBLOCK, SUPERBLOCK_AT } from "../../format/superblock.ts";
import * as x from "../../format/xattr.ts";
import { Geometry } from "../../geometry.ts";

/** Puts the checksums of a structure right. Returns what it wrote to, as [byte, length]. */
export type Mend = () => Array<readonly [at: number, length: number]>;

/** One field somewhere in the image. */
export interface Target {
  /** Structure and field: "ext4_inode.mode". */
  readonly name: string;
  readonly at: number;
  readonly size: number;
  readonly mend: Mend;
}

const NO_MEND: Mend = () => [];

export class Structures {
  readonly targets: Target[] = [];
  readonly view: DataView;
  readonly geometry: Geometry;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.view = new DataView(bytes.buffer);
    this.geometry = new Geometry(this.view, SUPERBLOCK_AT);
    this.table(SUPERBLOCK, SUPERBLOCK_AT, this.mendSuper);
    for (let group = 0; group < this.geometry.groupCount; group++) this.addGroup(group);
    const { groupCount, inodesPerGroup } = this.geometry;
    for (let ino = 1; ino <= groupCount * inodesPerGroup; ino++) this.addInode(ino);
  }

  /** The fields of a table at `at`. */
  private table(struct: Struct<object>, at: number, mend: Mend, suffix = "", from = 0): void {
    const layout: Layout = layoutOf(struct);
    for (const [name, field] of layout.fields) {
      if (field.type === "pad" || field.offset < from) continue;
      const target = `${layout.name}${suffix}.${name}`;
      this.field(target, at + field.offset, field.size, mend);
    }
  }

  private field(name: string, at: number, size: number, mend: Mend): void {
    this.targets.push({ name, at, size, mend });
  }

  private u32(at: number, value: number, bigEndian = false): readonly [number, number] {
    this.view.setUint32(at, value, !bigEndian);
    return [at, 4];
  }

  private readonly mendSuper: Mend = () => {
    if (!this.geometry.metadataCsum) return [];
    const at = SUPERBLOCK_AT + SUPERBLOCK.checksum.offset;
    return [this.u32(at, crcRaw(0xffffffff, this.view, SUPERBLOCK_AT, 0x3fc))];
  };

  private descAt(group: number): number {
    const { geometry } = this;
    return geometry.descBlock(group) * geometry.blockSize + geometry.descOffset(group);
  }

  private addGroup(group: number): void {
    const { geometry, view } = this;
    const at = this.descAt(group);
    const wide = geometry.descSize >= 64;
    const mend: Mend = () => {
      if (!geometry.gdtCsum) return [];
      gd.GROUP_DESC.checksum.set(view, at, gd.groupDescChecksum(geometry, view, at, group));
      return [[at, geometry.descSize]];
    };
    this.table(gd.GROUP_DESC, at, mend);
    if (wide) this.table(gd.GROUP_DESC_HIGH, at, mend, "", 32);
    this.addBitmap(
      "block bitmap",
      gd.blockBitmapOf(geometry, view, at),
      (crc) => {
        gd.setBlockBitmapCsum(geometry, view, at, crc);
        return mend();
      },
      geometry.blocksPerGroup / 8,
    );
    this.addBitmap(
      "inode bitmap",
      gd.inodeBitmapOf(geometry, view, at),
      (crc) => {
        gd.setInodeBitmapCsum(geometry, view, at, crc);
        return mend();
      },
      geometry.inodesPerGroup / 8,
    );
  }

  private addBitmap(
    name: string,
    pblk: number,
    store: (crc: number) => ReturnType<Mend>,
    length: number,
  ): void {
    const { geometry, view } = this;
    const at = pblk * geometry.blockSize;
    const mend: Mend = () =>
      geometry.metadataCsum ? store(crcRaw(geometry.csumSeed, view, at, length)) : [];
    for (let byte = 0; byte < length; byte += 16) this.field(`${name}.bits`, at + byte, 1, mend);
    for (let byte = length; byte < geometry.blockSize; byte += 64) {
      this.field(`${name}.padding`, at + byte, 1, mend);
    }
  }

  private addInode(ino: number): void {
    const { geometry, view } = this;
    const group = geometry.groupOfIno(ino);
    const index = (ino - 1) % geometry.inodesPerGroup;
    const table = gd.inodeTableOf(geometry, view, this.descAt(group));
    const at = table * geometry.blockSize + index * geometry.inodeSize;
    const mode = i.INODE.mode.get(view, at);
    if (mode === 0 && ino >= geometry.firstIno) return;
    const links = i.INODE.linksCount.get(view, at);
    const mend: Mend = () => this.mendInode(at, ino);
    const own = [i.INO_BAD_BLOCKS, i.INO_ROOT, i.INO_RESIZE, i.INO_JOURNAL].includes(ino);
    const reserved = own ? ` (${ino})` : " (reserved)";
    const special = ino < geometry.firstIno ? reserved : links === 0 ? " (free)" : "";
    this.table(i.INODE, at, mend, special);
    if (geometry.inodeSize > 128) this.table(i.INODE_EXTRA, at, mend, special, 128);
    if (links === 0) return;
    this.addXattrs(at, mend);
    this.addBlocks(ino, at, mode, mend);
  }

  private mendInode(at: number, ino: number): ReturnType<Mend> {
    const { geometry, view } = this;
    if (!geometry.metadataCsum) return [];
    const { inodeSize } = geometry;
    const extra = inodeSize > 128 ? i.INODE_EXTRA.extraIsize.get(view, at) : 0;
    i.INODE.checksumLo.set(view, at, 0);
    if (extra >= 4) i.INODE_EXTRA.checksumHi.set(view, at, 0);
    const seed = inodeSeed(geometry.csumSeed, ino, i.INODE.generation.get(view, at));
    const crc = crcRaw(seed, view, at, inodeSize);
    i.INODE.checksumLo.set(view, at, crc & 0xffff);
    if (extra >= 4) i.INODE_EXTRA.checksumHi.set(view, at, crc >>> 16);
    return [[at, inodeSize]];
  }

  private addXattrs(at: number, mend: Mend): void {
    const { geometry, view } = this;
    const { blockSize } = geometry;
    if (geometry.inodeSize > 128) {
      const body = at + 128 + i.INODE_EXTRA.extraIsize.get(view, at);
      if (x.XATTR_BODY_HEADER.magic.get(view, body) === x.XATTR_MAGIC) {
        this.table(x.XATTR_BODY_HEADER, body, mend);
        this.addXattrEntries(body + 4, " (inode)", mend);
      }
    }
    const pblk = i.INODE.fileAclLo.get(view, at);
    if (pblk === 0) return;
    const start = pblk * blockSize;
    const mendBlock: Mend = () => {
      if (!geometry.metadataCsum) return [];
      const head = crcRaw(crcU64(geometry.csumSeed, pblk), view, start, 0x10);
      const crc = crcRaw(crcZeros(head, 4), view, start + 0x14, blockSize - 0x14);
      return [this.u32(start + 0x10, crc)];
    };
    this.table(x.XATTR_HEADER, start, mendBlock);
    this.addXattrEntries(start + x.XATTR_HEADER_SIZE, "", mendBlock);
  }

  private addXattrEntries(first: number, suffix: string, mend: Mend): void {
    const { view } = this;
    for (let at = first; view.getUint32(at, true) !== 0;) {
      this.table(x.XATTR_ENTRY, at, mend, suffix);
      this.field(`ext4_xattr_entry${suffix}.name`, at + x.XATTR_ENTRY_SIZE, 1, mend);
      at += x.XATTR_ENTRY_SIZE + x.padded(x.XATTR_ENTRY.nameLength.get(view, at));
    }
  }

  private addBlocks(ino: number, at: number, mode: number, mend: Mend): void {
    const { geometry, view } = this;
    const block = at + i.I_BLOCK_AT;
    for (let word = 0; word < 15; word++) {
      this.field(`i_block[] of type ${mode >>> 12}`, block + 4 * word, 4, mend);
    }
    const size = i.inodeSizeBytes(view, at);
    if ((mode >>> 12 === 10 && size < 60) || ![4, 8, 10].includes(mode >>> 12)) return;
    const seed = inodeSeed(geometry.csumSeed, ino, i.INODE.generation.get(view, at));
    const blocks: number[] = [];
    if ((i.INODE.flags.get(view, at) & i.FL_EXTENTS) !== 0) {
      this.addExtents(block, seed, mend, " (root)", blocks);
    } else {
      for (let index = 0; index < 15; index++) {
        const pblk = view.getUint32(block + 4 * index, true);
        this.addPointers(pblk, Math.max(0, index - 11), blocks);
      }
    }
    if (ino === i.INO_RESIZE || blocks.length === 0) return;
    if (mode >>> 12 === 4) this.addDirectory(blocks, seed, i.INODE.flags.get(view, at));
    else this.addContent(ino, mode, blocks, seed);
  }

  private addContent(ino: number, mode: number, blocks: readonly number[], seed: number): void {
    const { geometry, view } = this;
    const { blockSize } = geometry;
    const first = blocks[0]! * blockSize;
    if (mode >>> 12 === 10) {
      this.field("symlink block.text", first + 7, 1, NO_MEND);
      this.field("symlink block.text", first + 200, 1, NO_MEND);
    }
    if (ino === geometry.journalIno) {
      this.table(JBD2_SUPERBLOCK, first, () => {
        if ((JBD2_SUPERBLOCK.featureIncompat.get(view, first) & 0x18) === 0) return [];
        const head = crcZeros(crcRaw(0xffffffff, view, first, 0xfc), 4);
        const crc = crcRaw(head, view, first + 0x100, JBD2_SUPERBLOCK_SIZE - 0x100);
        return [this.u32(first + 0xfc, crc, true)];
      });
    }
    if (ino !== geometry.orphanFileIno) return;
    for (const pblk of blocks) {
      const start = pblk * blockSize;
      const tail = start + blockSize - ORPHAN_TAIL_SIZE;
      const mend: Mend = () => {
        const crc = crcRaw(crcU64(seed, pblk), view, start, blockSize - ORPHAN_TAIL_SIZE);
        return [this.u32(tail + 4, crc)];
      };
      this.field("ext4_orphan_block.entry", start + 4 * (pblk % 10), 4, mend);
      this.table(ORPHAN_TAIL, tail, mend);
    }
  }

  private addExtents(at: number, seed: number, mend: Mend, suffix: string, blocks: number[]): void {
    const { geometry, view } = this;
    this.table(e.EXTENT_HEADER, at, mend, suffix);
    const entries = e.EXTENT_HEADER.entries.get(view, at);
    const depth = e.EXTENT_HEADER.depth.get(view, at);
    for (let index = 0; index < entries; index++) {
      const entry = at + 12 * (1 + index);
      this.table(depth === 0 ? e.EXTENT : e.EXTENT_INDEX, entry, mend, suffix);
      if (depth === 0) {
        const start = e.extentStart(view, entry);
        for (let n = 0; n < e.extentLength(view, entry); n++) blocks.push(start + n);
        continue;
      }
      const node = e.indexLeaf(view, entry) * geometry.blockSize;
      const mendNode: Mend = () => {
        if (!geometry.metadataCsum) return [];
        const max = e.EXTENT_HEADER.max.get(view, node);
        const length = 12 * (1 + Math.min(max, e.extentsPerBlock(geometry.blockSize)));
        return [this.u32(node + length, crcRaw(seed, view, node, length))];
      };
      this.addExtents(node, seed, mendNode, "", blocks);
    }
  }

  private addPointers(pblk: number, levels: number, blocks: number[]): void {
    if (pblk === 0) return;
    if (levels === 0) {
      blocks.push(pblk);
      return;
    }
    const { blockSize } = this.geometry;
    const at = pblk * blockSize;
    for (let offset = 0; offset < blockSize; offset += 4) {
      this.field(`indirect block ${levels}.pointer`, at + offset, 4, NO_MEND);
      this.addPointers(this.view.getUint32(at + offset, true), levels - 1, blocks);
    }
  }

  private addDirectory(blocks: readonly number[], seed: number, flags: number): void {
    const indexed = (flags & i.FL_INDEX) !== 0;
    const level = new Map<number, number>();
    if (indexed) this.addHashTree(blocks, seed, level);
    for (let lblk = 0; lblk < blocks.length; lblk++) {
      if (indexed && (level.get(lblk) ?? 0) > 0 && lblk > 0) continue;
      this.addEntries(blocks[lblk]! * this.geometry.blockSize, seed, indexed && lblk === 0);
    }
  }

  private addEntries(at: number, seed: number, isRoot: boolean): void {
    const { geometry, view } = this;
    const { blockSize, metadataCsum } = geometry;
    const tailed = metadataCsum && !isRoot;
    const length = blockSize - DIR_TAIL_SIZE;
    const mend: Mend = isRoot
      ? this.mendIndex(at, h.DX_ROOT_ENTRIES_AT, seed)
      : () => (tailed ? [this.u32(at + blockSize - 4, crcRaw(seed, view, at, length))] : []);
    const end = tailed ? length : blockSize;
    for (let offset = 0; offset < end;) {
      const number = offset < 24 ? (offset < 12 ? " (1st)" : " (2nd)") : "";
      this.table(DIRENT, at + offset, mend, number);
      const name = at + offset + 8;
      this.field(`ext4_dir_entry_2${number}.name`, name, 1, mend);
      this.field(`ext4_dir_entry_2${number}.name`, name + 1, 1, mend);
      offset += DIRENT.recLen.get(view, at + offset);
    }
    if (tailed) this.table(DIR_TAIL, at + length, mend);
  }

  private mendIndex(at: number, entriesAt: number, seed: number): Mend {
    const { geometry, view } = this;
    return () => {
      if (!geometry.metadataCsum) return [];
      const entries = at + entriesAt;
      const room = h.dxLimit(geometry.blockSize, entriesAt, true);
      const limit = Math.min(room, h.DX_COUNT_LIMIT.limit.get(view, entries));
      const count = Math.min(room, h.DX_COUNT_LIMIT.count.get(view, entries));
      const tail = entries + 8 * limit;
      const used = crcRaw(seed, view, at, entriesAt + 8 * count);
      return [this.u32(tail + 4, crcZeros(crcRaw(used, view, tail, 4), 4))];
    };
  }

  private addHashTree(blocks: readonly number[], seed: number, level: Map<number, number>): void {
    const root = blocks[0]! * this.geometry.blockSize;
    const info = root + h.DX_ROOT_INFO_AT;
    const mend = this.mendIndex(root, h.DX_ROOT_ENTRIES_AT, seed);
    this.table(h.DX_ROOT_INFO, info, mend);
    const levels = h.DX_ROOT_INFO.indirectLevels.get(this.view, info);
    this.addIndex(blocks, 0, h.DX_ROOT_ENTRIES_AT, levels, seed, level);
  }

  private addIndex(
    blocks: readonly number[],
    lblk: number,
    entriesAt: number,
    levels: number,
    seed: number,
    level: Map<number, number>,
  ): void {
    const { geometry, view } = this;
    const at = blocks[lblk]! * geometry.blockSize;
    const mend = this.mendIndex(at, entriesAt, seed);
    const entries = at + entriesAt;
    const suffix = lblk === 0 ? " (root)" : "";
    level.set(lblk, levels + 1);
    if (lblk > 0) this.table(DIRENT, at, mend, " (dx_node)");
    this.table(h.DX_COUNT_LIMIT, entries, mend, suffix);
    const count = h.DX_COUNT_LIMIT.count.get(view, entries);
    for (let index = 0; index < count; index++) {
      const entry = entries + 8 * index;
      if (index > 0) this.table(h.DX_ENTRY, entry, mend, suffix);
      const child = h.DX_ENTRY.block.get(view, entry);
      if (levels > 0) {
        this.addIndex(blocks, child, h.DX_NODE_ENTRIES_AT, levels - 1, seed, level);
      }
    }
    if (geometry.metadataCsum) {
      const limit = h.DX_COUNT_LIMIT.limit.get(view, entries);
      this.table(h.DX_TAIL, entries + 8 * limit, mend, suffix);
    }
  }
}
