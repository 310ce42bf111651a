/** What every contract test stands on: a fresh, mounted volume, and short words for using it. */
import {
  type FiemapExtent,
  FsError,
  type Ino,
  type MappedRegion,
  type MapOptions,
  type Name,
  nameFromUtf8,
  O_CREAT,
  O_EXCL,
  O_RDWR,
  type OpenFile,
  type OptionValues,
  type Personality,
  type PmemDevice,
  type Stat,
  Task,
} from "@xiplab/core";
import { treeOfMount } from "../compare/mount-tree.ts";
import { diffTrees, freezeTree } from "../compare/tree.ts";
import { markFreeSpace } from "../mark.ts";
import { pattern } from "../pattern.ts";
import { UMASK, USERS, type UserName } from "../users.ts";
import { copyDevice, Volume, type VolumeConfig } from "../volume.ts";
import { ContractError, holds } from "./expect.ts";

export const KIB = 1024;
export const MIB = 1024 * 1024;
export const BLOCK = 4096;

export class Fixture {
  readonly volume: Volume;
  private readonly files: OpenFile[] = [];
  private readonly regions: MappedRegion[] = [];

  /** `emptiesRoot`: no names are left from mkfs, but blocks that were theirs and are free. */
  constructor(config: VolumeConfig, device: PmemDevice, emptiesRoot: boolean) {
    this.volume = Volume.make(config, device);
    this.volume.mount();
    if (emptiesRoot) this.volume.emptyRoot();
    this.tick();
  }

  get personality(): Personality {
    return this.volume.config.personality;
  }

  get device(): PmemDevice {
    return this.volume.device;
  }

  /** The data path of the mount. */
  get data(): string {
    return this.volume.config.mountOptions?.["data"] ?? "xip";
  }

  /** Root. */
  get task(): Task {
    return this.volume.program.task;
  }

  as(user: UserName): Task {
    return new Task(this.volume.vfs, { credentials: USERS[user], umask: UMASK });
  }

  /** Time goes on by a second. */
  tick(): void {
    this.volume.clock.time = { sec: this.volume.clock.time.sec + 1, nsec: 0 };
  }

  /** A new file with `content`. */
  create(path: string, content: Uint8Array = new Uint8Array(0), mode = 0o644): void {
    const file = this.task.open(n(path), O_CREAT | O_EXCL | O_RDWR, mode);
    if (content.length > 0) this.put(file, 0, content);
    this.task.close(file);
  }

  mkdir(path: string, mode = 0o755): void {
    this.task.mkdir(n(path), mode);
  }

  /** Closed at the end of the test. */
  open(path: string, flags = O_RDWR, mode = 0o644): OpenFile {
    const file = this.task.open(n(path), flags, mode);
    this.files.push(file);
    return file;
  }

  /** Write all of `bytes` at `pos`. */
  put(file: OpenFile, pos: number, bytes: Uint8Array): void {
    const done = this.task.pwrite(file, bytes, 0, bytes.length, pos);
    holds(done === bytes.length, `write stored ${done} of ${bytes.length} bytes`, ADVICE_WRITE);
  }

  /** Write what fits of `bytes` at `pos`. Returns the bytes written, 0 on a full device. */
  putSome(file: OpenFile, pos: number, bytes: Uint8Array): number {
    try {
      return this.task.pwrite(file, bytes, 0, bytes.length, pos);
    } catch (error) {
      if (error instanceof FsError && error.code === "ENOSPC") return 0;
      throw error;
    }
  }

  /** Write the pattern of seed 9 to an empty file until nothing fits. Returns the bytes written. */
  fill(file: OpenFile): number {
    let pos = 0;
    for (let before = -1; before < pos;) {
      before = pos;
      for (let length = MIB; length >= 1;) {
        const written = this.putSome(file, pos, pattern(9, pos, length));
        pos += written;
        holds(pos <= this.device.size, "more was taken than there is", ADVICE_FULL);
        if (written < length) length = Math.floor(length / 4);
      }
      // What was promised for metadata and not needed is free again.
      this.task.syncfs();
    }
    return pos;
  }

  /** The pattern of `seed` at [pos, pos + length). Returns what was written. */
  putPattern(file: OpenFile, seed: number, pos: number, length: number): Uint8Array {
    const bytes = pattern(seed, pos, length);
    this.put(file, pos, bytes);
    return bytes;
  }

