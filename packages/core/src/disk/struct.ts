/**
 * Disk structures as field tables. A table is declared once and checked when the module loads: a
 * gap, an overlap or a wrong total throws. The same table reads and writes, dumps, documents, and
 * tells a fuzzer what there is to break.
 *
 *     const EXTENT = struct("extent", 12, {
 *       lblk: u32le<Lblk>(0x0), length: u16le(0x4), reserved: pad(0x6, 2), pblk: u32le<Pblk>(0x8),
 *     });
 *     EXTENT.pblk.get(view, at);
 *     EXTENT.pblk.set(view, at, pblk);
 *
 * A record is a DataView and the place of its first byte, never an object of its own. Endianness
 * is the field's class, so that each access is one call of one known method.
 */
import { assert } from "../spec/errors.ts";
import { formatUuid, parseUuid, textFromField, textToBytes } from "./text.ts";

/** One field of a structure. */
export interface Field<T> {
  /** Bytes from the start of the structure. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  readonly type: FieldType;
  /** HOT. */
  get(view: DataView, at: number): T;
  /** HOT. Into memory that is the caller's own: a device is written through its stores. */
  set(view: DataView, at: number, value: T): void;
}

export type FieldType =
  | "u8"
  | "u16le"
  | "u32le"
  | "u64le"
  | "i64le"
  | "u16be"
  | "u32be"
  | "u64be"
  | "bytes"
  | "pad"
  | "text"
  | "uuid";

const LAYOUT: unique symbol = Symbol("layout");

/** A field table with its name and size. */
export type Struct<Fields> = Fields & { readonly [LAYOUT]: Layout };

export interface Layout {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** In the order of their offsets, padding included. */
  readonly fields: ReadonlyArray<readonly [name: string, field: Field<unknown>]>;
}

/**
 * Declare a structure of `size` bytes. The fields may stand in any order, and together they cover
 * every byte once. @throws Error naming the structure, the field and the offset where they do not.
 */
export function struct<Fields extends Readonly<Record<string, Field<unknown>>>>(
  name: string,
  size: number,
  fields: Fields,
): Struct<Fields> {
  const sorted = Object.entries(fields).sort(([, a], [, b]) => a.offset - b.offset);
  let end = 0;
  for (const [field, { offset, size: fieldSize }] of sorted) {
    if (offset !== end) {
      const what = offset > end ? "leaves a gap" : "overlaps the field before";
      throw new Error(`${name}.${field} at ${hex(offset)} ${what}, which ends at ${hex(end)}`);
    }
    end += fieldSize;
  }
  if (end !== size) throw new Error(`${name} ends at ${hex(end)}, its size is ${hex(size)}`);
  return { ...fields, [LAYOUT]: { name, size, fields: sorted } };
}

/** Name, size and fields of a structure. */
export const layoutOf = (structure: Struct<object>): Layout => structure[LAYOUT];

/** Bytes of a structure. */
export const sizeOf = (structure: Struct<object>): number => structure[LAYOUT].size;

/** Every field of the record at `at` but padding, as text, in order: for dumps and `xip info`. */
export function describe(
  structure: Struct<object>,
  view: DataView,
  at: number,
): Array<readonly [name: string, value: string]> {
  const { fields } = structure[LAYOUT];
  const named = fields.filter(([, field]) => field.type !== "pad");
  return named.map(([name, field]) => [name, textOf(field.get(view, at))] as const);
}

function textOf(value: unknown): string {
  if (!(value instanceof Uint8Array)) return String(value);
  return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const hex = (offset: number): string => `0x${offset.toString(16)}`;

/** To the nearest number that is exact, and so can be written back. */
const clamp = (value: number): number =>
  Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));

class U8<T extends number> implements Field<T> {
  readonly type = "u8";
  readonly size = 1;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, at: number): T {
    return view.getUint8(at + this.offset) as T;
  }
  set(view: DataView, at: number, value: T): void {
    view.setUint8(at + this.offset, value);
  }
}

class U16le<T extends number> implements Field<T> {
  readonly type = "u16le";
  readonly size = 2;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, at: number): T {
    return view.getUint16(at + this.offset, true) as T;
  }
  set(view: DataView, at: number, value: T): void {
    view.setUint16(at + this.offset, value, true);
  }
}

class U32le<T extends number> implements Field<T> {
  readonly type = "u32le";
  readonly size = 4;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, at: number): T {
    return view.getUint32(at + this.offset, true) as T;
  }
  set(view: DataView, at: number, value: T): void {
    view.setUint32(at + this.offset, value, true);
  }
}

class U64le<T extends number> implements Field<T> {
  readonly type = "u64le";
  readonly size = 8;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, at: number): T {
    const low = view.getUint32(at + this.offset, true);
    return clamp(low + view.getUint32(at + this.offset + 4, true) * 2 ** 32) as T;
  }
  set(view: DataView, at: number, value: T): void {
    assert(Number.isSafeInteger(value), "a 64-bit field is set to an exact integer");
    assert(value >= 0, "an unsigned field is set to a value that is not negative");
    view.setUint32(at + this.offset, value >>> 0, true);
    view.setUint32(at + this.offset + 4, Math.floor(value / 2 ** 32), true);
  }
}

