/**
 * Read everything, believe nothing: what `check` reports, and what recovery goes by.
 *
 * What is wrong falls in two: findings, which no history of the file system explains, and
 * leftovers, which a power cut leaves and recovery mends; those are findings too once the file
 * system claims to be clean.
 */
import {
  type CheckReport,
  type Corruption,
  CorruptionError,
  FsError,
  type Ino,
} from "@xiplab/core";
import { direntType, isDirectory, type PmemDevice } from "@xiplab/core";
import { BlockAllocator } from "./balloc.ts";
import { type Dirent, readDirectory } from "./dir.ts";
import { ROOT_INO } from "./format/inode.ts";
import { INTENT_AT } from "./format/superblock.ts";
import { corrupt, readSuperblock, type Superblock } from "./geometry.ts";
import { type PlainInode, readInode } from "./inode.ts";
import { readIntent } from "./intent.ts";

/** Findings beyond this number are left out. */
const FINDINGS_MAX = 100;

/** Full fsck that only reads. */
export function check(device: PmemDevice): CheckReport {
  const findings: Corruption[] = [];
  const report = { findings, clean: false, inodesUsed: 0, blocksUsed: 0 };
  attempt(findings, () => {
    const sb = readSuperblock(device);
    report.clean = sb.clean;
    const pending = readIntent(device, sb).length > 0;
    if (pending) corrupt("plain intent", INTENT_AT, "first.at", "set", "0, or a mount to mend it");
    const scan = new Scan(device, sb);
    findings.push(...scan.findings, ...(sb.clean ? scan.leftovers : []));
    report.inodesUsed = scan.inodesUsed;
    report.blocksUsed = sb.blocks - scan.balloc.free;
    if (sb.clean && findings.length === 0) compareBitmap(device, sb, scan.balloc);
  });
  findings.length = Math.min(findings.length, FINDINGS_MAX);
  return report;
}

function compareBitmap(device: PmemDevice, sb: Superblock, right: BlockAllocator): void {
  const saved = new BlockAllocator(sb, false);
  saved.load(device);
  for (const [index, word] of right.words.entries()) {
    const found = saved.words[index]!;
    if (found !== word) corrupt("plain bitmap", `block ${32 * index}`, "bits", found, word);
  }
}

/** What `work` throws about the medium is a finding. */
function attempt(findings: Corruption[], work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof CorruptionError) findings.push(error.corruption);
    else if (error instanceof FsError && error.code === "EIO") {
      findings.push({
        structure: "medium",
        at: "?",
        field: "line",
        found: "EIO",
        expected: "data",
      });
    } else throw error;
  }
}

export class Scan {
  readonly findings: Corruption[] = [];
  readonly leftovers: Corruption[] = [];
  /** By number. Free ones have mode 0; corrupt ones are missing. */
  readonly inodes: Array<PlainInode | undefined> = [];
  /** What nlink should be. */
  readonly links: Uint32Array;
  /** The directory that a directory was found in. */
  readonly parents: Uint32Array;
  /** What the bitmap should be. */
  readonly balloc: BlockAllocator;
  inodesUsed = 0;
  private readonly device: PmemDevice;
  private readonly sb: Superblock;

  constructor(device: PmemDevice, sb: Superblock) {
    this.device = device;
    this.sb = sb;
    this.links = new Uint32Array(sb.inodesEnd + 1);
    this.parents = new Uint32Array(sb.inodesEnd + 1);
    this.balloc = new BlockAllocator(sb, false);
    for (let ino = 1; ino <= sb.inodesEnd; ino++) {
      attempt(this.findings, () => this.readInode(ino as Ino));
    }
    this.links[ROOT_INO] = 2;
    this.parents[ROOT_INO] = ROOT_INO;
    attempt(this.findings, () => this.walk());
    for (const inode of this.inodes) if (inode !== undefined && inode.mode !== 0) this.judge(inode);
  }

  private readInode(ino: Ino): void {
    const inode = readInode(this.device, this.sb, ino, !this.sb.clean);
    this.inodes[ino] = inode;
    if (inode.mode === 0) return;
    this.inodesUsed++;
    for (const { pblk, length } of inode.extents.list) this.balloc.mark(pblk, length, true);
    for (const block of inode.extents.leaves) this.balloc.mark(block, 1, true);
  }

  /** Visit what the root leads to, each directory once: those with a second name are findings. */
  private walk(): void {
    const root = this.inodes[ROOT_INO];
    if (root === undefined || !isDirectory(root.mode)) {
      corrupt("plain inode", `inode ${ROOT_INO}`, "mode", root?.mode ?? 0, "a directory");
    }
    const queue = [root];
    for (const directory of queue) {
      attempt(this.findings, () => {
        for (const dirent of readDirectory(this.device, this.sb, directory).names.values()) {
          attempt(this.findings, () => this.visit(directory, dirent, queue));
        }
      });
    }
  }

  private visit(directory: PlainInode, dirent: Dirent, queue: PlainInode[]): void {
    const { ino, name, type } = dirent;
    const inode = this.inodes[ino];
    const where = `name ${name} in inode ${directory.ino}`;
    if (inode === undefined || inode.mode === 0)
      corrupt("plain dirent", where, "ino", ino, "an inode");
    if (type !== direntType(inode.mode))
      corrupt("plain dirent", where, "type", type, direntType(inode.mode));
    if (!isDirectory(inode.mode)) return void this.links[ino]!++;
    if (this.parents[ino] !== 0)
      corrupt("plain dirent", where, "ino", ino, "a directory with one name");
    this.parents[ino] = directory.ino;
    this.links[ino] = 2;
    this.links[directory.ino]!++;
    queue.push(inode);
  }

  private judge(inode: PlainInode): void {
    const { ino, mode, nlink, parentIno } = inode;
    const links = this.links[ino]!;
    const expect = (field: string, found: number, expected: number, into: Corruption[]): void => {
      if (found === expected) return;
      into.push({ structure: "plain inode", at: `inode ${ino}`, field, found, expected });
    };
    expect("nlink", nlink, links, this.leftovers);
    expect("names", links === 0 ? 0 : 1, 1, this.leftovers);
    if (!isDirectory(mode)) return;
    if (links > 0) return expect("parent", parentIno, this.parents[ino]!, this.leftovers);
    // Removing a directory takes that it is empty.
    attempt(this.findings, () => {
      const { names } = readDirectory(this.device, this.sb, inode);
      expect("names", names.size, 0, this.findings);
    });
  }
}
