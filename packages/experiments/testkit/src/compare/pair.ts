/** A mounted volume and the model of it, which do the same operations. */
import {
  FALLOC_FL_ZERO_RANGE,
  FsError,
  isDirectory,
  type Name,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  type OpenFile,
  PAGE_SIZE,
  type Task,
} from "@xiplab/core";
import { applyOperation } from "../apply.ts";
import { applyToModel } from "../model/apply-to-model.ts";
import { ModelFs, type ModelLimits } from "../model/model-fs.ts";
import {
  type FileRef,
  OK,
  type Operation,
  type OperationName,
  type Result,
} from "../operations.ts";
import { USERS } from "../users.ts";
import { copyDevice, Volume } from "../volume.ts";
import { treeOfMount } from "./mount-tree.ts";
import { diffResults } from "./results.ts";
import { diffBytes, diffTrees, treeOfModel } from "./tree.ts";

/** What is not as the model says. */
export class Disagreement extends Error {}

export class Pair {
  protected readonly volume: Volume;
  protected readonly model: ModelFs;
  private readonly cutsPower: boolean;
  /** Blocks in use by an empty file system, its root left out. */
  private readonly usedAtFirst: number;

  /** `cutsPower`: look, before every remount, at what a power cut would leave. */
  constructor(volume: Volume, cutsPower: boolean) {
    this.volume = volume;
    this.cutsPower = cutsPower;
    this.model = new ModelFs(limitsOf(volume));
    this.volume.mount();
    this.volume.emptyRoot();
    this.usedAtFirst = this.blocksUsed();
  }

  /** Do one operation on both. Returns what it gave. @throws Disagreement */
  step(operation: Operation, index: number): Result {
    this.model.now = { sec: index + 1, nsec: 0 };
    this.volume.clock.time = this.model.now;
    if (operation.op === "remount") return this.remount();
    const expected = applyToModel(this.model, operation);
    return this.agree(expected, applyOperation(this.volume.program, operation));
  }

  compareTrees(): void {
    this.compareRegions();
    const found = treeOfMount(this.volume.program.task);
    const difference = diffTrees(treeOfModel(this.model), found, { times: this.comparesTimes });
    if (difference !== null) throw new Disagreement(difference);
  }

  /** Every mapped page, which also fills the page tables: what is not revoked later shows here. */
  compareRegions(): void {
    for (const [slot, region] of this.model.regions) {
      const mapped = this.volume.program.regions.get(slot)!;
      const length = Math.min(region.length, region.node.content.size - region.pos);
      if (length <= 0) continue;
      const expected = region.load(0, length) as Uint8Array;
      const found = new Uint8Array(length);
      mapped.load(0, found, 0, length);
      const difference = diffBytes(expected, found, 0);
      if (difference !== null) throw new Disagreement(`region ${slot}: ${difference}`);
    }
  }

  /** Everything that must hold at the end, on the medium too, and that no block is lost. */
  finish(): void {
    this.compareTrees();
    this.remount();
    this.letGo();
    removeBelow(this.volume.program.task, "/");
    const lost = this.blocksUsed() - this.usedAtFirst;
    if (lost !== 0) throw new Disagreement(`when all is removed, ${lost} blocks stay in use`);
    this.volume.unmount();
    this.requireClean();
  }

  protected get comparesTimes(): boolean {
    return true;
  }

  /** What the pair itself keeps open. */
  protected fillUp(): void {}
  protected letGo(): void {}

  protected agree(expected: Result, found: Result): Result {
    const difference = diffResults(expected, found);
    if (difference !== null) throw new Disagreement(difference);
    return expected;
  }

  /**
   * What the next start finds if the power goes now and every store has reached the medium: mount
   * must mend it. Without a cache, and with names that are durable at once, nothing at all is lost.
   */
  private cutPower(): void {
    const { config, device } = this.volume;
    const next = new Volume(config, copyDevice(device));
    const { task } = next.mount();
    const keepsAll = config.personality.capabilities.synchronousMetadata === true;
    if (keepsAll && (config.mountOptions?.["data"] ?? "xip") === "xip") {
      const difference = diffTrees(treeOfModel(this.model), treeOfMount(task), { times: false });
      if (difference !== null) throw new Disagreement(`after a power cut ${difference}`);
    }
    next.unmount();
    const finding = next.check();
    if (finding !== null) throw new Disagreement(`after a power cut and a mount ${finding}`);
  }

  protected remount(): Result {
    if (this.cutsPower) this.cutPower();
    this.model.exit();
    this.letGo();
    this.volume.unmount();
    this.requireClean();
    this.volume.mount();
    this.fillUp();
    this.compareTrees();
    return OK;
  }

  private requireClean(): void {
    const finding = this.volume.check();
    if (finding !== null) throw new Disagreement(`after unmount ${finding}`);
  }

  private blocksUsed(): number {
    const { task } = this.volume.program;
    task.syncfs();
    const { blocks, blocksFree, blockSize } = task.statfs();
    return blocks - blocksFree - (task.stat("/" as Name).blocks * 512) / blockSize;
  }
}

/** What may fail for want of space. All else must go through on a full device, fsync above all. */
const NEEDS_SPACE: ReadonlySet<OperationName> = new Set([
  "open",
  "create",
  "write",
  "truncate",
  "fallocate",
  "store",
  "mkdir",
  "link",
  "linkFile",
  "symlink",
  "rename",
  "mknod",
  "setxattr",
]);

/** Blocks that a FullPair leaves free. */
export const ROOM_BLOCKS = 60;

/**
 * The same on a device that is nearly full. What fails with ENOSPC must have changed nothing but times,
 * and a short write counts for what it says. Operations are root's: a refused write by others may
 * cost set-user-id.
 */