class I64le implements Field<number> {
  readonly type = "i64le";
  readonly size = 8;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, at: number): number {
    const low = view.getUint32(at + this.offset, true);
    return clamp(low + view.getInt32(at + this.offset + 4, true) * 2 ** 32);
  }
  set(view: DataView, at: number, value: number): void {
    assert(Number.isSafeInteger(value), "a 64-bit field is set to an exact integer");
    view.setUint32(at + this.offset, value >>> 0, true);
    view.setInt32(at + this.offset + 4, Math.floor(value / 2 ** 32), true);
  }
}

class U16be<T extends number> implements Field<T> {
  readonly type = "u16be";
  readonly size = 2;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, at: number): T {
    return view.getUint16(at + this.offset) as T;
  }
  set(view: DataView, at: number, value: T): void {
    view.setUint16(at + this.offset, value);
  }
}

class U32be<T extends number> implements Field<T> {
  readonly type = "u32be";
  readonly size = 4;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, at: number): T {
    return view.getUint32(at + this.offset) as T;
  }
  set(view: DataView, at: number, value: T): void {
    view.setUint32(at + this.offset, value);
  }
}

class U64be<T extends number> implements Field<T> {
  readonly type = "u64be";
  readonly size = 8;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, at: number): T {
    const high = view.getUint32(at + this.offset);
    return clamp(high * 2 ** 32 + view.getUint32(at + this.offset + 4)) as T;
  }
  set(view: DataView, at: number, value: T): void {
    assert(Number.isSafeInteger(value), "a 64-bit field is set to an exact integer");
    assert(value >= 0, "an unsigned field is set to a value that is not negative");
    view.setUint32(at + this.offset, Math.floor(value / 2 ** 32));
    view.setUint32(at + this.offset + 4, value >>> 0);
  }
}

class Bytes implements Field<Uint8Array> {
  readonly type: "bytes" | "pad";
  readonly offset: number;
  readonly size: number;
  constructor(type: "bytes" | "pad", offset: number, size: number) {
    this.type = type;
    this.offset = offset;
    this.size = size;
  }
  /** A view, not a copy. */
  get(view: DataView, at: number): Uint8Array {
    return bytesOf(view, at, this);
  }
  /** Zeros after the end of a shorter `value`. */
  set(view: DataView, at: number, value: Uint8Array): void {
    assert(value.length <= this.size, "the bytes fit the field");
    const field = this.get(view, at);
    field.set(value);
    field.fill(0, value.length);
  }
}

class Text implements Field<string> {
  readonly type = "text";
  readonly offset: number;
  readonly size: number;
  constructor(offset: number, size: number) {
    this.offset = offset;
    this.size = size;
  }
  get(view: DataView, at: number): string {
    return textFromField(bytesOf(view, at, this));
  }
  set(view: DataView, at: number, value: string): void {
    const encoded = textToBytes(value, this.size);
    const field = bytesOf(view, at, this);
    field.set(encoded);
    field.fill(0, encoded.length);
  }
}

class Uuid implements Field<string> {
  readonly type = "uuid";
  readonly size = 16;
  readonly offset: number;
  constructor(offset: number) {
    this.offset = offset;
  }
  get(view: DataView, at: number): string {
    return formatUuid(bytesOf(view, at, this));
  }
  set(view: DataView, at: number, value: string): void {
    bytesOf(view, at, this).set(parseUuid(value));
  }
}

const bytesOf = (view: DataView, at: number, field: Field<unknown>): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + at + field.offset, field.size);

export const u8 = <T extends number = number>(offset: number): U8<T> => new U8(offset);
export const u16le = <T extends number = number>(offset: number): U16le<T> => new U16le(offset);
export const u32le = <T extends number = number>(offset: number): U32le<T> => new U32le(offset);

/**
 * Below 2^53. The medium may hold anything: what is larger reads as 2^53 - 1, which whoever verifies
 * the record refuses, or can at least write back. `set` asserts.
 */
export const u64le = <T extends number = number>(offset: number): U64le<T> => new U64le(offset);
/** Signed, between -2^53 and 2^53, as u64le. */
export const i64le = (offset: number): I64le => new I64le(offset);
export const u16be = <T extends number = number>(offset: number): U16be<T> => new U16be(offset);
export const u32be = <T extends number = number>(offset: number): U32be<T> => new U32be(offset);
/** As u64le. */
export const u64be = <T extends number = number>(offset: number): U64be<T> => new U64be(offset);
/** `size` raw bytes. */
export const bytes = (offset: number, size: number): Bytes => new Bytes("bytes", offset, size);
/** `size` bytes that mean nothing: a hole has to be declared. */
export const pad = (offset: number, size: number): Bytes => new Bytes("pad", offset, size);
/** UTF-8 in `size` bytes, filled up with zeros. Setting throws OptionError where it does not fit. */
export const text = (offset: number, size: number): Text => new Text(offset, size);
/** 16 bytes, as "01234567-89ab-cdef-0123-456789abcdef". Setting throws OptionError; "" is zeros. */
export const uuid = (offset: number): Uuid => new Uuid(offset);
