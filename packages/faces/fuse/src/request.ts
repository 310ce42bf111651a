/**
 * One request of the kernel, as it stands in the receive buffer. The object is reused: what must
 * outlive the handler (a lock that waits) copies what it needs.
 */
import { assert, FsError, type Name, nameFromBytes } from "@xiplab/core";
import {
  EXTENSION,
  EXTENSION_SIZE,
  FUSE_EXT_GROUPS,
  IN_HEADER,
  IN_HEADER_SIZE,
} from "./protocol/structs.ts";

const TWO_32 = 2 ** 32;
const NO_GROUPS: readonly number[] = [];

export class Request {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  opcode = 0;
  uniqueLow = 0;
  uniqueHigh = 0;
  /** Below 2^53: we gave it out. */
  nodeid = 0;
  uid = 0;
  gid = 0;
  pid = 0;
  /** The body: [at, end). `at` moves as it is read. Extensions of the header are behind `end`. */
  at = 0;
  end = 0;
  /** Of the extensions: [end, extensionsEnd). */
  extensionsEnd = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Take up the request of `length` bytes, a header at least, at the start of the buffer. HOT.
   * @returns false where the header does not fit what was received. */
  parse(length: number): boolean {
    const { view } = this;
    assert(length >= IN_HEADER_SIZE, "a request has a header");
    this.opcode = IN_HEADER.opcode.get(view, 0);
    this.uniqueLow = IN_HEADER.uniqueLow.get(view, 0);
    this.uniqueHigh = IN_HEADER.uniqueHigh.get(view, 0);
    this.nodeid = IN_HEADER.nodeidLow.get(view, 0) + IN_HEADER.nodeidHigh.get(view, 0) * TWO_32;
    this.uid = IN_HEADER.uid.get(view, 0);
    this.gid = IN_HEADER.gid.get(view, 0);
    this.pid = IN_HEADER.pid.get(view, 0);
    this.at = IN_HEADER_SIZE;
    this.extensionsEnd = length;
    this.end = length - IN_HEADER.extensionWords.get(view, 0) * 8;
    return this.end >= this.at && IN_HEADER.length.get(view, 0) === length;
  }

  /** Take a structure of `size` bytes off the body: returns where it stands in `view`.
   * @throws FsError EINVAL where the body is shorter */
  take(size: number): number {
    const { at } = this;
    if (at + size > this.end) throw new FsError("EINVAL", "the request is too short");
    this.at = at + size;
    return at;
  }

  /** Take a name, or a path, and the NUL behind it. @throws FsError EINVAL where no NUL is */
  takeName(): Name {
    const nul = this.bytes.indexOf(0, this.at);
    if (nul < 0 || nul >= this.end) throw new FsError("EINVAL", "a name without an end");
    const name = nameFromBytes(this.bytes, this.at, nul);
    this.at = nul + 1;
    return name;
  }

  /** Take the name of an entry that is to be made, moved or removed.
   * @throws FsError EINVAL for one that no entry has: a kernel does not send "." here */
  takeEntryName(): Name {
    const name = this.takeName();
    if (name === "" || name === "." || name === "..") throw new FsError("EINVAL", "not a name");
    return name;
  }

  /**
   * Groups of the caller beside his own, as far as the kernel tells: the directory's, if he is in it
   * (FUSE_CREATE_SUPP_GROUP). Other extensions (labels of security modules) are passed over.
   */
  groups(): readonly number[] {
    const { view, extensionsEnd } = this;
    for (let at = this.end; at + EXTENSION_SIZE <= extensionsEnd;) {
      const size = EXTENSION.size.get(view, at);
      if (size < EXTENSION_SIZE || at + size > extensionsEnd) break;
      if (EXTENSION.type.get(view, at) === FUSE_EXT_GROUPS) return this.groupsIn(at, size);
      at += Math.ceil(size / 8) * 8;
    }
    return NO_GROUPS;
  }

  /** struct fuse_supp_groups, behind the extension's header: a count, and as many numbers. */
  private groupsIn(extension: number, size: number): readonly number[] {
    const at = extension + EXTENSION_SIZE;
    const room = Math.floor((size - EXTENSION_SIZE) / 4) - 1;
    const groups: number[] = [];
    if (room < 0) return groups;
    const count = Math.min(this.view.getUint32(at, true), room);
    for (let index = 1; index <= count; index++) {
      groups.push(this.view.getUint32(at + index * 4, true));
    }
    return groups;
  }
}
