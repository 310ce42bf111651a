/**
 * Headers of every message. Little-endian, as on every machine that Node runs Linux on.
 * Ref: Linux include/uapi/linux/fuse.h.
 */
import { pad, struct, u16le, u32le } from "@xiplab/core";

/** struct fuse_in_header: in front of every request. */
export const IN_HEADER_SIZE = 40;
export const IN_HEADER = struct("fuse_in_header", IN_HEADER_SIZE, {
  length: u32le(0),
  opcode: u32le(4),
  uniqueLow: u32le(8),
  uniqueHigh: u32le(12),
  nodeidLow: u32le(16),
  nodeidHigh: u32le(20),
  uid: u32le(24),
  gid: u32le(28),
  pid: u32le(32),
  extensionWords: u16le(36),
  padding: pad(38, 2),
});

/** struct fuse_out_header: in front of every reply and notification. `error`: minus an errno. */
export const OUT_HEADER_SIZE = 16;
export const OUT_HEADER = struct("fuse_out_header", OUT_HEADER_SIZE, {
  length: u32le(0),
  error: u32le(4),
  uniqueLow: u32le(8),
  uniqueHigh: u32le(12),
});

/** struct fuse_ext_header: what a request has behind its body, each a multiple of 8 bytes long. */
export const EXTENSION_SIZE = 8;
export const EXTENSION = struct("fuse_ext_header", EXTENSION_SIZE, {
  size: u32le(0),
  type: u32le(4),
});
export const FUSE_EXT_GROUPS = 32;
