/**
 * What a check remembers of each inode: a few bytes, in arrays per block group that are made for
 * groups with inodes in use.
 */
import type { Geometry } from "../geometry.ts";

/** In `kind`, beside FT_* in the low bits. */
export const FT_MASK = 0x07;
/** The record says that the inode is in use. */
export const KIND_USED = 0x08;
/** No name leads to it, and that is right: reserved, or to be freed by recovery. */
export const KIND_NAMELESS = 0x10;
/** Is on the orphan list, or in the orphan file. */
export const KIND_ORPHAN = 0x20;

interface GroupFacts {
  readonly kinds: Uint8Array;
  readonly links: Uint16Array;
  readonly names: Uint32Array;
  /** Index among the directories, plus 1. */
  directories: Uint32Array | null;
}

export class InodeFacts {
  used = 0;
  private readonly perGroup: number;
  private readonly groups: Array<GroupFacts | undefined>;

  constructor({ groupCount, inodesPerGroup }: Geometry) {
    this.perGroup = inodesPerGroup;
    // Sized at once, so that it stays a fast array.
    // oxlint-disable-next-line unicorn/no-new-array
    this.groups = new Array<GroupFacts | undefined>(groupCount);
  }

  kindOf(ino: number): number {
    const index = ino - 1;
    return this.groups[Math.floor(index / this.perGroup)]?.kinds[index % this.perGroup] ?? 0;
  }

  addKind(ino: number, bits: number): void {
    const index = ino - 1;
    const { kinds } = this.groupOf(ino);
    const before = kinds[index % this.perGroup]!;
    if ((before & KIND_USED) === 0 && (bits & KIND_USED) !== 0) this.used++;
    kinds[index % this.perGroup] = before | bits;
  }

  setLinks(ino: number, links: number): void {
    this.groupOf(ino).links[(ino - 1) % this.perGroup] = links;
  }

  /** A name leads to the inode. HOT. */
  addName(ino: number): void {
    this.groupOf(ino).names[(ino - 1) % this.perGroup]!++;
  }

  /** Remember which directory the inode is. */
  setDirectory(ino: number, index: number): void {
    const facts = this.groupOf(ino);
    facts.directories ??= new Uint32Array(this.perGroup);
    facts.directories[(ino - 1) % this.perGroup] = index + 1;
  }

  /** Index among the directories, or -1. */
  directoryOf(ino: number): number {
    const index = ino - 1;
    const facts = this.groups[Math.floor(index / this.perGroup)];
    return (facts?.directories?.[index % this.perGroup] ?? 0) - 1;
  }

  /** Kinds, link counts and names of a group's inodes; undefined where none is in use. */
  factsOf(group: number): GroupFacts | undefined {
    return this.groups[group];
  }

  private groupOf(ino: number): GroupFacts {
    return (this.groups[Math.floor((ino - 1) / this.perGroup)] ??= {
      kinds: new Uint8Array(this.perGroup),
      links: new Uint16Array(this.perGroup),
      names: new Uint32Array(this.perGroup),
      directories: null,
    });
  }
}
