/**
 * A file of the host as a device. Core knows no host: its file functions come in, and `node:fs` fits.
 * Where a mapper comes in too and can map the file, its memory is the device's: see host-mapping.ts.
 * What follows is of the other way, which works everywhere.
 *
 * Reading: a segment is read when it is first touched, so that opening costs nothing.
 *
 * Writing, in fence order, so that killing the process at any instant leaves a crash state that the
 * persistence model allows (see in-flight.ts):
 * - `adr`: at a fence, exactly the lines that were flushed or stored non-temporally since the last
 *   fence are written, each with what it holds now. Why that is legal: until the fence returns these
 *   lines are in flight, so any part of them may be durable; and what was stored to a line after its
 *   flush may have been evicted with it. Lines that are dirty and not flushed stay in memory.
 * - `eadr`: every store is written when it is made, in order, since it is durable at once.
 * - `close` writes what is left and syncs. A fence does not sync: a killed process loses nothing
 *   that is durable, a host that loses power may.
 *
 * Sparse files stay sparse: zeros are never written over a page that is zero in the file, be it a
 * hole or not. Zeroing memory that was never touched over a hole reads and writes nothing.
 *
 * A short file (cut by somebody else meanwhile) reads as zeros beyond its end. Host errors come as
 * FsError: EIO once the device is open, with what the host said.
 */
import { type PersistenceDomain, SEGMENT_SIZE } from "../spec/device.ts";
import { assert, FsError } from "../spec/errors.ts";
import { LINE_SIZE, PAGE_SIZE } from "../spec/units.ts";
import { attemptAccess, codeOf, hostError, openError } from "./host-errors.ts";
import { type HostMapper, MappedImage } from "./host-mapping.ts";
import { createPmem, ObservedPmem } from "./observed.ts";
import type { PmemObserver } from "./observer.ts";
import type { Pmem, SegmentSource } from "./pmem.ts";

/** What is needed of the host: a structural subset of `node:fs`. */
export interface HostFs {
  openSync(path: string, flags: string): number;
  closeSync(fd: number): void;
  unlinkSync(path: string): void;
  fstatSync(fd: number): { readonly size: number; isFile(): boolean };
  ftruncateSync(fd: number, length: number): void;
  fsyncSync(fd: number): void;
  readSync(fd: number, target: Uint8Array, at: number, length: number, position: number): number;
  writeSync(fd: number, source: Uint8Array, at: number, length: number, position: number): number;
}

export interface HostFileOptions {
  /**
   * Bytes, a multiple of 4096. Needed to make a file or to fill an empty one; a file that has a size
   * has to have this one.
   */
  readonly size?: number;
  /** Make the file if it is not there. Nothing that is there is ever emptied. */
  readonly create?: boolean;
  /** Stores are refused with EROFS; the file need not be writable. */
  readonly readOnly?: boolean;
  /** Default: adr. */
  readonly domain?: PersistenceDomain;
  /** They hear of an event before the file is written. */
  readonly observers?: readonly PmemObserver[];
  /** Maps the file where it can; where it cannot, or there is none, the file is written. */
  readonly mapper?: HostMapper | undefined;
}

/** An open file. Close it: what was stored and not flushed is written then. */
export interface HostFile {
  readonly device: Pmem;
  readonly path: string;
  readonly readOnly: boolean;
  /** Why the file is not mapped, in words; null where it is. */
  readonly notMapped: string | null;
  /** Write what is left, sync and close. The device must not be used afterwards. */
  close(): void;
}

/**
 * Open a file as a device. `file` is a path, or a descriptor, which `close` closes too.
 * @throws FsError ENOENT, EACCES, EROFS, EISDIR, ...: what the host said of the file; EINVAL where
 *   it is no regular file or has not the size of a device. Nothing was changed then.
 */
export function openHostFile(
  host: HostFs,
  file: string | number,
  options: HostFileOptions = {},
): HostFile {
  const path = typeof file === "string" ? file : `file descriptor ${file}`;
  if (options.size !== undefined) checkSize(path, options.size);
  const { fd, created } = openDescriptor(host, file, options);
  try {
    const size = settleSize(host, fd, path, options);
    return openImage(host, fd, path, size, options);
  } catch (error) {
    if (typeof file === "string") host.closeSync(fd);
    if (created) host.unlinkSync(path);
    throw error;
  }
}

