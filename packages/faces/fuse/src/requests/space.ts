/** Space of files: FALLOCATE, LSEEK (data and holes), COPY_FILE_RANGE, BMAP. */
import { ERRNO, FsError } from "@xiplab/core";
import type { Connection } from "../connection.ts";
import {
  BMAP_IN,
  BMAP_IN_SIZE,
  COPY_IN,
  COPY_IN_SIZE,
  FALLOCATE_IN,
  FALLOCATE_IN_SIZE,
  LSEEK_IN,
  LSEEK_IN_SIZE,
  NUMBER_OUT,
  NUMBER_OUT_SIZE,
  WRITE_OUT,
  WRITE_OUT_SIZE,
} from "../protocol/file-structs.ts";
import {
  FUSE_BMAP,
  FUSE_COPY_FILE_RANGE,
  FUSE_COPY_FILE_RANGE_64,
  FUSE_FALLOCATE,
  FUSE_LSEEK,
} from "../protocol/opcodes.ts";
import type { Reply } from "../reply.ts";
import type { Request } from "../request.ts";
import { changerOf } from "../changer.ts";
import type { Handler } from "./handler.ts";

/**
 * Bytes that one COPY_FILE_RANGE takes at most: other requests wait meanwhile. Callers go on behind a
 * short copy.
 */
const COPY_MAX = 64 * 1024 * 1024;

/**
 * The kernel does not say here whether the caller has CAP_FSETID, and leaves set-id bits to us
 * (FUSE_HANDLE_KILLPRIV_V2): root has it.
 */
const killsSetIds = (request: Request): boolean => request.uid !== 0;

function fallocate(connection: Connection, request: Request): void {
  const { view } = request;
  const at = request.take(FALLOCATE_IN_SIZE);
  connection.vfs.fallocate(
    changerOf(connection, request, killsSetIds(request)),
    connection.files.get(FALLOCATE_IN.handle.get(view, at)),
    FALLOCATE_IN.mode.get(view, at),
    FALLOCATE_IN.offset.get(view, at),
    FALLOCATE_IN.length.get(view, at),
  );
}

/**
 * Data and holes. With the kernel writing back we do not know of its data, and a program that skips
 * holes would lose it: the kernel is told once to take the whole file for data.
 */
function lseek(connection: Connection, request: Request, reply: Reply): void {
  if (connection.session.cache === "writeback") return reply.fail(ERRNO.ENOSYS);
  const { view } = request;
  const at = request.take(LSEEK_IN_SIZE);
  const file = connection.files.get(LSEEK_IN.handle.get(view, at));
  const offset = LSEEK_IN.offset.get(view, at);
  const found = connection.vfs.lseek(file, offset, LSEEK_IN.whence.get(view, at));
  NUMBER_OUT.value.set(reply.view, reply.add(NUMBER_OUT_SIZE), found);
}

/** Returns the bytes copied. */
function copy(connection: Connection, request: Request): number {
  const { view } = request;
  const at = request.take(COPY_IN_SIZE);
  if (COPY_IN.flags.get(view, at) !== 0) throw new FsError("EINVAL", "copy_file_range flags");
  return connection.vfs.copyRange(
    changerOf(connection, request, killsSetIds(request)),
    connection.files.get(COPY_IN.sourceHandle.get(view, at)),
    COPY_IN.sourceOffset.get(view, at),
    connection.files.get(COPY_IN.targetHandle.get(view, at)),
    COPY_IN.targetOffset.get(view, at),
    Math.min(COPY_IN.length.get(view, at), COPY_MAX),
  );
}

function copyFileRange(connection: Connection, request: Request, reply: Reply): void {
  const copied = copy(connection, request);
  WRITE_OUT.size.set(reply.view, reply.add(WRITE_OUT_SIZE), copied);
}

function copyFileRange64(connection: Connection, request: Request, reply: Reply): void {
  const copied = copy(connection, request);
  NUMBER_OUT.value.set(reply.view, reply.add(NUMBER_OUT_SIZE), copied);
}

/** Where a block of the file is on the device, in the caller's blocks; 0: nowhere. The kernel asks
 * only where the mount is on a block device (fuseblk). */
function bmap(connection: Connection, request: Request, reply: Reply): void {
  const { view } = request;
  const at = request.take(BMAP_IN_SIZE);
  const block = BMAP_IN.block.get(view, at);
  const blockSize = BMAP_IN.blockSize.get(view, at);
  if (blockSize === 0) throw new FsError("EINVAL", "block size");
  const pos = block * blockSize;
  const inode = connection.nodes.get(request.nodeid);
  const [extent] = connection.vfs.fiemap(inode, pos, blockSize);
  const isThere = extent !== undefined && extent.logical <= pos && extent.physical > 0;
  const found = isThere ? Math.floor((extent.physical + pos - extent.logical) / blockSize) : 0;
  NUMBER_OUT.value.set(reply.view, reply.add(NUMBER_OUT_SIZE), found);
}

export const SpaceHandlers: Readonly<Record<number, Handler>> = {
  [FUSE_FALLOCATE]: fallocate,
  [FUSE_LSEEK]: lseek,
  [FUSE_COPY_FILE_RANGE]: copyFileRange,
  [FUSE_COPY_FILE_RANGE_64]: copyFileRange64,
  [FUSE_BMAP]: bmap,
};
