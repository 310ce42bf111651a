/** Open files and mapped regions of the model. */
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  O_ACCMODE,
  O_APPEND,
  O_RDONLY,
  O_WRONLY,
  PAGE_SIZE,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
  W_OK,
} from "@xiplab/core";
import type { ModelFs } from "./model-fs.ts";
import { type ModelNode, dropPrivileges, fail } from "./node.ts";

export class ModelFile {
  readonly fs: ModelFs;
  readonly node: ModelNode;
  readonly flags: number;
  pos = 0;
  /** A file without a name that may get one. */
  linkable = false;

  constructor(fs: ModelFs, node: ModelNode, flags: number) {
    this.fs = fs;
    this.node = node;
    this.flags = flags;
  }

  get readable(): boolean {
    return (this.flags & O_ACCMODE) !== O_WRONLY;
  }
  get writable(): boolean {
    return (this.flags & O_ACCMODE) !== O_RDONLY;
  }

  /** `pos` null: read(2), at the position of the file. */
  read(pos: number | null, length: number): Uint8Array {
    if (!this.readable) fail("EBADF");
    if (this.node.isDirectory) fail("EISDIR");
    const bytes = this.node.content.read(pos ?? this.pos, length);
    if (pos === null) this.pos += bytes.length;
    return bytes;
  }

  /** `dataAt` gives the bytes for the position where they land. Returns the bytes written. */
  write(pos: number | null, length: number, dataAt: (pos: number) => Uint8Array): number {
    if (!this.writable) fail("EBADF");
    if (length === 0) return 0;
    const { node, fs } = this;
    // Linux: O_APPEND wins over the position of pwrite(2) too.
    const at = this.flags & O_APPEND ? node.content.size : (pos ?? this.pos);
    if (at >= fs.limits.sizeMax) fail("EFBIG");
    const room = Math.min(length, fs.limits.sizeMax - at);
    dropPrivileges(fs.who, node);
    node.content.write(at, dataAt(at).subarray(0, room));
    node.changed(fs.now);
    if (pos === null) this.pos = at + room;
    return room;
  }

  seek(offset: number, whence: number): number {
    const size = this.node.content.size;
    const bases = new Map([
      [SEEK_SET, 0],
      [SEEK_CUR, this.pos],
      [SEEK_END, size],
    ]);
    const base = bases.get(whence);
    if (base === undefined) fail("EINVAL");
    if (base + offset < 0 || base + offset > this.fs.limits.sizeMax) fail("EINVAL");
    this.pos = base + offset;
    return this.pos;
  }

  /** Where a walk with SEEK_DATA and SEEK_HOLE ends. */
  sizeToSeek(): number {
    if (!this.readable) fail("EBADF");
    if (!this.node.isRegular) fail("EISDIR");
    return this.node.content.size;
  }

  /** ftruncate(2). */
  truncate(size: number): void {
    if (size < 0) fail("EINVAL");
    if (!this.node.isRegular || !this.writable) fail("EINVAL");
    setSize(this.fs, this.node, size);
  }

  fallocate(mode: number, pos: number, length: number): void {
    if (pos < 0 || length <= 0) fail("EINVAL");
    const keepSize = !!(mode & FALLOC_FL_KEEP_SIZE);
    const what = mode & ~FALLOC_FL_KEEP_SIZE;
    const needsKeepSize = what === FALLOC_FL_PUNCH_HOLE;
    if (!FALLOC_MODES.has(what) || (needsKeepSize && !keepSize)) fail("EOPNOTSUPP");
    const moves = what === FALLOC_FL_COLLAPSE_RANGE || what === FALLOC_FL_INSERT_RANGE;
    if (moves && keepSize) fail("EOPNOTSUPP");
    if (!this.writable) fail("EBADF");
    const { node, fs } = this;
    if (!node.isRegular) fail("ENODEV");
    if (pos + length > fs.limits.sizeMax) fail("EFBIG");
    // Before the range is looked at: a refused call costs privileges too, and perhaps the times.
    dropPrivileges(fs.who, node);
    node.mtime = node.ctime = null;
    if (moves) this.checkMove(what, pos, length);
    node.changed(fs.now);
    const { content } = node;
    if (what === FALLOC_FL_COLLAPSE_RANGE) content.collapse(pos, length);
    else if (what === FALLOC_FL_INSERT_RANGE) content.insert(pos, length);
    else if (what !== 0) content.zero(pos, pos + length);
    if (what === 0 || what === FALLOC_FL_ZERO_RANGE) content.allocate(pos, pos + length);
    if (moves) fs.dropPrivatePages(node, pos);
    if (!moves && !keepSize) content.size = Math.max(content.size, pos + length);
  }