function openImage(
  host: HostFs,
  fd: number,
  path: string,
  size: ImageSize,
  options: HostFileOptions,
): HostFile {
  const { domain = "adr", readOnly = false, mapper } = options;
  const guards = [...(options.observers ?? []), ...(readOnly ? [new ReadOnlyGuard(path)] : [])];
  const mapping = mapper?.map(fd, size.bytes, !readOnly) ?? NO_MAPPER;
  if (typeof mapping !== "string") {
    const memory = new MappedImage(host, fd, path, mapping);
    const device = createPmem({ size: size.bytes, domain, observers: guards, memory });
    return { device, path, readOnly, notMapped: null, close: () => memory.close(!readOnly) };
  }
  const image = new HostImage(host, fd, path, size, domain);
  const observers = readOnly ? guards : [...guards, image];
  const device = new ObservedPmem({ size: size.bytes, domain, observers, source: image });
  return { device, path, readOnly, notMapped: mapping, close: () => image.close(!readOnly) };
}

const NO_MAPPER = "nobody was given who could map it";

interface ImageSize {
  readonly bytes: number;
  /** From here on the file is known to be a hole. */
  readonly holeFrom: number;
}

function openDescriptor(
  host: HostFs,
  file: string | number,
  options: HostFileOptions,
): { fd: number; created: boolean } {
  if (typeof file === "number") return { fd: file, created: false };
  const readOnly = options.readOnly ?? false;
  try {
    return { fd: host.openSync(file, readOnly ? "r" : "r+"), created: false };
  } catch (error) {
    const makes = options.create === true && !readOnly;
    if (codeOf(error) !== "ENOENT" || !makes) throw openError(file, readOnly, error);
  }
  if (options.size === undefined) throw new FsError("EINVAL", `${file}: a new file needs a size`);
  try {
    return { fd: host.openSync(file, "wx+"), created: true };
  } catch (error) {
    throw openError(file, readOnly, error);
  }
}

function settleSize(host: HostFs, fd: number, path: string, options: HostFileOptions): ImageSize {
  const stat = host.fstatSync(fd);
  if (!stat.isFile()) throw new FsError("EINVAL", `${path} is not a regular file`);
  if (stat.size > 0) {
    checkSize(path, stat.size);
    if (options.size !== undefined && options.size !== stat.size) {
      throw new FsError("EINVAL", `${path} has ${stat.size} bytes, not ${options.size}`);
    }
    return { bytes: stat.size, holeFrom: stat.size };
  }
  if (options.size === undefined) throw new FsError("EINVAL", `${path} is empty: give it a size`);
  if (options.readOnly) throw new FsError("EINVAL", `${path} is empty and opened for reading only`);
  try {
    host.ftruncateSync(fd, options.size);
  } catch (error) {
    throw hostError(path, `cannot be given ${options.size} bytes`, error);
  }
  return { bytes: options.size, holeFrom: 0 };
}

function checkSize(path: string, size: number): void {
  if (Number.isSafeInteger(size) && size > 0 && size % PAGE_SIZE === 0) return;
  const next = Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
  throw new FsError(
    "EINVAL",
    `${path}: ${size} bytes are no multiple of ${PAGE_SIZE}; if it is an image, make it ${next} long`,
  );
}

/** Stands in the place of the image where nothing may be written. */
class ReadOnlyGuard implements PmemObserver {
  private readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  beforeStore(): void {
    throw new FsError("EROFS", `${this.path} was opened for reading only`);
  }
}

const LINES_PER_SEGMENT = SEGMENT_SIZE / LINE_SIZE;
const PAGES_PER_SEGMENT = SEGMENT_SIZE / PAGE_SIZE;
const PROBE_SIZE = 64 * 1024;

class HostImage implements PmemObserver, SegmentSource {
  readonly domain: PersistenceDomain;
  private readonly host: HostFs;
  private readonly fd: number;
  private readonly path: string;
  private readonly size: ImageSize;
  /** The device's own memory, by segment index: kept from when it was read. */
  private readonly segments = new Map<number, Uint8Array>();
  /** One bit per line that has cached stores and was not flushed since. */
  private readonly dirty = new Map<number, Uint32Array>();
  /** One bit per page that may hold more than zeros in the file. */
  private readonly filled = new Map<number, Uint32Array>();
  /** Byte ranges that the next fence writes, whole lines, as they came. */
  private queue: Range[] = [];
  private probe: Uint8Array | null = null;
  private isClosed = false;

