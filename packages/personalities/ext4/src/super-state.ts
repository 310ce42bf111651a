/**
 * The superblock while mounted: the flag needs_recovery, the state, the mount count, times, totals.
 *
 *   openGeometry   before recovery: also of a superblock that a power cut tore
 *   beginMount     the flag, in place; the rest through the journal
 *   endMount       totals and state through the journal, everything home, the flag, in place
 *
 * The checksum stands far from the fields, and memory is atomic in words of 8 bytes only. So in place
 * nothing changes but the word with the flag, together with the checksum. A reader takes a checksum
 * for right that is right for the other state of the flag (super.ts), whichever of the two a power
 * cut leaves behind. Everything else changes through the journal, as any block; where a power cut tears the
 * block on its way home, the log still has it. The kernel knows neither rule: it relies on sectors
 * being atomic, and refuses what is torn.
 */
import { type Clock, type PmemDevice, PURPOSE_METADATA } from "@xiplab/core";
import { INCOMPAT_RECOVER } from "./format/features.ts";
import { STATE_VALID, SUPERBLOCK as S, SUPERBLOCK_AT } from "./format/superblock.ts";
import { SUPERBLOCK_SIZE } from "./format/superblock.ts";
import type { Geometry } from "./geometry.ts";
import {
  geometryUnchecked,
  isSuperblockSound,
  superblockChecksum,
  superblockChecksumToggled,
} from "./super.ts";
import { superBuffer } from "./super-buffer.ts";
import type { Volume } from "./volume.ts";

const TWO_32 = 2 ** 32;
const WORD_SIZE = 8;

/** Change fields of the superblock. Inside a handle (one block). */
export function editSuperblock(volume: Volume, edit: (view: DataView, at: number) => void): void {
  const buffer = superBuffer(volume.buffers);
  volume.buffers.write(buffer);
  edit(buffer.view, buffer.at + volume.geometry.superOffset);
}

export interface OpenedGeometry {
  readonly geometry: Geometry;
  /** The checksum is wrong: tell `recover`, which finds the superblock in the log or refuses. */
  readonly torn: boolean;
}

/** The geometry of an image that is about to be recovered. @throws as `readGeometry` */
export function openGeometry(device: PmemDevice): OpenedGeometry {
  const geometry = geometryUnchecked(device);
  const view = device.view(SUPERBLOCK_AT, SUPERBLOCK_SIZE);
  const sound =
    isSuperblockSound(view, SUPERBLOCK_AT) ||
    S.checksum.get(view, SUPERBLOCK_AT) === superblockChecksumToggled(view, SUPERBLOCK_AT);
  return { geometry, torn: !sound };
}

/** What `endMount` has to know of the time before. */
export interface MountState {
  /** s_state */
  readonly state: number;
}

/** The image is in use from now on. Not for read-only mounts. @throws FsError EIO */
export function beginMount(volume: Volume): MountState {
  const { clock, device, geometry, journal } = volume;
  if (geometry.hasJournal) storeRecoveryFlag(device, geometry, true);
  let state = STATE_VALID;
  journal.run(1, () =>
    editSuperblock(volume, (view, at) => {
      state = S.state.get(view, at);
      // Without a journal only fsck can tell what a power cut left.
      if (!geometry.hasJournal) S.state.set(view, at, state & ~STATE_VALID);
      S.mntCount.set(view, at, (S.mntCount.get(view, at) + 1) & 0xffff);
      const sec = secondsOf(clock);
      S.mtime.set(view, at, sec % TWO_32);
      S.mtimeHi.set(view, at, Math.floor(sec / TWO_32) & 0xff);
      storeWriteTime(view, at, sec);
    }),
  );
  // Before the first change of anything else.
  if (!geometry.hasJournal) journal.commit();
  return { state };
}

/**
 * Commit everything and leave the image clean. After an abort it stays as it is, to be recovered.
 * @throws FsError EIO
 */
export function endMount(volume: Volume, { state }: MountState): void {
  const { device, geometry, journal } = volume;
  if (journal.aborted !== null) return;
  journal.run(1, () => {
    storeTotals(volume);
    if (!geometry.hasJournal) return;
    editSuperblock(volume, (view, at) => S.state.set(view, at, state));
  });
  journal.checkpoint();
  if (geometry.hasJournal) {
    // Everything is home and the log is empty, durably: nothing is to be recovered.
    storeRecoveryFlag(device, geometry, false);
    return;
  }
  // Everything else is home before the image is called clean.
  journal.run(1, () => editSuperblock(volume, (view, at) => S.state.set(view, at, state)));
  journal.commit();
}

/** What is free, for those who look at the superblock alone. Inside a handle (one block). */
export function storeTotals(volume: Volume): void {
  const { clock, groups } = volume;
  editSuperblock(volume, (view, at) => {
    S.freeBlocksLo.set(view, at, groups.freeBlocks % TWO_32);
    S.freeBlocksHi.set(view, at, Math.floor(groups.freeBlocks / TWO_32));
    S.freeInodes.set(view, at, groups.freeInodes);
    storeWriteTime(view, at, secondsOf(clock));
  });
}

/** Set or clear needs_recovery, durably. */
export function storeRecoveryFlag(device: PmemDevice, geometry: Geometry, wanted: boolean): void {
  const at = SUPERBLOCK_AT;
  const view = device.view(at, SUPERBLOCK_SIZE);
  const word = S.featureIncompat.get(view, at);
  const isSet = (word & INCOMPAT_RECOVER) !== 0;
  const checksum =
    isSet === wanted ? superblockChecksum(view, at) : superblockChecksumToggled(view, at);
  if (geometry.metadataCsum && S.checksum.get(view, at) !== checksum) {
    device.storeU32(at + S.checksum.offset, checksum, PURPOSE_METADATA);
    device.flush(at + S.checksum.offset, S.checksum.size);
  }
  if (isSet !== wanted) {
    const roCompat = S.featureRoCompat.get(view, at);
    const there = (word ^ INCOMPAT_RECOVER) >>> 0;
    device.storeU64(at + S.featureIncompat.offset, there, roCompat, PURPOSE_METADATA);
    device.flush(at + S.featureIncompat.offset, WORD_SIZE);
  }
  // Set: it must be durable before the log is used. Cleared: before the caller is told.
  device.fence();
}

function storeWriteTime(view: DataView, at: number, sec: number): void {
  S.wtime.set(view, at, sec % TWO_32);
  S.wtimeHi.set(view, at, Math.floor(sec / TWO_32) & 0xff);
}

const secondsOf = (clock: Clock): number => Math.max(0, clock.now().sec);