  /** Up to `length` bytes at `pos`. */
  get(file: OpenFile, pos: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const got = this.task.pread(file, bytes, 0, length, pos);
    return bytes.subarray(0, got);
  }

  /** The whole content. */
  content(path: string): Uint8Array {
    const file = this.task.open(n(path), 0);
    try {
      return this.get(file, 0, this.stat(path).size);
    } finally {
      this.task.close(file);
    }
  }

  stat(path: string): Stat {
    return this.task.stat(n(path));
  }

  /** The number of the directory that a directory stands in, asked by number alone. */
  parentOf(ino: number): number {
    const { vfs } = this.volume;
    const inode = vfs.iget(ino as Ino);
    const parent = vfs.lookup(USERS.root, inode, n(".."));
    const found = parent.ino;
    vfs.forget(parent);
    vfs.forget(inode);
    return found;
  }

  names(path: string): string[] {
    return this.task.readdir(n(path)).sort();
  }

  /** Unmapped at the end of the test. */
  map(
    file: OpenFile,
    pos: number,
    length: number,
    options: Partial<MapOptions> = {},
  ): MappedRegion {
    const all = { shared: true, writable: true, sync: false, ...options };
    const region = this.task.mmap(file, pos, length, all);
    this.regions.push(region);
    return region;
  }

  extents(path: string): FiemapExtent[] {
    const file = this.task.open(n(path), 0);
    const extents = this.task.fiemap(file, 0, Number.MAX_SAFE_INTEGER / 2);
    this.task.close(file);
    return extents;
  }

  /** Free space is full of MARK from here on. */
  mark(): void {
    markFreeSpace(this.task);
  }

  /** Free blocks, after what is waiting has been written. */
  freeBlocks(): number {
    this.task.syncfs();
    return this.task.statfs().blocksFree;
  }

  /** Close everything, unmount, check, mount. */
  remount(options: OptionValues = {}): void {
    this.letGo();
    this.volume.unmount();
    this.check();
    this.volume.mount(options);
  }

  /** What a machine finds that lost its power now, if every store had reached the medium. */
  afterPowerCut<T>(look: (task: Task) => T): T {
    const volume = new Volume(this.volume.config, copyDevice(this.device));
    const result = look(volume.mount().task);
    volume.unmount();
    const finding = volume.check();
    if (finding !== null) throw new ContractError(`after recovery ${finding}`, ADVICE_RECOVERY);
    return result;
  }

  /** The same, mounted read-only: not a byte of the copy may change. */
  afterPowerCutReadOnly(look: (task: Task) => void): void {
    const volume = new Volume(this.volume.config, copyDevice(this.device));
    const { stores } = volume.device.counters;
    look(volume.mount({ ro: "1" }).task);
    volume.unmount();
    const written = volume.device.counters.stores - stores;
    holds(written === 0, `${written} stores`, "ro writes nothing, not even a recovery");
  }

  /** The end of every test: the image must be clean, and hold the same tree after a mount. */
  finish(): void {
    this.letGo();
    const before = freezeTree(treeOfMount(this.task));
    this.volume.unmount();
    this.check();
    const difference = diffTrees(before, treeOfMount(this.volume.mount().task), { times: true });
    if (difference !== null) throw new ContractError(`after a mount ${difference}`, ADVICE_REMOUNT);
    this.volume.unmount();
    this.check();
  }

  private letGo(): void {
    for (const region of this.regions.splice(0)) region.unmap();
    for (const file of this.files.splice(0)) if (file.isOpen) this.task.close(file);
  }

  private check(): void {
    const finding = this.volume.check();
    if (finding !== null) throw new ContractError(`after unmount ${finding}`, ADVICE_CHECK);
  }
}

/** Text as a path. */
export const n = (path: string): Name => nameFromUtf8(path);

const ADVICE_WRITE = "getXipMem or reserve refuses blocks that statfs calls free";
const ADVICE_FULL = "getXipMem, xipStage and reserve throw ENOSPC where nothing is left";
const ADVICE_RECOVERY = "mount must mend what a power cut may leave, so that check is content";
const ADVICE_CHECK =
  "either an operation of this test leaves the medium inconsistent, unmount does not write " +
  "everything, or check is stricter than the format";
const ADVICE_REMOUNT =
  "something lives in memory alone: write it before the operation returns, or in sync and unmount";