  constructor(host: HostFs, fd: number, path: string, size: ImageSize, domain: PersistenceDomain) {
    this.host = host;
    this.fd = fd;
    this.path = path;
    this.size = size;
    this.domain = domain;
  }

  read(offset: number, target: Uint8Array): void {
    this.checkOpen();
    this.segments.set(Math.floor(offset / SEGMENT_SIZE), target);
    if (offset < this.size.holeFrom) this.readSegment(offset, target);
  }

  /** Zeros are left out: memory that nobody wrote takes none of the host's. */
  private readSegment(offset: number, target: Uint8Array): void {
    this.probe ??= new Uint8Array(new ArrayBuffer(PROBE_SIZE));
    for (let done = 0; done < target.length; done += PROBE_SIZE) {
      const wanted = Math.min(PROBE_SIZE, target.length - done);
      const read = this.readFile(offset + done, this.probe, wanted);
      if (!isZero(this.probe, 0, read)) target.set(this.probe.subarray(0, read), done);
      if (read < wanted) return;
    }
  }

  isHole(offset: number, length: number): boolean {
    this.checkOpen();
    return offset >= this.size.holeFrom || this.isZeroInFile(offset, length);
  }

  onSnapshot(): void {
    assert(false, "a device on a host file has no snapshots: the file would not be turned back");
  }

  beforeStore(): void {
    this.checkOpen();
  }

  onStore(offset: number, bytes: Uint8Array, nonTemporal: boolean): void {
    // Zeros over a segment that does not exist: the file has them already.
    if (!this.segments.has(Math.floor(offset / SEGMENT_SIZE))) return;
    const from = offset - (offset % LINE_SIZE);
    const end = Math.ceil((offset + bytes.length) / LINE_SIZE) * LINE_SIZE;
    if (this.domain === "eadr") this.writeRange({ from, end });
    else if (nonTemporal) this.enqueue(from, end);
    else this.markDirty(from, end);
  }

  onFlush(offset: number, length: number): void {
    if (this.dirty.size === 0) return;
    const last = Math.floor((offset + length - 1) / LINE_SIZE);
    for (let line = Math.floor(offset / LINE_SIZE); line <= last; line++) {
      const bits = this.dirty.get(Math.floor(line / LINES_PER_SEGMENT));
      if (bits === undefined || !takeBit(bits, line % LINES_PER_SEGMENT)) continue;
      this.enqueue(line * LINE_SIZE, (line + 1) * LINE_SIZE);
    }
  }

  /** What was flushed or stored non-temporally reaches the file; on failure it stays in the queue. */
  onFence(): void {
    if (this.queue.length === 0) return;
    for (const range of merge(this.queue)) this.writeRange(range);
    this.queue = [];
  }

  close(write: boolean): void {
    if (this.isClosed) return;
    if (write) {
      this.enqueueDirty();
      this.onFence();
      this.attempt("cannot be synced", () => this.host.fsyncSync(this.fd));
    }
    this.isClosed = true;
    this.host.closeSync(this.fd);
  }

  private enqueue(from: number, end: number): void {
    const last = this.queue.at(-1);
    if (last !== undefined && last.end === from) last.end = end;
    else this.queue.push({ from, end });
  }

  private markDirty(from: number, end: number): void {
    const index = Math.floor(from / SEGMENT_SIZE);
    const bits = bitsOf(this.dirty, index, LINES_PER_SEGMENT);
    const first = from / LINE_SIZE - index * LINES_PER_SEGMENT;
    const count = (end - from) / LINE_SIZE;
    for (let line = first; line < first + count; line++) setBit(bits, line);
  }

  private enqueueDirty(): void {
    for (const [index, bits] of this.dirty) {
      for (let line = 0; line < LINES_PER_SEGMENT; line++) {
        if (!takeBit(bits, line)) continue;
        const from = index * SEGMENT_SIZE + line * LINE_SIZE;
        this.enqueue(from, from + LINE_SIZE);
      }
    }
  }

  /** Write lines, page by page, but leave out zeros where the file is zero. */
  private writeRange({ from, end }: Range): void {
    let runFrom = from;
    for (let at = from; at < end;) {
      const pageEnd = Math.min(end, (Math.floor(at / PAGE_SIZE) + 1) * PAGE_SIZE);
      if (this.isPointless(at, pageEnd)) {
        this.writeRun(runFrom, at);
        runFrom = pageEnd;
      }
      // A run is written from one piece of memory.
      if (pageEnd % SEGMENT_SIZE === 0) {
        this.writeRun(runFrom, pageEnd);
        runFrom = pageEnd;
      }
      at = pageEnd;
    }
    this.writeRun(runFrom, end);
  }

