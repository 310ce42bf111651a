/**
 * One run of one workload on one design: timed with nobody watching, or watched by cost meters.
 *
 * Every run formats its device anew. The device of a run is never blank: what is free holds old
 * bytes, as on a medium that has been in use, so that a design that shows them is found out.
 */
import {
  CostMeter,
  createPmem,
  type MediaName,
  MediaModels,
  mount,
  mkfs,
  PAGE_SIZE,
  type Pmem,
  type PmemDevice,
  type PmemCounters,
  type PurposeName,
  PurposeNames,
  O_RDONLY,
  ROOT,
  SEGMENT_SIZE,
  type SegmentSource,
  Task,
  type Vfs,
} from "@xiplab/core";
import { type Design, mountOptionsOf } from "./design.ts";
import type { MediaResult, MeterResult, TimeResult } from "./jobs.ts";
import { makeWorkload } from "./make-workload.ts";
import { percentilesOf } from "./percentiles.ts";
import {
  type OperationHook,
  type Workload,
  type WorkloadName,
  WorkloadNames,
  type WorkloadOptions,
} from "./workload.ts";

/** Room beside the data: metadata, what `own` and the page cache need for a while, spare blocks. */
const SPARE_BYTES = 32 * 1024 * 1024;
/** A file of the tree takes whole blocks. */
const SPARE_PER_FILE_BYTES = 2 * PAGE_SIZE;
/** What free space holds: seen in a file, it is a stale byte. */
const OLD_BYTE = 0xa5;

/** Operations between two looks at the clock. */
const CHUNK_OPS = 16;

/** Nanoseconds, from any beginning. */
export type NowNs = () => number;

/** Time the body of a workload. The device is made once per thread, and used again. */
export function timeRun(
  design: Design,
  name: WorkloadName,
  options: WorkloadOptions,
  now: NowNs,
): TimeResult {
  const workload = makeWorkload(name, options);
  const device = timingDevice(options);
  const vfs = freshMount(design, device);
  const task = rootTask(vfs);
  workload.setup(task);
  const hook = new ClockHook(now);
  workload.body(task, hook);
  const chunksNs = hook.finish();
  vfs.unmount();
  return { kind: "time", ops: hook.ops, chunksNs };
}

/** Run the workload once under a cost meter per medium, and verify what it wrote. */
export function meterRun(
  design: Design,
  name: WorkloadName,
  options: WorkloadOptions,
  media: readonly MediaName[],
): MeterResult {
  const workload = makeWorkload(name, options);
  const meters = media.map((one) => new CostMeter(MediaModels[one]));
  const device = createPmem({
    size: deviceSize(workload),
    observers: meters,
    source: usedMedium(),
  });
  const vfs = freshMount(design, device);
  const task = rootTask(vfs);
  workload.setup(task);
  const before = snapshot(vfs, device);
  const started = meters.map(readMeter);
  const hook = new MeterHook(meters);
  workload.body(task, hook);
  const results = meters.map((meter, index) => mediaResult(meter, started[index]!, hook, index));
  const after = snapshot(vfs, device);
  const extentsPerFile = meanExtents(task, workload);
  const failure = verifyTwice(design, device, vfs, task, workload);
  return {
    kind: "meter",
    ops: hook.ops,
    media: results,
    ...difference(before, after),
    extentsPerFile,
    verified: failure === null,
    failure,
  };
}

/** Bytes of the device that a workload needs: whole MiB. */
function deviceSize(workload: Workload): number {
  const step = 1024 * 1024;
  const needed = 2 * workload.bytes + SPARE_PER_FILE_BYTES * workload.files.length + SPARE_BYTES;
  return Math.ceil(needed / step) * step;
}

let reused: Pmem | null = null;

/**
 * A device whose memory exists already, so that no run pays for page faults of the host; large
 * enough for every workload, so that a run does not depend on those before it.
 */
function timingDevice(options: WorkloadOptions): Pmem {
  if (reused === null) {
    const names = WorkloadNames.filter((name) => name !== "tree" || options.tree !== null);
    const size = Math.max(...names.map((name) => deviceSize(makeWorkload(name, options))));
    reused = createPmem({ size, source: usedMedium() });
    for (let at = 0; at < size; at += SEGMENT_SIZE) reused.view(at, 1);
  }
  return reused;
}

/** A medium that has been in use. */
const usedMedium = (): SegmentSource => ({
  read: (_offset, target) => void target.fill(OLD_BYTE),
  isHole: () => false,
});

