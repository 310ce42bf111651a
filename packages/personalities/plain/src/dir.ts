/**
 * A directory in memory: an index of its names, built by reading all of it when it is first used.
 * So the first lookup takes as long as the directory is big; those after it do not.
 */
import { type Ino, type Name, nameFromBytes, type PmemDevice, SEGMENT_SIZE } from "@xiplab/core";
import { DIRENT, UNIT_NAME, UNIT_SIZE, UNITS_PER_BLOCK, unitsOf } from "./format/dirent.ts";
import { BLOCK_SIZE, corrupt, pblkToDevByte, type Superblock } from "./geometry.ts";
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
  /** What each unit belongs to; null where it is free. */
  readonly units: Array<Dirent | null> = [];
  /** No unit before this one is free. */
  private hint = 0;

  /** Another block, all free. */
  grow(): void {
    for (let unit = 0; unit < UNITS_PER_BLOCK; unit++) this.units.push(null);
  }

  /** The first of as many free units as the name needs, in one block; or -1. */
  place(name: Name): number {
    const { units } = this;
    const needed = unitsOf(name.length);
    while (this.hint < units.length && units[this.hint] !== null) this.hint++;
    for (let unit = this.hint, run = 0; unit < units.length; unit++) {
      if (unit % UNITS_PER_BLOCK === 0) run = 0;
      run = units[unit] === null ? run + 1 : 0;
      if (run === needed) return unit + 1 - needed;
    }
    return -1;
  }

  put(name: Name, ino: Ino, type: number, unit: number): void {
    const dirent = { name, ino, type, unit };
    for (let index = 0; index < unitsOf(name.length); index++) this.units[unit + index] = dirent;
    this.names.set(name, dirent);
  }

  remove(dirent: Dirent): void {
    this.units.fill(null, dirent.unit, dirent.unit + unitsOf(dirent.name.length));
    this.names.delete(dirent.name);
    this.hint = Math.min(this.hint, dirent.unit);
  }
}

/** Read a directory and verify it. @throws CorruptionError */
export function readDirectory(device: PmemDevice, sb: Superblock, inode: PlainInode): Directory {
  const directory = new Directory();
  for (let lblk = 0; lblk < inode.diskSize / BLOCK_SIZE; lblk++) {
    directory.grow();
    const byte = pblkToDevByte(inode.extents.map(lblk));
    const view = device.view(byte, BLOCK_SIZE);
    for (let unit = 0; unit < UNITS_PER_BLOCK; unit++) {
      const at = (byte % SEGMENT_SIZE) + unit * UNIT_SIZE;
      if (DIRENT.ino.get(view, at) !== 0) {
        readDirent(directory, sb, view, at, lblk * UNITS_PER_BLOCK + unit, byte + unit * UNIT_SIZE);
      }
    }
  }
  return directory;
}

function readDirent(
  directory: Directory,
  sb: Superblock,
  view: DataView,
  at: number,
  unit: number,
  byte: number,
): void {
  const require = (right: boolean, field: string, found: number | Name, expected: string): void => {
    if (!right) corrupt("plain dirent", byte, field, found, expected);
  };
  const ino = DIRENT.ino.get(view, at);
  const length = DIRENT.nameLength.get(view, at);
  const type = DIRENT.type.get(view, at);
  const room = UNITS_PER_BLOCK - (unit % UNITS_PER_BLOCK);
  require(directory.units[unit] === null, "ino", ino, "0 inside a name");
  require(ino <= sb.inodes, "ino", ino, `<= ${sb.inodes}`);
  require(length > 0 && unitsOf(length) <= room, "nameLength", length, `1 to 255, ${room} units`);
  const bytes = new Uint8Array(view.buffer, view.byteOffset + at);
  let name = "" as Name;
  for (let left = length, from = 8; left > 0; left -= UNIT_NAME, from += UNIT_SIZE) {
    name = (name + nameFromBytes(bytes, from, from + Math.min(left, UNIT_NAME))) as Name;
  }
  const legal = !/[/\0]/.test(name) && name !== "." && name !== "..";
  require(legal && !directory.names.has(name), "name", name, "a legal name, once");
  directory.put(name, ino, type, unit);
}
