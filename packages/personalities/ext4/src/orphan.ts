/**
 * Orphans: inodes that a power cut would leave half deleted or half truncated. What names them is in
 * the same transaction as what makes them orphans; the next mount frees or truncates them.
 *
 *   list   s_last_orphan → inode → its dtime → inode … → 0
 *   file   a hidden file of inode numbers (feature orphan_file), which many can join without a
 *          common word; the list serves when it is full
 *
 * Most orphans are so for a moment: the last name goes, and the inode is freed in the next handle. So
 * an orphan of the running transaction waits in memory, and only the commit puts it on the medium
 * (`PutOff`): what a commit makes durable always has all of them.
 *
 * Invariants: `Ext4Inode.orphan` says whether the inode waits, or is on one of the two; nobody is in
 * two of these places.
 */
import { assert, verify } from "@xiplab/core";
import { INODE } from "./format/inode.ts";
import { RO_COMPAT_ORPHAN_PRESENT } from "./format/features.ts";
import { SUPERBLOCK } from "./format/superblock.ts";
import { slotOf, writableSlotOf } from "./inode-io.ts";
import type { Ext4Inode } from "./inode.ts";
import type { PutOff } from "./journal/transactions.ts";
import type { OrphanFile } from "./orphan-file.ts";
import { superBuffer } from "./super-buffer.ts";
import type { Volume } from "./volume.ts";

/** Blocks that `removeOrphan` may change, and `addOrphan` with the commit: superblock, own record, a
 * neighbour's, and a block of the orphan file. */
export const ORPHAN_CREDITS = 4;

/** What a mount keeps of its orphans. */
export class Orphans implements PutOff {
  private readonly volume: Volume;
  /** Of the running transaction, not on the medium yet; their records are in the transaction. */
  readonly waiting: Ext4Inode[] = [];
  /** First of the list, or 0. */
  head = 0;
  /** The list both ways; 0 at its ends. */
  readonly nextOf = new Map<number, number>();
  readonly previousOf = new Map<number, number>();
  /** Null where the image has none. */
  file: OrphanFile | null = null;
  /** The superblock says that the file has orphans. */
  present = false;

  constructor(volume: Volume) {
    this.volume = volume;
  }

  get count(): number {
    return this.waiting.length + this.nextOf.size + (this.file?.slotOf.size ?? 0);
  }

  /** The superblock, and blocks of the file. HOT. */
  get credits(): number {
    const { length } = this.waiting;
    if (length === 0) return 0;
    return 1 + (this.file === null ? 0 : Math.min(length, this.file.blocks.length));
  }

  /** Put those that wait on the medium. Inside a handle, or as a part of the commit. */
  run(): void {
    for (const inode of this.waiting) {
      inode.waiting = -1;
      listOrphan(this.volume, inode);
    }
    this.waiting.length = 0;
  }

  /** The last one takes the place of who leaves. HOT. */
  leave(inode: Ext4Inode): void {
    const last = this.waiting.pop()!;
    assert(inode.waiting <= this.waiting.length, "who waits has a place");
    if (last !== inode) {
      this.waiting[inode.waiting] = last;
      last.waiting = inode.waiting;
    }
    inode.waiting = -1;
  }
}

/**
 * Have the inode be remembered for the next mount, unless it is already. Inside a handle, which also
 * writes the inode's record. HOT.
 */
export function addOrphan(volume: Volume, inode: Ext4Inode): void {
  assert(volume.journal.running, "orphans are made inside handles");
  if (inode.orphan) return;
  const { waiting } = volume.orphans;
  inode.orphan = true;
  inode.waiting = waiting.length;
  waiting.push(inode);
}

function listOrphan(volume: Volume, inode: Ext4Inode): void {
  const { orphans } = volume;
  assert(inode.orphan, "who waits is an orphan");
  if (orphans.file !== null && orphans.file.add(volume, inode.ino)) {
    if (!orphans.present) setPresent(volume, true);
    return;
  }
  setNext(volume, inode.ino, orphans.head);
  if (orphans.head !== 0) orphans.previousOf.set(orphans.head, inode.ino);
  orphans.nextOf.set(inode.ino, orphans.head);
  orphans.previousOf.set(inode.ino, 0);
  setHead(volume, inode.ino);
}

