/** Devices of ours as files that other programs read, and back. Sparse both ways. */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { PAGE_SIZE, Pmem, type PmemDevice, SEGMENT_SIZE, type SegmentSource } from "@xiplab/core";
import { libc } from "@xiplab/testkit/kernel";

/** A path, or a device, which is written to a temporary file for the time of the call. */
export type Image = string | PmemDevice;

const SEEK_DATA = 3;
const NO_DATA = -1;
const ZEROS = Buffer.alloc(SEGMENT_SIZE);

/** A directory of its own for `body`, gone afterwards, also when `body` throws. */
export function withTempDirectory<T>(body: (directory: string) => T): T {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "xiplab-"));
  try {
    return body(directory);
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/** Call `body` with the path of a file that holds the image. */
export function withImageFile<T>(image: Image, body: (file: string) => T): T {
  if (typeof image === "string") return body(image);
  return withTempDirectory((directory) => {
    const file = path.join(directory, "image");
    writeImage(image, file);
    return body(file);
  });
}

/** Write what the device holds now (not only what is durable) to a new file; zeros become holes. */
export function writeImage(device: PmemDevice, file: string): void {
  const fd = fs.openSync(file, "w");
  try {
    fs.ftruncateSync(fd, device.size);
    const segment = Buffer.alloc(SEGMENT_SIZE);
    for (let offset = 0; offset < device.size; offset += SEGMENT_SIZE) {
      const length = Math.min(SEGMENT_SIZE, device.size - offset);
      // Not through a view: that would give every untouched segment its memory.
      device.load(offset, segment, 0, length);
      writeRuns(fd, segment.subarray(0, length), offset);
    }
  } finally {
    fs.closeSync(fd);
  }
}

/** Write the runs of pages that are not zero. */
function writeRuns(fd: number, bytes: Buffer, offset: number): void {
  if (bytes.equals(ZEROS.subarray(0, bytes.length))) return;
  const zeroPage = ZEROS.subarray(0, PAGE_SIZE);
  const isZero = (at: number): boolean => bytes.subarray(at, at + PAGE_SIZE).equals(zeroPage);
  for (let at = 0; at < bytes.length;) {
    let end = at;
    while (end < bytes.length && !isZero(end)) end += PAGE_SIZE;
    if (end > at) fs.writeSync(fd, bytes, at, end - at, offset + at);
    at = end + PAGE_SIZE;
  }
}

/**
 * A device in memory with what a file holds now. Later changes of either do not show in the other.
 * @throws Error where the size is no multiple of the page size.
 */
export function readImage(file: string): Pmem {
  const fd = fs.openSync(file, "r");
  try {
    const { size } = fs.fstatSync(fd);
    if (size === 0 || size % PAGE_SIZE !== 0) throw new Error(`${file} has ${size} bytes`);
    const source = new FileSource(fd);
    const device = new Pmem(size, "adr", source);
    for (let offset = nextData(fd, 0); offset !== NO_DATA; offset = nextData(fd, offset)) {
      const segment = Math.floor(offset / SEGMENT_SIZE) * SEGMENT_SIZE;
      // Touching it reads the segment.
      device.view(segment, 1);
      offset = segment + SEGMENT_SIZE;
    }
    source.isRead = true;
    return device;
  } finally {
    fs.closeSync(fd);
  }
}

/** Byte of the first data at or after `offset`, or NO_DATA. */
const nextData = (fd: number, offset: number): number =>
  Number(libc.lseek(fd, BigInt(offset), SEEK_DATA));

class FileSource implements SegmentSource {
  /** Everything that is no hole has been read: nothing is asked of the file any more. */
  isRead = false;
  private readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  read(offset: number, target: Uint8Array): void {
    if (this.isRead) return;
    for (let done = 0; done < target.length;) {
      const got = fs.readSync(this.fd, target, done, target.length - done, offset + done);
      if (got === 0) throw new Error("the image became shorter while it was read");
      done += got;
    }
  }

  isHole(): boolean {
    return this.isRead;
  }
}