  /** Is [from, end), inside one page, zero in memory and in the file? If not, the page is filled. */
  private isPointless(from: number, end: number): boolean {
    const index = Math.floor(from / SEGMENT_SIZE);
    const page = Math.floor(from / PAGE_SIZE) - index * PAGES_PER_SEGMENT;
    const bits = bitsOf(this.filled, index, PAGES_PER_SEGMENT);
    if (getBit(bits, page)) return false;
    const at = from - index * SEGMENT_SIZE;
    const pageFrom = from - (from % PAGE_SIZE);
    if (isZero(this.memory(index), at, end - from)) {
      if (this.isHole(pageFrom, PAGE_SIZE)) return true;
    }
    setBit(bits, page);
    return false;
  }

  private writeRun(from: number, end: number): void {
    if (from >= end) return;
    const index = Math.floor(from / SEGMENT_SIZE);
    const memory = this.memory(index);
    assert(end <= (index + 1) * SEGMENT_SIZE, "a run lies in one segment");
    this.attempt("cannot be written", () => {
      for (let at = from; at < end;) {
        const start = at - index * SEGMENT_SIZE;
        const written = this.host.writeSync(this.fd, memory, start, end - at, at);
        assert(written > 0, "a write that does not fail goes on");
        at += written;
      }
    });
  }

  private memory(index: number): Uint8Array {
    const memory = this.segments.get(index);
    assert(memory !== undefined, "what is written was in memory before");
    return memory;
  }

  /** Read up to `length` bytes; returns fewer at the end of the file. */
  private readFile(offset: number, target: Uint8Array, length: number): number {
    let done = 0;
    this.attempt("cannot be read", () => {
      while (done < length) {
        const read = this.host.readSync(this.fd, target, done, length - done, offset + done);
        if (read === 0) break;
        done += read;
      }
    });
    return done;
  }

  private isZeroInFile(offset: number, length: number): boolean {
    this.probe ??= new Uint8Array(new ArrayBuffer(PROBE_SIZE));
    for (let done = 0; done < length; done += PROBE_SIZE) {
      const wanted = Math.min(PROBE_SIZE, length - done);
      const read = this.readFile(offset + done, this.probe, wanted);
      if (!isZero(this.probe, 0, read)) return false;
    }
    return true;
  }

  private attempt(what: string, access: () => void): void {
    attemptAccess(this.path, what, access);
  }

  private checkOpen(): void {
    if (this.isClosed) throw new FsError("EBADF", `${this.path} is closed`);
  }
}

interface Range {
  readonly from: number;
  end: number;
}

/** Ranges in ascending order, those that touch joined: fewer and longer writes. */
function merge(ranges: Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of ranges.sort((one, other) => one.from - other.from)) {
    const last = merged.at(-1);
    if (last !== undefined && range.from <= last.end) last.end = Math.max(last.end, range.end);
    else merged.push({ ...range });
  }
  return merged;
}

function bitsOf(map: Map<number, Uint32Array>, index: number, count: number): Uint32Array {
  let bits = map.get(index);
  if (bits === undefined) {
    bits = new Uint32Array(count / 32);
    map.set(index, bits);
  }
  return bits;
}

const getBit = (bits: Uint32Array, index: number): boolean =>
  (bits[index >>> 5]! & (1 << (index & 31))) !== 0;

function setBit(bits: Uint32Array, index: number): void {
  bits[index >>> 5]! |= 1 << (index & 31);
}

/** Clear the bit; was it set? */
function takeBit(bits: Uint32Array, index: number): boolean {
  const wasSet = getBit(bits, index);
  if (wasSet) bits[index >>> 5]! &= ~(1 << (index & 31));
  return wasSet;
}

function isZero(bytes: Uint8Array, start: number, length: number): boolean {
  assert(start % 4 === 0, "lines and pages are read as words");
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset + start, Math.floor(length / 4));
  for (let index = 0; index < words.length; index++) if (words[index] !== 0) return false;
  for (let index = words.length * 4; index < length; index++) {
    if (bytes[start + index] !== 0) return false;
  }
  return true;
}