/** The inode is whole again, or freed in the same handle. Inside a handle. HOT. */
export function removeOrphan(volume: Volume, inode: Ext4Inode): void {
  assert(volume.journal.running, "orphans end inside handles");
  if (!inode.orphan) return;
  const { orphans } = volume;
  inode.orphan = false;
  if (inode.waiting >= 0) return orphans.leave(inode);
  const { ino } = inode;
  if (orphans.file !== null && orphans.file.remove(volume, ino)) return;
  const next = orphans.nextOf.get(ino);
  const previous = orphans.previousOf.get(ino);
  assert(next !== undefined, "an orphan is on the list");
  assert(previous !== undefined, "the list goes both ways");
  if (previous === 0) setHead(volume, next);
  else {
    setNext(volume, previous, next);
    orphans.nextOf.set(previous, next);
  }
  if (next !== 0) orphans.previousOf.set(next, previous);
  orphans.nextOf.delete(ino);
  orphans.previousOf.delete(ino);
  setNext(volume, ino, 0);
}

/** Say in the superblock whether the orphan file has any. Inside a handle. */
export function setPresent(volume: Volume, present: boolean): void {
  const { buffers, geometry, orphans } = volume;
  const buffer = superBuffer(buffers);
  buffers.write(buffer);
  const at = buffer.at + geometry.superOffset;
  const word = SUPERBLOCK.featureRoCompat.get(buffer.view, at) & ~RO_COMPAT_ORPHAN_PRESENT;
  const bit = present ? RO_COMPAT_ORPHAN_PRESENT : 0;
  SUPERBLOCK.featureRoCompat.set(buffer.view, at, (word | bit) >>> 0);
  orphans.present = present;
}

/**
 * Read the list, from the medium into memory, bounded: nobody is on it twice. Returns its inodes.
 * @throws CorruptionError
 */
export function loadOrphanList(volume: Volume): number[] {
  const { buffers, geometry, orphans } = volume;
  const { view, at } = superBuffer(buffers);
  const list: number[] = [];
  let previous = 0;
  let where = "ext4_super_block";
  let ino = SUPERBLOCK.lastOrphan.get(view, at + geometry.superOffset);
  orphans.head = ino;
  while (ino !== 0) {
    requireOrphan(volume, ino, where);
    verify(!orphans.nextOf.has(ino), "orphan list", where, "next", ino, "an end");
    const slot = slotOf(volume, ino);
    const next = INODE.dtime.get(slot.buffer.view, slot.buffer.at + slot.at);
    orphans.nextOf.set(ino, next);
    orphans.previousOf.set(ino, previous);
    list.push(ino);
    previous = ino;
    where = `inode ${ino}`;
    ino = next;
  }
  return list;
}

/** Is that the number of an inode that may be an orphan, and that is in use? @throws CorruptionError */
export function requireOrphan(volume: Volume, ino: number, where: string): void {
  const { geometry, groups } = volume;
  const ordinary = ino >= geometry.firstIno && ino <= geometry.inodeCount;
  const range = `${geometry.firstIno} to ${geometry.inodeCount}`;
  verify(ordinary, "orphan list", where, "inode", ino, range);
  const group = geometry.groupOfIno(ino);
  const bit = (ino - 1) % geometry.inodesPerGroup;
  // A group whose inodes were never used has no bitmap yet, and no inode in use.
  const ever = bit < geometry.inodesPerGroup - groups.itableUnusedOf(group);
  verify(ever, "orphan list", where, "inode", ino, "an inode in use");
  const { view, at } = groups.inodeBitmap(group);
  const used = ((view.getUint8(at + (bit >>> 3)) >>> (bit & 7)) & 1) === 1;
  verify(used, "orphan list", where, "inode", ino, "an inode in use");
}

function setHead(volume: Volume, ino: number): void {
  const { buffers, geometry, orphans } = volume;
  const buffer = superBuffer(buffers);
  buffers.write(buffer);
  SUPERBLOCK.lastOrphan.set(buffer.view, buffer.at + geometry.superOffset, ino);
  orphans.head = ino;
}

/** The dtime of an orphan is the number of the next. */
function setNext(volume: Volume, ino: number, next: number): void {
  const { buffer, at } = writableSlotOf(volume, ino);
  INODE.dtime.set(buffer.view, buffer.at + at, next);
}
