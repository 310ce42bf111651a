/**
 * A directory in memory: an index of its names, built by reading all of it when it is first used.
 * So the first lookup takes as long as the directory is big; those after it do not.
 */
import { type Ino, type Name, type PmemDevice, verify } from "@xiplab/core";
import { DIRENT, UNIT_NAME, UNIT_SIZE, UNITS_PER_BLOCK, unitsOf } from "./format/dirent.ts";
import { BLOCK_SIZE, pblkToDevByte, type Superblock } from "./geometry.ts";
import type { PlainInode } from "./inode.ts";

export interface Dirent {
  readonly name: Name;
  readonly ino: Ino;
  /** DT_* */
  readonly type: number;
  /** The first of its units. */
  readonly unit: number;
}

export class Directory {
  readonly names = new Map<Name, Dirent>();
  /** What each unit belongs to; undefined where it is free. */
  readonly units: Array<Dirent | undefined> = [];
  /** No unit before this one is free. */
  private hint = 0;

  /** The first of as many free units as the name needs, in one block; or -1. */
  place(name: Name): number {
    const { units } = this;
    while (this.hint < units.length && units[this.hint] !== undefined) this.hint++;
    for (let unit = this.hint, run = 0; unit < units.length; unit++) {
      if (unit % UNITS_PER_BLOCK === 0) run = 0;
      run = units[unit] === undefined ? run + 1 : 0;
      if (run === unitsOf(name.length)) return unit + 1 - run;
    }
    return -1;
  }

  /** Give a name this head word (see dirent.ts). Without an inode the name is gone. */
  put(name: Name, unit: number, ino: number, tail: number): void {
    const dirent = ino === 0 ? undefined : { name, ino: ino as Ino, type: tail >>> 8, unit };
    for (let index = 0; index < unitsOf(name.length); index++) this.units[unit + index] = dirent;
    if (dirent !== undefined) return void this.names.set(name, dirent);
    this.names.delete(name);
    this.hint = Math.min(this.hint, unit);
  }
}

/** Read a directory and verify it. A pending rename counts as done. @throws CorruptionError */
export function readDirectory(device: PmemDevice, sb: Superblock, inode: PlainInode): Directory {
  const directory = new Directory();
  for (let lblk = 0; lblk < inode.diskSize / BLOCK_SIZE; lblk++) {
    const block = pblkToDevByte(inode.extents.map(lblk));
    const bytes = device.directAccess(block, BLOCK_SIZE);
    const view = new DataView(bytes.buffer, bytes.byteOffset, BLOCK_SIZE);
    directory.units.length += UNITS_PER_BLOCK;
    for (let at = 0; at < BLOCK_SIZE; at += UNIT_SIZE) {
      const pending = sb.pending.find((word) => word.at === block + at);
      const ino = pending?.low ?? DIRENT.ino.get(view, at);
      if (ino === 0) continue;
      const tail = pending?.high ?? DIRENT.tail.get(view, at);
      const length = tail % 256;
      const unit = lblk * UNITS_PER_BLOCK + at / UNIT_SIZE;
      const fits = length > 0 && at + unitsOf(length) * UNIT_SIZE <= BLOCK_SIZE;
      const shaped = fits && tail < 2 ** 16 && directory.units[unit] === undefined;
      verify(shaped, "plain dirent", block + at, "tail", tail, "a length that fits, and a type");
      const name = readName(bytes.subarray(at), length);
      const legal = !/^\.\.?$|[/\0]/.test(name) && !directory.names.has(name);
      verify(legal, "plain dirent", block + at, "name", JSON.stringify(name), "legal, once");
      directory.put(name, unit, ino, tail);
    }
  }
  return directory;
}

/** Where byte `index` of a name is, from the start of its first unit. */
const placeOf = (index: number): number =>
  index + Math.ceil((index + 1) / UNIT_NAME) * (UNIT_SIZE - UNIT_NAME);

function readName(units: Uint8Array, length: number): Name {
  let name = "";
  for (let index = 0; index < length; index++) name += String.fromCharCode(units[placeOf(index)]!);
  return name as Name;
}

/** The units of a name, without its head word. */
export function encodeName(name: Name): Uint8Array {
  const units = new Uint8Array(unitsOf(name.length) * UNIT_SIZE);
  for (let index = 0; index < name.length; index++) units[placeOf(index)] = name.charCodeAt(index);
  return units;
}
