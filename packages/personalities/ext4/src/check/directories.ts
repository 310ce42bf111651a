/**
 * Pass 2: what is in directories: every entry of every block, and names that stand there twice. The
 * hash trees over them are read by hash-tree.ts first, which says what each block is.
 */
import { assert } from "@xiplab/core";
import { crcRaw } from "../checksum.ts";
import {
  DIR_TAIL,
  DIR_TAIL_FT,
  DIR_TAIL_SIZE,
  DIRENT,
  DIRENT_HEAD,
  DIRENT_MIN,
} from "../format/dirent.ts";
import { FL_INDEX, INO_ROOT } from "../format/inode.ts";
import { hashName, type NameHash } from "../hash.ts";
import type { DirectoriesFound } from "./directories-found.ts";
import { HashTree, ROLE_INDEX, ROLE_LEAF, ROLE_ROOT } from "./hash-tree.ts";
import type { Image } from "./image.ts";
import { FT_MASK, type InodeFacts, KIND_NAMELESS, KIND_USED } from "./inode-facts.ts";
import { NameSet } from "./name-set.ts";

const ENTRY = "ext4_dir_entry_2";
const FT_DIR = 2;
const DOT = 0x2e;
/** Larger directories need a feature. Bytes. */
const SIZE_MAX = 2 ** 31;
const SLASH = 0x2f;
const SLASHES = 0x2f2f2f2f;

export class DirectoryPass {
  private readonly image: Image;
  private readonly facts: InodeFacts;
  private readonly found: DirectoriesFound;
  private readonly tree: HashTree;
  private readonly names: NameSet;
  private readonly hash: NameHash = { major: 0, minor: 0 };
  /** Device block of each block of the directory at hand; 0: a hole. */
  private blocks = new Float64Array(64);
  private ino = 0;
  private index = 0;
  private seed = 0;
  private hasTree = false;

  constructor(image: Image, facts: InodeFacts, found: DirectoriesFound) {
    this.image = image;
    this.facts = facts;
    this.found = found;
    this.tree = new HashTree(image);
    this.names = new NameSet(image);
  }

  run(): void {
    for (let index = 0; index < this.found.count; index++) this.checkDirectory(index);
  }

  private checkDirectory(index: number): void {
    const { found, image } = this;
    this.index = index;
    this.ino = found.inos.at(index);
    // A directory that was removed while open: its ".." counts no more, and nobody looks into it.
    if ((this.facts.kindOf(this.ino) & KIND_NAMELESS) !== 0) return;
    this.seed = found.seeds.at(index);
    const length = this.loadBlocks(index);
    this.hasTree = (found.flags.at(index) & FL_INDEX) !== 0 && image.geometry.dirIndex;
    if (this.hasTree) this.hasTree = this.tree.read(this.ino, this.seed, this.blocks, length);
    this.names.reset();
    for (let lblk = 0; lblk < length; lblk++) {
      const pblk = this.blocks[lblk]!;
      if (pblk === 0) {
        this.add(`block ${lblk}`, "a hole", "entries");
      } else if (image.open(pblk)) {
        this.checkBlock(lblk, pblk, image.view, image.at);
      }
    }
    if (length === 0) this.add("entries", 0, '"." and ".."');
  }

  /** Fill `blocks`. Returns how many there are, to the last that is there. */
  private loadBlocks(index: number): number {
    const { found } = this;
    const end = found.endOfRuns(index);
    let length = 0;
    for (let run = found.firstRuns.at(index); run < end; run++) {
      length = Math.max(length, found.runLblks.at(run) + found.runLengths.at(run));
    }
    const max = SIZE_MAX / this.image.geometry.blockSize;
    if (length > max) this.add("blocks", length, `at most ${max}`);
    const total = Math.min(length, max);
    if (total > this.blocks.length) this.blocks = new Float64Array(2 * total);
    this.blocks.fill(0, 0, total);
    for (let run = found.firstRuns.at(index); run < end; run++) {
      const lblk = found.runLblks.at(run);
      const count = Math.min(found.runLengths.at(run), total - lblk);
      for (let at = 0; at < count; at++) this.blocks[lblk + at] = found.runPblks.at(run) + at;
    }
    return total;
  }

