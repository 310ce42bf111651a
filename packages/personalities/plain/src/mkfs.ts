/** Make an empty file system: the same bytes for the same device size, options and time. */
import { ATIME, CTIME, type MkfsContext, MTIME, OptionError, type OptionTable } from "@xiplab/core";
import { type PmemDevice, PURPOSE_METADATA, S_IFDIR } from "@xiplab/core";
import { ROOT_INO } from "./format/inode.ts";
import { CLEAN, MAGIC, STATE_AT, SUPERBLOCK } from "./format/superblock.ts";
import { superblockChecksum, VERSION, volumeSeed } from "./format/superblock.ts";
import { BLOCK_SIZE, dataStartOf } from "./geometry.ts";
import { flushInode, PlainInode } from "./inode.ts";

export const mkfsOptions: OptionTable = {
  uuid: { values: "text", default: "", help: "32 hexadecimal digits (default: all zero)" },
  label: { values: "text", default: "", help: "name of the volume, up to 32 bytes" },
  inodes: { values: "number", default: "0", help: "files at most (default: one for each 8 KiB)" },
  defaultOptions: { values: "text", default: "", help: "mount options, up to 112 bytes" },
};

/** @throws OptionError for a device that is too small, or an option that does not fit. */
export function mkfs(device: PmemDevice, context: MkfsContext): void {
  const { uuid = "", label = "", inodes: wanted = "0", defaultOptions = "" } = context.options;
  const blocks = Math.min(device.size / BLOCK_SIZE, 2 ** 32 - 1);
  // Unless told otherwise, one inode for each 8 KiB.
  const inodes = Number(wanted) || Math.ceil(device.size / 8192);
  const dataStart = dataStartOf(inodes);
  // Room for the spare (balloc.ts), and some data.
  if (dataStart + 16 > blocks) {
    throw new OptionError(`plain: ${device.size} bytes have no room for ${inodes} inodes and data`);
  }
  const now = context.clock.now();
  const bytes = new Uint8Array(STATE_AT);
  const view = new DataView(bytes.buffer);
  SUPERBLOCK.magic.set(view, 0, MAGIC);
  SUPERBLOCK.version.set(view, 0, VERSION);
  SUPERBLOCK.blocks.set(view, 0, blocks);
  SUPERBLOCK.inodes.set(view, 0, inodes);
  SUPERBLOCK.timeSec.set(view, 0, now.sec);
  SUPERBLOCK.timeNsec.set(view, 0, now.nsec);
  SUPERBLOCK.uuid.set(view, 0, uuid);
  SUPERBLOCK.label.set(view, 0, label);
  SUPERBLOCK.defaultOptions.set(view, 0, defaultOptions);
  SUPERBLOCK.checksum.set(view, 0, superblockChecksum(view));
  // What was here is no file system any more before it loses its tables.
  device.zero(0, BLOCK_SIZE, PURPOSE_METADATA);
  device.fence();
  device.zero(BLOCK_SIZE, (dataStart - 1) * BLOCK_SIZE, PURPOSE_METADATA);
  // A zeroed table is durable before a record in it is stored.
  device.fence();
  const root = new PlainInode(ROOT_INO);
  Object.assign(root, { mode: S_IFDIR | 0o755, nlink: 2, parentIno: ROOT_INO });
  Object.assign(root, { btimeSec: now.sec, btimeNsec: now.nsec });
  root.touch(ATIME | MTIME | CTIME, context.clock);
  flushInode(device, volumeSeed(view), root);
  device.storeU64(STATE_AT, CLEAN, ROOT_INO, PURPOSE_METADATA);
  device.flush(STATE_AT, 8);
  // Everything is durable before the superblock says that it is there.
  device.fence();
  device.store(0, bytes, 0, bytes.length, PURPOSE_METADATA);
  device.persist(0, bytes.length);
}
