/**
 * Make an empty ext4: what mkfs.ext4 makes, byte for byte but for what docs/formats/ext4.md lists,
 * and the same bytes for the same device size, options and time.
 *
 * Order of persistence: the old superblock goes first, the new one comes last.
 *
 *   zero the superblock | fence | zero what metadata takes | fence | store it | fence
 *   // COMMIT POINT: the superblock in group 0
 */
import {
  type MkfsContext,
  type OptionTable,
  type PmemDevice,
  PURPOSE_METADATA,
  PURPOSE_ZEROING,
} from "@xiplab/core";
import { SUPERBLOCK, SUPERBLOCK_AT, SUPERBLOCK_SIZE } from "./format/superblock.ts";
import { type Maker, makeFiles } from "./mkfs/files.ts";
import { makeGroups } from "./mkfs/groups.ts";
import { layOut } from "./mkfs/layout.ts";
import { makePlan } from "./mkfs/plan.ts";
import { superblockChecksum } from "./super.ts";

export const mkfsOptions: OptionTable = {
  blockSize: { values: ["4096", "2048", "1024"], default: "4096", help: "XIP wants 4096" },
  uuid: { values: "text", default: "", help: "32 hexadecimal digits (default: by size and time)" },
  hashSeed: { values: "text", default: "", help: "of directory hashes (default: by the uuid)" },
  label: { values: "text", default: "", help: "name of the volume, up to 16 bytes" },
  journalSize: { values: "size", default: "0", help: "default: as mke2fs, by the device" },
  inodes: { values: "number", default: "0", help: "files at most (default: by inodeRatio)" },
  inodeRatio: { values: "number", default: "0", help: "bytes per inode (default: by the device)" },
  inodeSize: { values: "number", default: "256", help: "bytes of an inode" },
  reservedPercent: { values: "number", default: "5", help: "of blocks for root alone" },
  features: { values: "text", default: "", help: "as mke2fs -O, apart by ':': ^64bit:uninit_bg" },
  lazyItableInit: {
    values: "flag",
    default: "0",
    help: "leave inode tables for the kernel to zero",
  },
  defaultOptions: { values: "text", default: "", help: "mount options, up to 64 bytes" },
  time: { values: "number", default: "0", help: "seconds since 1970 (default: now)" },
};

/** @throws OptionError for a device or an option that does not fit: nothing is written then. */
export function mkfs(device: PmemDevice, context: MkfsContext): void {
  const plan = makePlan(device.size, context.options, context.clock.now().sec);
  const { geometry, superblock } = plan;
  const layout = layOut(geometry);
  const inodesLength = Math.ceil((12 * geometry.inodeSize) / geometry.blockSize);
  const maker: Maker = {
    plan,
    layout,
    blocks: new Map(),
    inodes: new DataView(new ArrayBuffer(inodesLength * geometry.blockSize)),
    scratch: new DataView(new ArrayBuffer(geometry.blockSize)),
    lastIno: 11,
    directories: 0,
  };
  makeFiles(maker);
  const groups = makeGroups(maker);
  device.zero(0, Math.max(geometry.blockSize, SUPERBLOCK_AT + SUPERBLOCK_SIZE), PURPOSE_ZEROING);
  // What was here is no file system any more before it loses its tables.
  device.fence();
  zeroAll(device, maker);
  // Zeros are durable before what takes their place is stored.
  device.fence();
  for (const [pblk, bytes] of maker.blocks) store(device, geometry.pblkToDevByte(pblk), bytes);
  store(
    device,
    geometry.pblkToDevByte(layout.inodeTables[0]!),
    new Uint8Array(maker.inodes.buffer),
  );
  groups.store(device);
  // Everything is durable before the superblock says that it is there.
  device.fence();
  store(device, SUPERBLOCK_AT, stamped(superblock, geometry.metadataCsum));
  device.fence();
}

function store(device: PmemDevice, at: number, bytes: Uint8Array): void {
  device.storeNonTemporal(at, bytes, 0, bytes.length, PURPOSE_METADATA);
}

function stamped(superblock: DataView, withChecksum: boolean): Uint8Array {
  if (withChecksum) SUPERBLOCK.checksum.set(superblock, 0, superblockChecksum(superblock, 0));
  return new Uint8Array(superblock.buffer);
}

function zeroAll(device: PmemDevice, { plan, layout }: Maker): void {
  const { blockSize } = plan.geometry;
  const { starts, ends } = plan.lazyTables ? layout.withoutTables : layout.space;
  for (const [index, start] of starts.entries()) {
    device.zero(start * blockSize, (ends[index]! - start) * blockSize, PURPOSE_ZEROING);
  }
}
