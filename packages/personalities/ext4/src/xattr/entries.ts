/** Attributes as lists: read and verified from an area, and written into one. */
import { assert, corrupt, copyName, type Name, nameFromBytes, verify } from "@xiplab/core";
import { padded, XATTR_END_SIZE, XATTR_ENTRY, XATTR_ENTRY_SIZE } from "../format/xattr.ts";

/** One attribute. */
export interface Xattr {
  /** INDEX_*, or one that nothing here knows: such entries are kept as they are. */
  readonly index: number;
  /** Without what the index stands for. */
  readonly name: Name;
  readonly value: Uint8Array;
}

/** Where entries and values stand. Value offsets count from `base`. */
export interface XattrArea {
  readonly view: DataView;
  /** First entry. */
  readonly start: number;
  readonly end: number;
  readonly base: number;
  /** For messages: "inode 12", "block 400". */
  readonly where: string;
}

/** All attributes of an area; values are copies. @throws CorruptionError */
export function readEntries(area: XattrArea): Xattr[] {
  const { view, start, end, where } = area;
  const found: Xattr[] = [];
  const e = XATTR_ENTRY;
  let at = start;
  for (;;) {
    const fits = at + XATTR_END_SIZE <= end;
    verify(fits, "ext4_xattr_entry", where, "entries", at - start, "an end inside the area");
    if (view.getUint32(at, true) === 0) break;
    const length = e.nameLength.get(view, at);
    const next = at + XATTR_ENTRY_SIZE + padded(length);
    const inside = next + XATTR_END_SIZE <= end;
    verify(inside, "ext4_xattr_entry", where, "nameLength", length, "a name inside the area");
    const name = nameFromBytes(bytesOf(view, at + XATTR_ENTRY_SIZE, length));
    found.push({ index: e.nameIndex.get(view, at), name, value: readValue(area, at) });
    at = next;
  }
  verifyValues(area, at + XATTR_END_SIZE);
  return found;
}

function readValue({ view, start, end, base, where }: XattrArea, at: number): Uint8Array {
  const size = XATTR_ENTRY.valueSize.get(view, at);
  const offset = XATTR_ENTRY.valueOffset.get(view, at);
  const ino = XATTR_ENTRY.valueIno.get(view, at);
  if (ino !== 0) corrupt("ext4_xattr_entry", where, "valueIno", ino, "0, without ea_inode");
  if (size === 0) return new Uint8Array(0);
  const inside = size <= end - start && base + offset >= start && base + offset + size <= end;
  verify(inside, "ext4_xattr_entry", where, "valueOffset", offset, "a value inside the area");
  return bytesOf(view, base + offset, size).slice();
}

/** Values stand behind the entries. */
function verifyValues({ view, start, base, where }: XattrArea, entriesEnd: number): void {
  for (let at = start; view.getUint32(at, true) !== 0;) {
    const offset = XATTR_ENTRY.valueOffset.get(view, at);
    const behind = XATTR_ENTRY.valueSize.get(view, at) === 0 || base + offset >= entriesEnd;
    verify(behind, "ext4_xattr_entry", where, "valueOffset", offset, "a place behind the entries");
    at += XATTR_ENTRY_SIZE + padded(XATTR_ENTRY.nameLength.get(view, at));
  }
}

/** Bytes that entries and values take, with what marks the end. */
export function sizeOfEntries(list: readonly Xattr[]): number {
  let size = XATTR_END_SIZE;
  for (const { name, value } of list) {
    size += XATTR_ENTRY_SIZE + padded(name.length) + padded(value.length);
  }
  return size;
}

/** Write the list into an area of own bytes, the rest of which becomes zeros. `hashed`: entries
 * carry their hashes. Returns the hash of all. */
export function writeEntries(area: XattrArea, list: readonly Xattr[], hashed: boolean): number {
  const { view, start, end, base } = area;
  assert(sizeOfEntries(list) <= end - start, "the attributes fit");
  bytesOf(view, start, end - start).fill(0);
  const e = XATTR_ENTRY;
  let at = start;
  let valueAt = end;
  let hashOfAll = 0;
  for (const { index, name, value } of list) {
    e.nameLength.set(view, at, name.length);
    e.nameIndex.set(view, at, index);
    copyName(name, bytesOf(view, at + XATTR_ENTRY_SIZE, name.length), 0);
    e.valueSize.set(view, at, value.length);
    valueAt -= padded(value.length);
    if (value.length > 0) e.valueOffset.set(view, at, valueAt - base);
    bytesOf(view, valueAt, value.length).set(value);
    if (hashed) {
      const hash = hashEntry(name, view, valueAt, padded(value.length));
      e.hash.set(view, at, hash);
      hashOfAll = ((hashOfAll << 16) ^ (hashOfAll >>> 16) ^ hash) >>> 0;
    }
    at += XATTR_ENTRY_SIZE + padded(name.length);
  }
  return hashOfAll;
}

/** e_hash: the name byte by byte, then the padded value word by word, each after a rotation. */
function hashEntry(name: Name, view: DataView, valueAt: number, valueSize: number): number {
  let hash = 0;
  for (let index = 0; index < name.length; index++) {
    hash = (hash << 5) ^ (hash >>> 27) ^ name.charCodeAt(index);
  }
  for (let at = valueAt; at < valueAt + valueSize; at += 4) {
    hash = (hash << 16) ^ (hash >>> 16) ^ view.getUint32(at, true);
  }
  return hash >>> 0;
}

/** As entries of a block are sorted. */
export function compareXattrs(a: Xattr, b: Xattr): number {
  if (a.index !== b.index) return a.index - b.index;
  if (a.name.length !== b.name.length) return a.name.length - b.name.length;
  return a.name < b.name ? -1 : Number(a.name > b.name);
}

/** The same attributes with the same values? */
export function areEqual(a: readonly Xattr[], b: readonly Xattr[]): boolean {
  if (a.length !== b.length) return false;
  return a.every((one, index) => {
    const other = b[index]!;
    return compareXattrs(one, other) === 0 && sameBytes(one.value, other.value);
  });
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

const bytesOf = (view: DataView, at: number, length: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + at, length);