  private add(field: string, value: string | number, expected: string | number): void {
    this.image.findings.add(ENTRY, `inode ${this.ino}`, field, value, expected);
  }

  private checkBlock(lblk: number, pblk: number, view: DataView, at: number): void {
    const { geometry } = this.image;
    const role = this.hasTree ? this.tree.roleOf(lblk) : ROLE_LEAF;
    // An index block is a free entry to those who know of entries alone.
    if (role === ROLE_INDEX) return;
    let end = geometry.blockSize;
    if (geometry.metadataCsum && role === ROLE_LEAF) {
      end -= DIR_TAIL_SIZE;
      this.checkTail(lblk, view, at + end);
    }
    this.checkEntries(lblk, pblk, view, at, end, role);
  }

  private checkTail(lblk: number, view: DataView, tail: number): void {
    const length = this.image.geometry.blockSize - DIR_TAIL_SIZE;
    const isTail =
      DIR_TAIL.reservedZero1.get(view, tail) === 0 &&
      DIR_TAIL.recLen.get(view, tail) === DIR_TAIL_SIZE &&
      DIR_TAIL.reservedZero2.get(view, tail) === 0 &&
      DIR_TAIL.reservedFt.get(view, tail) === DIR_TAIL_FT;
    if (!isTail) {
      this.add(`block ${lblk}: tail`, "missing", "a checksum");
      return;
    }
    const expected = crcRaw(this.seed, view, tail - length, length);
    const found = DIR_TAIL.checksum.get(view, tail);
    if (found !== expected) this.add(`block ${lblk}: checksum`, found, expected);
  }

  /** The chain of entries in [at, at + end). */
  private checkEntries(
    lblk: number,
    pblk: number,
    view: DataView,
    at: number,
    end: number,
    role: number,
  ): void {
    let number = 0;
    for (let offset = 0; offset < end; number++) {
      const entry = at + offset;
      const recLen = end - offset < DIRENT_HEAD ? 0 : DIRENT.recLen.get(view, entry);
      const nameLen = recLen === 0 ? 0 : DIRENT.nameLen.get(view, entry);
      const fits = offset + recLen <= end || (role === ROLE_ROOT && offset + recLen === end);
      if (recLen < DIRENT_MIN || recLen % 4 !== 0 || !fits || nameLen + DIRENT_HEAD > recLen) {
        this.add(`block ${lblk}, entry at ${offset}: recLen`, recLen, "4 n, inside the block");
        return;
      }
      if (lblk === 0 && number < 2) this.checkDot(view, entry, number, nameLen, recLen, role);
      else this.checkEntry(lblk, pblk, view, entry, offset, nameLen);
      offset += recLen;
    }
    if (lblk === 0 && number < 2) this.add("entries", number, '"." and ".."');
  }

  /** "." (number 0) or ".." of the first block. */
  private checkDot(
    view: DataView,
    entry: number,
    number: number,
    nameLen: number,
    recLen: number,
    role: number,
  ): void {
    const name = number === 0 ? "." : "..";
    const ino = DIRENT.inode.get(view, entry);
    let right = nameLen === number + 1;
    for (let byte = 0; byte <= number; byte++) {
      right &&= view.getUint8(entry + DIRENT_HEAD + byte) === DOT;
    }
    // As e2fsck wants it: the name ends with a zero inside its 4 bytes.
    right &&= view.getUint8(entry + DIRENT_HEAD + number + 1) === 0;
    if (!right || ino === 0) {
      this.add(`entry ${number}`, ino === 0 ? "free" : "another name", `"${name}"`);
      return;
    }
    if (number === 0) {
      if (ino !== this.ino) this.add('"."', ino, this.ino);
      if (recLen > DIRENT_MIN) this.add('".": recLen', recLen, DIRENT_MIN);
    } else {
      this.found.dotdots.set(this.index, ino);
      const { blockSize } = this.image.geometry;
      if (role === ROLE_ROOT && recLen !== blockSize - DIRENT_MIN) {
        this.add('"..": recLen', recLen, blockSize - DIRENT_MIN);
      }
    }
    if (ino <= this.image.geometry.inodeCount) {
      this.facts.addName(ino);
      this.checkType(view, entry, FT_DIR);
    } else {
      this.add(`"${name}"`, ino, "an inode that there is");
    }
  }

