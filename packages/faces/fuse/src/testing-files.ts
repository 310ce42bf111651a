/** For tests of requests on files: a kernel with words for them. */
import { type Inode, O_CREAT, O_RDWR, type Personality, S_IFREG, type Vfs } from "@xiplab/core";
import type { ServeOptions } from "./connection.ts";
import * as structs from "./protocol/file-structs.ts";
import * as op from "./protocol/opcodes.ts";
import { type Answer, freshMount, named, nodeidOf, record, TestKernel } from "./testing.ts";

export const ROOT = 1;
const NOTHING = new Uint8Array();

/** A kernel with words for files. */
export class Files {
  readonly kernel: TestKernel;

  constructor(personality: Personality, options: ServeOptions = {}) {
    this.kernel = new TestKernel(freshMount(personality), options);
    this.kernel.start();
  }

  get vfs(): Vfs {
    return this.kernel.connection.vfs;
  }

  create(name: string, flags = O_RDWR | O_CREAT, mode = 0o644, umask = 0, who = {}): Answer {
    const body = record(structs.CREATE_IN, { flags, mode: S_IFREG | mode, umask });
    return this.kernel.call(op.FUSE_CREATE, ROOT, [body, named(name)], who);
  }

  open(nodeid: number, flags: number, openFlags = 0): Answer {
    const body = record(structs.OPEN_IN, { flags, openFlags });
    return this.kernel.call(op.FUSE_OPEN, nodeid, [body]);
  }

  read(nodeid: number, handle: number, offset: number, size: number): Answer {
    const body = record(structs.READ_IN, { handle, offset, size });
    return this.kernel.call(op.FUSE_READ, nodeid, [body]);
  }

  write(
    nodeid: number,
    handle: number,
    offset: number,
    data: Uint8Array,
    writeFlags = 0,
    who = {},
  ): Answer {
    const body = record(structs.WRITE_IN, { handle, offset, size: data.length, writeFlags });
    return this.kernel.call(op.FUSE_WRITE, nodeid, [body, data], who);
  }

  release(nodeid: number, handle: number): Answer {
    return this.kernel.call(op.FUSE_RELEASE, nodeid, [record(structs.RELEASE_IN, { handle })]);
  }

  /** A new file with `data`: its node and a handle for reading and writing. */
  file(name: string, data: Uint8Array = NOTHING): { node: number; handle: number } {
    const made = this.create(name);
    const [node, handle] = [nodeidOf(made), handleOf(made)];
    if (data.length > 0) this.write(node, handle, 0, data);
    return { node, handle };
  }

  inode(nodeid: number): Inode {
    return this.kernel.connection.nodes.get(nodeid);
  }
}

export const handleOf = ({ view, bytes }: Answer): number =>
  structs.OPEN_OUT.handle.get(view, bytes.length - structs.OPEN_OUT_SIZE);
export const openFlagsOf = ({ view, bytes }: Answer): number =>
  structs.OPEN_OUT.openFlags.get(view, bytes.length - structs.OPEN_OUT_SIZE);
export const writtenOf = ({ view }: Answer): number => structs.WRITE_OUT.size.get(view, 0);

/** Bytes that tell their place. */
export const pattern = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8) + seed) & 0xff);