  private checkMove(what: number, pos: number, length: number): void {
    const { size } = this.node.content;
    if (pos % PAGE_SIZE !== 0 || length % PAGE_SIZE !== 0) fail("EINVAL");
    if (what === FALLOC_FL_INSERT_RANGE) {
      if (size + length > this.fs.limits.sizeMax) fail("EFBIG");
      if (pos >= size) fail("EINVAL");
    } else if (pos + length >= size) {
      fail("EINVAL");
    }
  }

  map(pos: number, length: number, shared: boolean, writable: boolean): ModelRegion {
    if (length <= 0 || pos % PAGE_SIZE !== 0) fail("EINVAL");
    if (!this.readable) fail("EACCES");
    if (shared && writable && !this.writable) fail("EACCES");
    if (!this.node.isRegular) fail("ENODEV");
    return new ModelRegion(this.fs, this.node, pos, length, shared, writable);
  }
}

const FALLOC_MODES = new Set([
  0,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
]);

/** truncate(2) on a path: permission counts, not an open mode. */
export function truncatePath(fs: ModelFs, path: string, size: number): void {
  if (size < 0) fail("EINVAL");
  const node = fs.lookup(path, true);
  if (node.isDirectory) fail("EISDIR");
  if (!node.isRegular) fail("EINVAL");
  fs.permit(node, W_OK);
  const open = size === node.content.size;
  setSize(fs, node, size);
  // To the size that it has: ext4 moves the times, XFS does not.
  if (open) node.mtime = node.ctime = null;
}

/** Through an open file the times change even if the size does not. */
function setSize(fs: ModelFs, node: ModelNode, size: number): void {
  if (size > fs.limits.sizeMax) fail("EFBIG");
  dropPrivileges(fs.who, node);
  node.changed(fs.now);
  node.content.truncate(size);
  fs.dropPrivatePages(node, size);
}

/** A mapped part of a file: its stores are the file's bytes, or private copies of pages. */
export class ModelRegion {
  readonly fs: ModelFs;
  readonly node: ModelNode;
  readonly pos: number;
  readonly length: number;
  private readonly shared: boolean;
  private readonly writable: boolean;
  /** Copies by page index of the file (MAP_PRIVATE). */
  private readonly copies = new Map<number, Uint8Array>();

  constructor(
    fs: ModelFs,
    node: ModelNode,
    pos: number,
    length: number,
    shared: boolean,
    writable: boolean,
  ) {
    this.fs = fs;
    this.node = node;
    this.pos = pos;
    this.length = length;
    this.shared = shared;
    this.writable = writable;
  }

  /** The bytes up to the end of the file; "SIGBUS" where a page lies wholly beyond. */
  load(offset: number, length: number): Uint8Array | "SIGBUS" {
    this.check(offset, length);
    const { content } = this.node;
    const from = this.pos + offset;
    if (length > 0 && from + length > roundUp(content.size)) return "SIGBUS";
    const bytes = content.read(from, length);
    for (let done = 0; done < bytes.length;) {
      const at = from + done;
      const part = Math.min(PAGE_SIZE - (at % PAGE_SIZE), bytes.length - done);
      const copy = this.copies.get(Math.floor(at / PAGE_SIZE));
      if (copy) bytes.set(copy.subarray(at % PAGE_SIZE, (at % PAGE_SIZE) + part), done);
      done += part;
    }
    return bytes;
  }

  /** Ascending: what lies before a page that faults is stored. */
  store(offset: number, data: Uint8Array): null | "SIGBUS" {
    this.check(offset, data.length);
    if (!this.writable) fail("EACCES");
    const { content } = this.node;
    for (let done = 0; done < data.length;) {
      const at = this.pos + offset + done;
      if (at >= roundUp(content.size)) return "SIGBUS";
      const part = Math.min(PAGE_SIZE - (at % PAGE_SIZE), data.length - done);
      this.storePart(at, data.subarray(done, done + part));
      done += part;
    }
    return null;
  }

  dropPrivatePages(from: number): void {
    for (const index of this.copies.keys()) {
      if (index * PAGE_SIZE >= roundUp(from)) this.copies.delete(index);
    }
  }

  check(offset: number, length: number): void {
    if (offset < 0 || length < 0 || offset + length > this.length) fail("EFAULT");
  }

  private storePart(at: number, data: Uint8Array): void {
    const { content } = this.node;
    if (this.shared) {
      // What is stored beyond the end of the file never becomes part of it.
      content.write(at, data.subarray(0, Math.max(0, content.size - at)));
      this.node.mtime = null;
      this.node.ctime = null;
      return;
    }
    const index = Math.floor(at / PAGE_SIZE);
    let copy = this.copies.get(index);
    if (!copy) {
      copy = new Uint8Array(PAGE_SIZE);
      copy.set(content.read(index * PAGE_SIZE, PAGE_SIZE));
      this.copies.set(index, copy);
    }
    copy.set(data, at % PAGE_SIZE);
  }
}

const roundUp = (size: number): number => Math.ceil(size / PAGE_SIZE) * PAGE_SIZE;
