/**
 * Mount, in this order; nothing is written before all of it was verified:
 *
 *   superblock → journal replayed → group descriptors → root → orphans freed or truncated
 *
 * A clean image is ready after the superblock, the journal's superblock and the group descriptors:
 * everything else is read when somebody asks for it.
 */
import { corrupt, FsError, type Ino, isDirectory, type MountContext } from "@xiplab/core";
import { OptionError, type PmemDevice, verify } from "@xiplab/core";
import { findOrphans, processOrphans } from "./evict.ts";
import { Ext4FileSystem } from "./filesystem.ts";
import { INO_ROOT } from "./format/inode.ts";
import { SUPERBLOCK_SIZE } from "./format/superblock.ts";
import type { Geometry } from "./geometry.ts";
import { readInode } from "./inode-io.ts";
import { type Overlay, recover } from "./journal/recovery.ts";
import { Ext4Volume } from "./mounted-volume.ts";
import { parseMountOptions } from "./options.ts";
import { beginMount, type OpenedGeometry, openGeometry } from "./super-state.ts";
import { geometryUnchecked, readGeometry, writeObstacles } from "./super.ts";
import type { Volume } from "./volume.ts";

/** @throws CorruptionError; OptionError; FsError EIO */
export function mount(device: PmemDevice, context: MountContext): Ext4FileSystem {
  try {
    return mountImage(device, context);
  } catch (error) {
    // An inode that something leads to, and that is free.
    if (!(error instanceof FsError) || error.code !== "ESTALE") throw error;
    corrupt("ext4_inode", error.detail ?? "a system inode", "linksCount", 0, "an inode in use");
  }
}

function mountImage(device: PmemDevice, context: MountContext): Ext4FileSystem {
  const { readOnly } = context;
  const options = parseMountOptions(context.options, readOnly);
  const opened = openGeometry(device);
  if (!readOnly) refuseWriting(opened.geometry);
  let overlay: Overlay | null = null;
  if (options.noload) verify(!opened.torn, "ext4_super_block", 1024, "checksum", "bad", "good");
  else overlay = recover(device, opened.geometry, { readOnly, torn: opened.torn }).overlay;
  // What the log had of the superblock is in place now.
  const geometry =
    overlay === null ? readGeometry(device) : overlaidGeometry(device, opened, overlay);
  const volume = new Ext4Volume(device, geometry, context, options, overlay);
  verifyRoot(volume);
  if (readOnly) return new Ext4FileSystem(volume, null);
  const orphans = findOrphans(volume);
  const state = beginMount(volume);
  processOrphans(volume, orphans);
  return new Ext4FileSystem(volume, state);
}

/** The geometry by the superblock that recovery left in memory, if it did. */
function overlaidGeometry(
  device: PmemDevice,
  { geometry }: OpenedGeometry,
  overlay: Overlay,
): Geometry {
  const copy = overlay.get(geometry.superBlock);
  if (copy === undefined) return readGeometry(device);
  const view = new DataView(copy.buffer, geometry.superOffset, SUPERBLOCK_SIZE);
  return geometryUnchecked(device, view);
}

function refuseWriting(geometry: Geometry): void {
  const names = writeObstacles(geometry);
  if (names.length === 0) return;
  throw new OptionError(`ext4: ${names.join(", ")} can be read but not kept up: mount with ro`);
}

/** @throws CorruptionError; FsError ESTALE */
function verifyRoot(volume: Volume): void {
  const { mode } = readInode(volume, INO_ROOT as Ino);
  verify(isDirectory(mode), "ext4_inode", "root inode 2", "mode", mode, "a directory");
}
