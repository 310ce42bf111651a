/**
 * A directory is a file of units, each a cache line. A name takes as many units as it needs, one
 * after the other inside a block; the first 8 bytes of a unit are the head word of a name, or zero.
 * So a name comes and goes with one atomic store of its head word, and its units are free again
 * without a trace: what is behind a zero head word means nothing.
 */
import { type Ino, struct, u16le, u32le, u8 } from "@xiplab/core";

export const UNIT_SIZE = 64;
export const UNITS_PER_BLOCK = 64;
/** Bytes of a name in each of its units, behind the head word. */
export const UNIT_NAME = 56;

/** The head word of a name. `type` is a DT_* value. A unit with ino 0 is free. */
export const DIRENT = struct("plain dirent", 8, {
  ino: u32le<Ino>(0x0),
  nameLength: u8(0x4),
  type: u8(0x5),
  reserved: u16le(0x6),
});

export const unitsOf = (nameLength: number): number => Math.ceil(nameLength / UNIT_NAME);

/** The upper half of a head word: what is behind the ino. */
export const tailOf = (nameLength: number, type: number): number => nameLength + type * 256;