export class FullPair extends Pair {
  /** Takes all space but ROOM_BLOCKS; has no name, so nobody sees it. */
  private filler: OpenFile | null = null;
  private fillerSize = 0;

  constructor(volume: Volume, cutsPower: boolean) {
    super(volume, cutsPower);
    this.fillerSize = Number.MAX_SAFE_INTEGER;
    this.fillUp();
    this.fillerSize = this.leaveRoom();
  }

  protected override get comparesTimes(): boolean {
    return false;
  }

  protected override fillUp(): void {
    const { task } = this.volume.program;
    task.credentials = USERS.root;
    const path = "/.filler" as Name;
    this.filler = task.open(path, O_CREAT | O_EXCL | O_RDWR, 0);
    task.unlink(path);
    // How much can be had is tried: what statfs calls free may be kept back, from root too.
    const { blocks, blockSize } = task.statfs();
    let size = 0;
    for (let step = Math.min(this.fillerSize, blocks * blockSize); step >= PAGE_SIZE;) {
      const more = Math.min(step, this.fillerSize - size);
      if (more > 0 && tryFallocate(task, this.filler, size, more)) size += more;
      else step = Math.floor(step / 2 / PAGE_SIZE) * PAGE_SIZE;
    }
  }

  /** Make the filler smaller. Returns its size. */
  private leaveRoom(): number {
    const { task } = this.volume.program;
    const filler = this.filler!;
    const { blockSize } = task.statfs();
    const size = Math.max(0, task.fstat(filler).size - ROOM_BLOCKS * blockSize);
    task.ftruncate(filler, size);
    return size;
  }

  protected override letGo(): void {
    if (this.filler !== null) this.volume.program.task.close(this.filler);
    this.filler = null;
  }

  override step(operation: Operation, index: number): Result {
    this.model.now = { sec: index + 1, nsec: 0 };
    this.volume.clock.time = this.model.now;
    if (operation.op === "remount") return this.remount();
    if (operation.op === "store") return this.store(operation);
    return this.stepWithin(operation);
  }

  /** Page by page: what lies before a page without space is stored. */
  private store(operation: Extract<Operation, { op: "store" }>): Result {
    const { offset, length } = operation;
    let result: Result = OK;
    for (let at = offset; at < offset + length && "ok" in result;) {
      const part = Math.min(PAGE_SIZE - (at % PAGE_SIZE), offset + length - at);
      result = this.stepWithin({ ...operation, offset: at, length: part });
      at += part;
    }
    return result;
  }

  private stepWithin(operation: Operation): Result {
    const found = applyOperation(this.volume.program, operation);
    if ("error" in found && found.error === "ENOSPC" && NEEDS_SPACE.has(operation.op)) {
      if (operation.op === "fallocate") this.adoptZeros(operation);
      return found;
    }
    const isShort = operation.op === "write" && "ok" in found && found.ok !== operation.length;
    const done = isShort ? { ...operation, length: found.ok as number } : operation;
    return this.agreeWithoutTimes(applyToModel(this.model, done), found);
  }

  /** Of a range that was to be zeroed, any part may be zero when the space runs out. */
  private adoptZeros({ file, mode, pos, length }: Extract<Operation, { op: "fallocate" }>): void {
    if ((mode & FALLOC_FL_ZERO_RANGE) === 0) return;
    const isSlot = typeof file === "number";
    const node = isSlot ? this.model.files.get(file)!.node : this.model.lookup(file, true);
    const expected = node.content.read(pos, length);
    const found = this.readRange(file, pos, expected.length);
    for (const [index, byte] of found.entries()) {
      if (byte === 0 || byte === expected[index]) continue;
      throw new Disagreement(`byte ${pos + index} is neither what it was nor zero`);
    }
    node.content.write(pos, found);
  }

  /** Whatever the mode is in which the file is open. */
  private readRange(file: FileRef, pos: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    const { vfs, program } = this.volume;
    if (typeof file === "number") {
      vfs.superblock.files.read(program.files.get(file)!.inode, pos, bytes, 0, length);
    } else {
      const opened = program.task.open(file as Name, O_RDONLY);
      program.task.pread(opened, bytes, 0, length, pos);
      program.task.close(opened);
    }
    return bytes;
  }

  private agreeWithoutTimes(expected: Result, found: Result): Result {
    const isStat = "ok" in found && typeof found.ok === "object" && found.ok && "ctime" in found.ok;
    return isStat ? expected : this.agree(expected, found);
  }
}

/** What a design limits, as a fresh mount says. */
export function limitsOf(volume: Volume): ModelLimits {
  volume.mount();
  const { sizeMax, linkMax, timeMin, timeMax, timeGranularity } = volume.vfs.superblock.fs;
  volume.unmount();
  return {
    sizeMax,
    linkMax,
    timeMin: timeMin ?? -Infinity,
    timeMax: timeMax ?? Infinity,
    timeGranularity: timeGranularity ?? 1,
  };
}

/** False where the space has become too small. */
function tryFallocate(task: Task, file: OpenFile, pos: number, length: number): boolean {
  try {
    task.fallocate(file, 0, pos, length);
    return true;
  } catch (error) {
    if (!(error instanceof FsError && error.code === "ENOSPC")) throw error;
    task.ftruncate(file, pos);
    return false;
  }
}

function removeBelow(task: Task, directory: string): void {
  task.credentials = USERS.root;
  for (const name of task.readdir(directory as Name)) {
    const path = (directory === "/" ? `/${name}` : `${directory}/${name}`) as Name;
    if (!isDirectory(task.lstat(path).mode)) {
      task.unlink(path);
    } else {
      removeBelow(task, path);
      task.rmdir(path);
    }
  }
}
