/**
 * The superblock as a block among others: how its fields change while mounted, through the journal.
 * What changes in place is needs_recovery alone (super-state.ts).
 */
import type { Pblk } from "@xiplab/core";
import type { BlockKind, Buffer, Buffers } from "./buffers.ts";
import { RO_COMPAT_METADATA_CSUM } from "./format/features.ts";
import { SUPERBLOCK } from "./format/superblock.ts";
import type { Geometry } from "./geometry.ts";
import { superblockChecksum } from "./super.ts";

/** The block with the first superblock: in it the superblock is at `geometry.superOffset`. Mount
 * has verified it. */
const SUPER_BLOCK: BlockKind = {
  name: "ext4_super_block",
  late: true,
  verify() {},
  stamp(geometry: Geometry, buffer: Buffer) {
    const at = buffer.at + geometry.superOffset;
    const roCompat = SUPERBLOCK.featureRoCompat.get(buffer.view, at);
    if ((roCompat & RO_COMPAT_METADATA_CSUM) === 0) return;
    SUPERBLOCK.checksum.set(buffer.view, at, superblockChecksum(buffer.view, at));
  },
};

/** For reading; `buffers.write` it to change it. Fields are at `buffer.at + superOffset`. */
export function superBuffer(buffers: Buffers): Buffer {
  return buffers.read(buffers.geometry.superBlock as Pblk, SUPER_BLOCK, 0);
}
