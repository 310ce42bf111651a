/**
 * Do the run that is to be crashed, and write down every store, flush and fence of it.
 *
 * The device is filled with the marker of free space before mkfs, so that a block that a file shows
 * without having written it says so: operations never write that byte (`MARK` of testkit).
 *
 * Marks in the recording: 2i when body operation i begins, 2i+1 when it has returned; the unmount
 * counts as the operation after the last one. Mount and setup stand before the first mark.
 */
import {
  PAGE_SIZE,
  Pmem,
  type PmemDevice,
  type PmemEvent,
  Recorder,
  type SegmentSource,
  type Vfs,
  counterClock,
  createPmem,
  mount,
  mkfs,
} from "@xiplab/core";
import {
  MARK,
  ModelFs,
  type ModelLimits,
  OK,
  type Operation,
  Program,
  type Result,
  applyOperation,
  applyToModel,
  emptyRoot,
  fillWithMark,
} from "@xiplab/testkit";
import { domainOf } from "./id.ts";
import { type CrashCase, CrashCaseError } from "./types.ts";

export interface Recording {
  /** The image before the first event. */
  readonly source: SegmentSource;
  readonly events: readonly PmemEvent[];
  readonly limits: ModelLimits;
  readonly markedPages: number;
}

/** Bytes between the places at which a page is looked at: a line, and a bit, so that all columns
 * of lines come up. */
const PROBE_STEP = 67;

const beginMark = (operation: number): number => 2 * operation;
export const endMark = (operation: number): number => 2 * operation + 1;

/**
 * Make the image, do setup and body, unmount, and record from the mount on.
 * @throws CrashCaseError where an operation does something else than POSIX wants; OptionError; and
 * whatever bugs of the design throw while nobody cuts the power
 */
export function recordRun(crashCase: CrashCase): Recording {
  const base = makeImage(crashCase);
  const source = imageSource(base);
  const recorder = new Recorder();
  const device = createPmem({
    size: crashCase.deviceSize,
    domain: domainOf(crashCase),
    observers: [recorder],
    source,
  });
  recorder.start();
  const run = new Run(crashCase, device);
  for (const [index, operation] of crashCase.setup.entries()) run.play(operation, `setup ${index}`);
  run.vfs.sync();
  for (const [index, operation] of crashCase.body.entries()) {
    recorder.mark(beginMark(index));
    run.play(operation, `op${index}`);
    recorder.mark(endMark(index));
  }
  recorder.mark(beginMark(crashCase.body.length));
  run.vfs.unmount(true);
  recorder.mark(endMark(crashCase.body.length));
  const { limits } = run.model;
  return { source, events: recorder.events, limits, markedPages: countMarkedPages(base) };
}

/** The mount and the program on it, and the model beside them. */
class Run {
  vfs: Vfs;
  readonly model: ModelFs;
  private program: Program;
  private readonly crashCase: CrashCase;
  private readonly device: PmemDevice;

  constructor(crashCase: CrashCase, device: PmemDevice) {
    this.crashCase = crashCase;
    this.device = device;
    this.vfs = mount(crashCase.personality, device, crashCase.mountOptions);
    this.program = new Program(this.vfs);
    const { linkMax, sizeMax } = this.vfs.superblock.fs;
    this.model = new ModelFs({ linkMax, sizeMax });
  }

  /** @throws CrashCaseError */
  play(operation: Operation, what: string): void {
    const expected = applyToModel(this.model, operation);
    const found = operation.op === "remount" ? this.remount() : this.apply(operation);
    requireAlike(this.crashCase, what, expected, found);
  }

  private apply(operation: Operation): Result {
    return applyOperation(this.program, operation);
  }

  private remount(): Result {
    this.vfs.unmount(true);
    this.vfs = mount(this.crashCase.personality, this.device, this.crashCase.mountOptions);
    this.program = new Program(this.vfs);
    return OK;
  }
}

/**
 * Where design and model disagree about what an operation did (for want of space, say, or of a
 * capability), the oracle would judge another run. What is read may differ: `none` reads zeros.
 */
function requireAlike(crashCase: CrashCase, what: string, expected: Result, found: Result): void {
  const [wanted, given] = [outcomeText(expected), outcomeText(found)];
  if (wanted === given) return;
  throw new CrashCaseError(
    `case '${crashCase.name}', ${what}: ${crashCase.personality.name} gives ${given}, ` +
      `POSIX wants ${wanted}`,
  );
}

/** "ENOSPC", "4096", "success": what a program is told, apart from contents. */
function outcomeText(result: Result): string {
  if ("error" in result) return result.error;
  return typeof result.ok === "number" ? String(result.ok) : "success";
}

/** An empty file system on a device that was full of somebody else's bytes. */
function makeImage(crashCase: CrashCase): Pmem {
  const { personality, deviceSize } = crashCase;
  const device = new Pmem(deviceSize);
  fillWithMark(device);
  mkfs(personality, device, crashCase.mkfsOptions);
  emptyRoot(personality, device, counterClock());
  return device;
}

/** Lets other devices begin as `image` is: a segment is copied when it is touched. */
function imageSource(image: Pmem): SegmentSource {
  return {
    read: (offset, target) => image.load(offset, target, 0, target.length),
    isHole: () => false,
  };
}

/** Pages that are marked wherever one looks: mkfs has left them alone. */
function countMarkedPages(image: Pmem): number {
  let count = 0;
  for (let at = 0; at < image.size; at += PAGE_SIZE) {
    const page = image.directAccess(at, PAGE_SIZE);
    let marked = true;
    for (let probe = 0; probe < PAGE_SIZE; probe += PROBE_STEP) marked &&= page[probe] === MARK;
    if (marked) count++;
  }
  return count;
}
