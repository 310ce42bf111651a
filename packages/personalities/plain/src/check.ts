/**
 * Read everything and believe nothing: for `check`, and for every mount.
 *
 * What is wrong falls in two: findings, which no history of a file system explains, and leftovers,
 * which a power cut leaves and a mount mends. A file system that claims to be clean has no excuse.
 */
import { type CheckReport, collect, type Corruption, corrupt, direntType } from "@xiplab/core";
import { type Ino, isDirectory, isSymlink, type PmemDevice, S_IFDIR, verify } from "@xiplab/core";
import { BlockAllocator } from "./balloc.ts";
import { readDirectory } from "./dir.ts";
import { ROOT_INO } from "./format/inode.ts";
import { readSuperblock, type Superblock } from "./geometry.ts";
import { type PlainInode, readInode } from "./inode.ts";

export function check(device: PmemDevice): CheckReport {
  const findings: Corruption[] = [];
  const report = { findings, clean: false, inodesUsed: 0, blocksUsed: 0 };
  collect(findings, () => {
    const sb = readSuperblock(device);
    const scan = new Scan(device, sb, false);
    report.clean = sb.clean;
    report.inodesUsed = scan.inodesUsed;
    report.blocksUsed = sb.blocks - scan.balloc.free;
    findings.push(...scan.findings, ...(sb.clean ? scan.leftovers : []));
  });
  return report;
}

/** What is on the medium. Inodes in arrays are found by their number. */
export class Scan {
  /** What no power cut explains. */
  readonly findings: Corruption[] = [];
  /** What a power cut left; and the inodes that it is about, with what is right. */
  readonly leftovers: Corruption[] = [];
  readonly mended: PlainInode[] = [];
  /** Free ones have mode 0, corrupt ones are missing. */
  readonly inodes: Array<PlainInode | undefined> = [];
  inodesUsed = 0;
  readonly balloc: BlockAllocator;
  private readonly device: PmemDevice;
  private readonly sb: Superblock;
  /** What nlink should be, and the directories that directories were found in. */
  private readonly links: Uint32Array;
  private readonly parents: Uint32Array;

  constructor(device: PmemDevice, sb: Superblock, firstFit: boolean) {
    this.device = device;
    this.sb = sb;
    this.links = new Uint32Array(sb.inodesEnd + 1);
    this.parents = new Uint32Array(sb.inodesEnd + 1);
    this.balloc = new BlockAllocator(sb, firstFit);
    for (let ino = 1; ino <= sb.inodesEnd; ino++) collect(this.findings, () => this.read(ino));
    const queue: PlainInode[] = [];
    collect(this.findings, () => this.meet(ROOT_INO, direntType(S_IFDIR), ROOT_INO, queue));
    for (const directory of queue) {
      collect(this.findings, () => {
        const { names } = readDirectory(device, sb, directory);
        for (const { ino, type } of names.values()) {
          collect(this.findings, () => this.meet(ino, type, directory.ino, queue));
        }
      });
    }
    // Where a name cannot be read, nothing follows from its absence.
    if (this.findings.length > 0) return;
    this.inodes.forEach((inode) => collect(this.findings, () => this.judge(inode!)));
  }

  private read(ino: number): void {
    const inode = readInode(this.device, this.sb, ino as Ino);
    const leaves = inode.extents.leaves.map((pblk) => ({ pblk, length: 1 }));
    for (const { pblk, length } of [...inode.extents.list, ...leaves]) {
      const once = this.balloc.mark(pblk, length, true) === length;
      verify(once, "plain extent", `inode ${ino}`, "pblk", pblk, "blocks of nobody else");
    }
    if (isSymlink(inode.mode)) inode.extents.map(0);
    if (inode.mode !== 0) this.inodesUsed++;
    this.inodes[ino] = inode;
  }

  /** A name in directory `parent` leads to `ino`. That of the root does not count. */
  private meet(ino: Ino, type: number, parent: Ino, queue: PlainInode[]): void {
    const inode = this.inodes[ino];
    const found = direntType(inode?.mode ?? 0);
    const where = `a name of inode ${ino} in inode ${parent}`;
    if (inode === undefined || found !== type) corrupt("plain dirent", where, "type", type, found);
    if (!isDirectory(inode.mode)) return void this.links[ino]!++;
    verify(this.parents[ino] === 0, "plain dirent", where, "names", 2, 1);
    this.parents[ino] = parent;
    // What leads to a directory: its name, "." in it, and ".." in those that it has.
    this.links[ino]! += ino === ROOT_INO ? 1 : 2;
    this.links[parent]!++;
    queue.push(inode);
  }

  private judge(inode: PlainInode): void {
    const { ino, mode, nlink, parentIno, torn } = inode;
    const links = this.links[ino]!;
    const parent = isDirectory(mode) ? this.parents[ino]! : parentIno;
    const same = nlink === links && links > 0 && parentIno === parent;
    if (!torn && (same || mode === 0)) return;
    const at = `inode ${ino}`;
    if (isDirectory(mode) && links === 0) {
      const { size } = readDirectory(this.device, this.sb, inode).names;
      verify(size === 0, "plain inode", at, "names in what has no name", size, 0);
    }
    const found = `${nlink}, ${parentIno}, ${torn}`;
    const right = `${links}, ${parent}, false`;
    collect(this.leftovers, () => corrupt("plain inode", at, "nlink, parent, torn", found, right));
    this.mended.push(inode);
    inode.nlink = links;
    inode.parentIno = parent;
  }
}