function freshMount(design: Design, device: PmemDevice): Vfs {
  const { personality } = design;
  mkfs(personality, device);
  return mount(personality, device, mountOptionsOf(design));
}

const rootTask = (vfs: Vfs): Task => new Task(vfs, { credentials: ROOT, umask: 0 });

/** Reads the clock once in a while. */
class ClockHook implements OperationHook {
  ops = 0;
  private readonly chunksNs: number[] = [];
  private readonly now: NowNs;
  private begun: number;

  constructor(now: NowNs) {
    this.now = now;
    this.begun = now();
  }

  begin(): void {}

  end(): void {
    this.ops++;
    if (this.ops % CHUNK_OPS === 0) this.close();
  }

  finish(): number[] {
    this.close();
    return this.chunksNs;
  }

  private close(): void {
    const now = this.now();
    this.chunksNs.push(now - this.begun);
    this.begun = now;
  }
}

/** Reads every meter before and after each operation. */
class MeterHook implements OperationHook {
  ops = 0;
  /** Nanoseconds of each operation, per meter. */
  readonly samples: number[][];
  private readonly meters: readonly CostMeter[];
  private readonly begun: Float64Array;

  constructor(meters: readonly CostMeter[]) {
    this.meters = meters;
    this.samples = meters.map(() => []);
    this.begun = new Float64Array(meters.length);
  }

  begin(): void {
    this.meters.forEach((meter, index) => {
      this.begun[index] = meter.modelledNs;
    });
  }

  end(): void {
    this.ops++;
    this.meters.forEach((meter, index) => {
      this.samples[index]!.push(meter.modelledNs - this.begun[index]!);
    });
  }
}

interface MeterReading {
  readonly cpuBytes: number;
  readonly mediaBytes: number;
}

/** What the medium was given and has written, with nothing left on the way. */
function readMeter(meter: CostMeter): MeterReading {
  meter.settle();
  return { cpuBytes: meter.cpuBytesWritten, mediaBytes: meter.mediaBytesWritten };
}

function mediaResult(
  meter: CostMeter,
  started: MeterReading,
  hook: MeterHook,
  index: number,
): MediaResult {
  const ended = readMeter(meter);
  const sent = ended.cpuBytes - started.cpuBytes;
  const written = ended.mediaBytes - started.mediaBytes;
  return {
    media: meter.model.name,
    modelledNsPerOp: percentilesOf(Float64Array.from(hook.samples[index]!)),
    mediaWriteAmplification: sent === 0 ? 1 : written / sent,
  };
}

interface Snapshot extends Omit<PmemCounters, "bytes"> {
  readonly bytes: Float64Array;
  readonly transactions: number;
  readonly blocksFree: number;
  readonly blockSize: number;
}

function snapshot(vfs: Vfs, device: PmemDevice): Snapshot {
  const { bytes, stores, flushes, fences } = device.counters;
  const { blocksFree, blockSize } = vfs.statfs();
  const { transactions } = vfs.counters;
  return { bytes: bytes.slice(), stores, flushes, fences, transactions, blocksFree, blockSize };
}

function difference(before: Snapshot, after: Snapshot) {
  const bytes = PurposeNames.map((name, index) => [
    name,
    after.bytes[index]! - before.bytes[index]!,
  ]);
  return {
    bytes: Object.fromEntries(bytes) as Record<PurposeName, number>,
    stores: after.stores - before.stores,
    flushes: after.flushes - before.flushes,
    fences: after.fences - before.fences,
    transactions: after.transactions - before.transactions,
    spaceUsed: (before.blocksFree - after.blocksFree) * before.blockSize,
  };
}

function meanExtents(task: Task, workload: Workload): number {
  let extents = 0;
  for (const path of workload.files) {
    const file = task.open(path, O_RDONLY, 0);
    extents += task.fiemap(file, 0, Number.MAX_SAFE_INTEGER).length;
    task.close(file);
  }
  return workload.files.length === 0 ? 0 : extents / workload.files.length;
}

/** Contents in this mount, and again after a remount: what differs first, or null. */
function verifyTwice(
  design: Design,
  device: PmemDevice,
  vfs: Vfs,
  task: Task,
  workload: Workload,
): string | null {
  const here = workload.verify(task);
  vfs.unmount();
  if (here !== null) return here;
  const again = mount(design.personality, device, mountOptionsOf(design));
  const there = workload.verify(rootTask(again));
  again.unmount();
  return there === null ? null : `after a remount, ${there}`;
}