  private checkEntry(
    lblk: number,
    pblk: number,
    view: DataView,
    entry: number,
    offset: number,
    nameLen: number,
  ): void {
    const ino = DIRENT.inode.get(view, entry);
    if (ino === 0) return;
    const isName = isNameLegal(view, entry + DIRENT_HEAD, nameLen);
    if (!isName) {
      this.add(`block ${lblk}, entry at ${offset}: name`, "not legal", 'no "/", NUL, ".", ".."');
    }
    if (!this.names.add(pblk, offset, view, entry + DIRENT_HEAD, nameLen)) {
      this.add("name", nameOf(view, entry), "once");
    }
    if (this.hasTree && nameLen > 0) this.checkHash(lblk, view, entry, nameLen);
    this.checkTarget(view, entry, ino);
  }

  private checkHash(lblk: number, view: DataView, entry: number, length: number): void {
    const { geometry } = this.image;
    const { tree, hash } = this;
    const name = entry + DIRENT_HEAD;
    hashName(view, name, length, tree.version, tree.unsigned, geometry.hashSeed, hash);
    if (hash.major >= tree.minOf(lblk) && hash.major < tree.endOf(lblk)) return;
    const expected = `${tree.minOf(lblk)} to ${tree.endOf(lblk)}`;
    this.add(`block ${lblk}: hash of ${nameOf(view, entry)}`, hash.major, expected);
  }

  /** The inode behind a name. */
  private checkTarget(view: DataView, entry: number, ino: number): void {
    const { geometry } = this.image;
    if (ino > geometry.inodeCount || ino < geometry.firstIno) {
      const expected = `${geometry.firstIno} to ${geometry.inodeCount}`;
      this.add(nameOf(view, entry), ino, expected);
      // The root has no name but those of its own.
      if (ino === INO_ROOT) this.facts.addName(ino);
      return;
    }
    const kind = this.facts.kindOf(ino);
    if ((kind & KIND_USED) === 0) {
      this.add(nameOf(view, entry), `inode ${ino}, which is free`, "an inode in use");
      return;
    }
    const type = kind & FT_MASK;
    this.facts.addName(ino);
    this.checkType(view, entry, type);
    if (type === FT_DIR) this.checkParent(view, entry, ino);
  }

  private checkParent(view: DataView, entry: number, ino: number): void {
    const { found } = this;
    const child = this.facts.directoryOf(ino);
    assert(child >= 0, "a directory has been found as one");
    const other = found.parents.at(child);
    if (other === 0) found.parents.set(child, this.ino);
    else this.add(nameOf(view, entry), `inode ${ino}`, `named in inode ${other} alone`);
  }

  private checkType(view: DataView, entry: number, type: number): void {
    const found = DIRENT.fileType.get(view, entry);
    const expected = this.image.geometry.fileType ? type : 0;
    if (found !== expected) this.add(`${nameOf(view, entry)}: fileType`, found, expected);
  }
}

/** HOT: four bytes at a time. */
function isNameLegal(view: DataView, at: number, length: number): boolean {
  if (length <= 2) {
    if (length === 0) return false;
    const isDot = view.getUint8(at) === DOT;
    if (isDot && (length === 1 || view.getUint8(at + 1) === DOT)) return false;
  }
  const end = at + length;
  let byte = at;
  for (; byte + 4 <= end; byte += 4) {
    const word = view.getUint32(byte, true);
    if ((zeroBytes(word) | zeroBytes(word ^ SLASHES)) !== 0) return false;
  }
  for (; byte < end; byte++) {
    const found = view.getUint8(byte);
    if (found === 0 || found === SLASH) return false;
  }
  return true;
}

/** Not 0 where one of the four bytes is 0. */
const zeroBytes = (word: number): number => (word - 0x01010101) & ~word & 0x80808080;

/** The name of an entry, for people. */
function nameOf(view: DataView, entry: number): string {
  const at = entry + DIRENT_HEAD;
  let text = "";
  for (let byte = at; byte < at + DIRENT.nameLen.get(view, entry); byte++) {
    const code = view.getUint8(byte);
    text += code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : `\\x${code.toString(16)}`;
  }
  return `"${text}"`;
}
