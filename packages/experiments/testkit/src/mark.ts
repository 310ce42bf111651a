/** Fill what nobody has written with a marked pattern, so that a stale byte shows when it is read. */
import {
  assert,
  FsError,
  type Name,
  O_CREAT,
  O_EXCL,
  O_WRONLY,
  type PmemDevice,
  PURPOSE_DATA,
  SEGMENT_SIZE,
  type Task,
} from "@xiplab/core";
import { MARK } from "./pattern.ts";

/** Every byte of the device becomes MARK: before mkfs. */
export function fillWithMark(device: PmemDevice): void {
  const bytes = new Uint8Array(SEGMENT_SIZE).fill(MARK);
  for (let offset = 0; offset < device.size; offset += bytes.length) {
    const length = Math.min(bytes.length, device.size - offset);
    device.storeNonTemporal(offset, bytes, 0, length, PURPOSE_DATA);
  }
  device.fence();
}

const FILL_NAME = "/.mark" as Name;
const CHUNK = 1024 * 1024;
const PAGE = 4096;

/**
 * Every free data block of a mount becomes MARK: a file takes all the space, and goes again.
 * Returns the bytes that were marked.
 */
export function markFreeSpace(task: Task): number {
  const bytes = new Uint8Array(CHUNK).fill(MARK);
  const file = task.open(FILL_NAME, O_CREAT | O_EXCL | O_WRONLY, 0o600);
  let pos = 0;
  for (let length = CHUNK; length >= PAGE;) {
    const written = tryWrite(() => task.pwrite(file, bytes, 0, length, pos));
    pos += written;
    if (written < length) length = Math.floor(length / 2);
  }
  task.fsync(file);
  task.close(file);
  task.unlink(FILL_NAME);
  assert(pos > 0, "a mount that is marked has free space");
  return pos;
}

/** Bytes written; 0 where the device is full. */
function tryWrite(write: () => number): number {
  try {
    return write();
  } catch (error) {
    if (error instanceof FsError && error.code === "ENOSPC") return 0;
    throw error;
  }
}
