/**
 * Units as types. A brand costs nothing at run time and keeps a file's block number from being used
 * where a device's block number is wanted. Arithmetic widens to `number` on purpose; re-brand only
 * inside named conversions such as `pblkToDevByte`.
 *
 * File sizes and addresses are JavaScript numbers below 2^53. Never use `<<` or `|` on them.
 */
declare const unit: unique symbol;
type Unit<T, Name extends string> = T & { readonly [unit]: Name };

/** Byte address on the device, from its start. */
export type DevByte = Unit<number, "DevByte">;
/** Byte position inside a file. */
export type FileByte = Unit<number, "FileByte">;
/** Logical block: index of a block inside a file. */
export type Lblk = Unit<number, "Lblk">;
/** Physical block: index of a block on the device. */
export type Pblk = Unit<number, "Pblk">;
/** Inode number. 0 is never a valid inode. */
export type Ino = Unit<number, "Ino">;

/** What a lookup answers when there is no such name: a miss is a value, not an error. */
export const NO_INO = 0 as Ino;

/**
 * A name, or a path, as the bytes that the disk holds: a string in which every character stands for
 * one byte (0 to 255). Names are bytes to a file system; a JavaScript string of one-byte characters
 * keeps them exact, and V8 stores, hashes and compares it natively, which a Uint8Array does not get.
 * Faces turn it into text and back: see `nameFromUtf8` and `nameToUtf8`.
 */
export type Name = Unit<string, "Name">;

/** CPU page and file-system block: XIP needs both to be the same. */
export const PAGE_SIZE = 4096;
/** x86 cache line: the unit of flushing. */
export const LINE_SIZE = 64;
