/** Make an empty file system: the same bytes for the same device size, options and time. */
import { type MkfsContext, OptionError, type OptionTable } from "@xiplab/core";
import { nameFromUtf8, nameToBytes, type PmemDevice, PURPOSE_METADATA } from "@xiplab/core";
import { ATIME, CTIME, MTIME, S_IFDIR } from "@xiplab/core";
import { BlockAllocator } from "./balloc.ts";
import { ROOT_INO, SLOT_SIZE } from "./format/inode.ts";
import { checksumOf, CLEAN, MAGIC, STATE_AT, SUPERBLOCK } from "./format/superblock.ts";
import { VERSION } from "./format/superblock.ts";
import { BLOCK_SIZE, layOut, LBLK_MAX, volumeSeed } from "./geometry.ts";
import { flushRecord, PlainInode } from "./inode.ts";

/** Bytes of device per inode, where mkfs is not told how many inodes to make. */
const BYTES_PER_INODE = 8192;
const SLOTS_PER_BLOCK = BLOCK_SIZE / SLOT_SIZE;
/** Data blocks of the smallest file system. */
const DATA_MIN = 16;

export const mkfsOptions: OptionTable = {
  uuid: { values: "text", default: "", help: "16 bytes as hexadecimal digits; default all zero" },
  label: { values: "text", default: "", help: "name of the volume, up to 32 bytes" },
  inodes: { values: "number", default: "0", help: "files at most; default one for each 8 KiB" },
  defaultOptions: { values: "text", default: "", help: "mount options, up to 112 bytes" },
};

/** @throws OptionError for a device that is too small, or options that do not fit. */
export function mkfs(device: PmemDevice, context: MkfsContext): void {
  const { uuid = "", label = "", inodes = "0", defaultOptions = "" } = context.options;
  const blocks = Math.min(Math.floor(device.size / BLOCK_SIZE), LBLK_MAX - 1);
  const wanted = Number(inodes) || Math.floor(device.size / BYTES_PER_INODE);
  // The inode table fills its blocks.
  const geometry = layOut(blocks, Math.ceil(wanted / SLOTS_PER_BLOCK) * SLOTS_PER_BLOCK);
  if (geometry.dataStart + DATA_MIN > blocks) {
    throw new OptionError(`plain: ${device.size} bytes have no room for ${wanted} inodes and data`);
  }
  const now = context.clock.now();
  const bytes = new Uint8Array(STATE_AT);
  const view = new DataView(bytes.buffer);
  SUPERBLOCK.magic.set(view, 0, MAGIC);
  SUPERBLOCK.version.set(view, 0, VERSION);
  SUPERBLOCK.blocks.set(view, 0, blocks);
  SUPERBLOCK.inodes.set(view, 0, geometry.inodes);
  SUPERBLOCK.timeSec.set(view, 0, now.sec);
  SUPERBLOCK.timeNsec.set(view, 0, now.nsec);
  SUPERBLOCK.uuid.set(view, 0, parseUuid(uuid));
  SUPERBLOCK.label.set(view, 0, fit("label", label, SUPERBLOCK.label.size));
  const room = SUPERBLOCK.defaultOptions.size;
  SUPERBLOCK.defaultOptions.set(view, 0, fit("defaultOptions", defaultOptions, room));
  SUPERBLOCK.checksum.set(view, 0, checksumOf(SUPERBLOCK, view, 0));

  // What was here is no file system any more, before it loses its tables.
  device.zero(0, BLOCK_SIZE, PURPOSE_METADATA);
  device.fence();
  device.zero(BLOCK_SIZE, (geometry.dataStart - 1) * BLOCK_SIZE, PURPOSE_METADATA);
  // A zeroed table is durable before a record in it.
  device.fence();
  const root = new PlainInode(ROOT_INO);
  root.mode = S_IFDIR | 0o755;
  root.nlink = 2;
  root.parentIno = ROOT_INO;
  root.touch(ATIME | MTIME | CTIME, context.clock);
  root.btimeSec = now.sec;
  root.btimeNsec = now.nsec;
  flushRecord(device, { ...geometry, seed: volumeSeed(view) }, root);
  new BlockAllocator(geometry, false).save(device);
  device.storeU64(STATE_AT, CLEAN, 1, PURPOSE_METADATA);
  device.flush(STATE_AT, 8);
  // Everything is durable before the superblock says that it is there.
  device.fence();
  device.store(0, bytes, 0, bytes.length, PURPOSE_METADATA);
  device.persist(0, bytes.length);
}

function parseUuid(text: string): Uint8Array {
  const digits = text.replaceAll("-", "") || "0".repeat(32);
  if (!/^[0-9a-f]{32}$/i.test(digits)) throw new OptionError(`plain: uuid=${text} is not a UUID`);
  return Uint8Array.from({ length: 16 }, (_, at) => parseInt(digits.slice(2 * at, 2 * at + 2), 16));
}

function fit(option: string, text: string, size: number): Uint8Array {
  const bytes = nameToBytes(nameFromUtf8(text));
  if (bytes.length <= size) return bytes;
  throw new OptionError(`plain: ${option} is longer than ${size} bytes`);
}
