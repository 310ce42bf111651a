/**
 * A directory is a file of units, each a cache line. A name takes as many units as it needs, one
 * after the other within a block; the first 8 bytes of a unit are the head word of a name, or zero.
 * So a name comes and goes with one atomic store of its head word, and its units are free again
 * without a trace: what is behind a zero head word means nothing.
 */
import { type Ino, struct, u32le } from "@xiplab/core";

export const UNIT_SIZE = 64;
export const UNITS_PER_BLOCK = 64;
/** Bytes of a name in each of its units, behind the first 8. */
export const UNIT_NAME = 56;

/** The head word of a name. Where `ino` is 0 the unit is free. */
export const DIRENT = struct("plain dirent", 8, { ino: u32le<Ino>(0x0), tail: u32le(0x4) });

/** Length of the name in the lowest byte, type (DT_*) in the next. */
export const tailOf = (length: number, type: number): number => length + type * 256;

export const unitsOf = (length: number): number => Math.ceil(length / UNIT_NAME);
