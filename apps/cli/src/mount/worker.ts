/**
 * The thread of `xip mount` that owns the image and serves the kernel, by blocking calls.
 *
 * Sequence: open and lock the image, mount the design (which recovers) → "opened" → the main thread
 * mounts the directory → serve until the kernel has no more → "served" → unmount the design, close
 * the image → "closed". Where anything fails: "failed", and nothing after it.
 *
 * A bug met while serving ends the thread at once: the image stays as a power cut would leave it.
 */
import { writeSync } from "node:fs";
import { once } from "node:events";
import { parentPort, workerData } from "node:worker_threads";
import { assert, CostMeter, FsError, MediaModels, PurposeNames } from "@xiplab/core";
import {
  type Channel,
  Connection,
  DeviceChannel,
  OpcodeNames,
  type ServeOptions,
} from "@xiplab/fuse";
import { ffiMapper } from "@xiplab/host-mapped";
import { processContext } from "../context.ts";
import { type Mounted, mountedOn, type OpenedImage, withDevice } from "../image.ts";
import { asProblem, isHostError, Problem } from "../problem.ts";
import { CountingChannel, PacedChannel, SyncChannel } from "./channels.ts";
import type {
  MediaStats,
  MountPlan,
  MountStats,
  OpenedFacts,
  WorkerCommand,
  WorkerData,
  WorkerMessage,
} from "./protocol.ts";
import { toldProblem } from "./told-problem.ts";
import { refuseUnknown } from "./unknown-options.ts";

const NS_PER_MS = 1e6;
const SLEEPER = new Int32Array(new SharedArrayBuffer(4));
const { plan, activity } = workerData as WorkerData;
const port = parentPort!;
const post = (message: WorkerMessage): void => port.postMessage(message);

try {
  post({ kind: "closed", stats: await openAndServe(plan) });
} catch (error) {
  post({ kind: "failed", problem: toldProblem(asProblem(error, plan.image)) });
} finally {
  port.close();
}

/** Returns when the image is closed. */
async function openAndServe(plan: MountPlan): Promise<MountStats | null> {
  const meter = plan.media === null ? null : new CostMeter(MediaModels[plan.media]);
  const opening = {
    write: !plan.readOnly,
    type: plan.type,
    options: plan.design,
    observers: meter === null ? [] : [meter],
    mapper: plan.access === "written" ? undefined : ffiMapper({ anywhere: insists(plan) }),
  };
  const never = new AbortController().signal;
  const context = { ...processContext(), cwd: plan.cwd };
  const collect: (() => MountStats) | null = await withDevice(
    context,
    plan.image,
    opening,
    (opened) => {
      tellAccess(plan, opened);
      refuseUnknown(opened.personality, plan.design);
      const facts = factsOf(opened, plan);
      return mountedOn(plan.image, opened, opening, never, async (mounted) => {
        const command = once(port, "message") as Promise<[WorkerCommand]>;
        post({ kind: "opened", facts });
        const [told] = await command;
        return told.kind === "serve" ? serveMounted(plan, mounted, told.fd, meter) : null;
      });
    },
  );
  return collect === null ? null : collect();
}

function insists({ access }: MountPlan): boolean {
  return access === "mapped";
}

/** @throws Problem where the file was to be mapped, and is not */
function tellAccess(plan: MountPlan, opened: OpenedImage): void {
  const why = notMapped(plan, opened);
  if (insists(plan) && why !== null) {
    const hint = "without -o image=mapped it is read and written instead";
    throw new Problem(`${plan.image}: cannot be mapped: ${why}`, hint);
  }
  if (plan.debug) writeSync(2, `image: ${why === null ? "mapped" : `read and written (${why})`}\n`);
}

/** In words, or null. */
function notMapped({ access }: MountPlan, opened: Pick<OpenedImage, "notMapped">): string | null {
  return access === "written" ? "as asked for" : opened.notMapped;
}

/** Of the image before it is mounted, which may change it. */
function factsOf({ personality, device }: OpenedImage, { readOnly }: MountPlan): OpenedFacts {
  return { personality: personality.name, recovered: !readOnly && !personality.isClean(device) };
}

/** Serve to the end. Returns what gives the statistics, closing the image included. */
function serveMounted(
  plan: MountPlan,
  mounted: Mounted,
  fd: number,
  meter: CostMeter | null,
): () => MountStats {
  const counting = new CountingChannel(new DeviceChannel(fd));
  const paced = meter === null ? null : new PacedChannel(counting, meter, nowNs, sleep);
  const channel = syncing(plan, mounted, paced ?? counting);
  const connection = new Connection(mounted.vfs, channel, serveOptions(plan));
  serveOrDie(connection);
  post({ kind: "served" });
  const { nodes, files } = connection;
  const atEnd = { ...mounted.vfs.census(), nodes: nodes.count, handles: files.count };
  return () => ({
    ...countersOf(mounted),
    requests: requestsOf(counting),
    media: paced === null || meter === null ? null : mediaStats(paced, meter),
    atEnd,
  });
}

/** Outermost, so that the medium's time for it counts. */
function syncing({ kernel, readOnly }: MountPlan, { vfs }: Mounted, channel: Channel): Channel {
  const what = (["sync", "dirsync"] as const).find((name) => kernel.includes(name));
  if (what === undefined || readOnly) return channel;
  return new SyncChannel(channel, () => vfs.sync(), what);
}

/** @throws never: what is no refusal of the file system's ends the thread. */
function serveOrDie(connection: Connection): void {
  try {
    connection.serve();
  } catch (error) {
    const problem = toldProblem(asProblem(error, plan.image));
    post({ kind: "failed", problem });
    // Not the way out through `finally`: writing back what a bug left could do more harm.
    if (!(error instanceof FsError)) process.exit(problem.exitCode);
    throw error;
  }
}

function serveOptions({ cache, debug }: MountPlan): ServeOptions {
  if (!debug) return { cache, activity };
  // Not process.stderr: that one needs the event loop, which has no turn here.
  return { cache, activity, trace: traceLine };
}

/** `--debug 2>&1 | head` closes the pipe early: nobody reads on, and the mount lives on. */
function traceLine(line: string): void {
  try {
    writeSync(2, `${line}\n`);
  } catch (error) {
    if (!isHostError(error) || error.code !== "EPIPE") throw error;
  }
}

function countersOf({ vfs, device, personality, ...mounted }: Mounted) {
  const { bytes, stores, flushes, fences } = device.counters;
  const byPurpose = PurposeNames.map((purpose, index) => [purpose, bytes[index]!] as const);
  const { transactions } = vfs.counters;
  const counters = { stores, flushes, fences, transactions, bytes: Object.fromEntries(byPurpose) };
  return { personality: personality.name, notMapped: notMapped(plan, mounted), ...counters };
}

function requestsOf({ counts }: CountingChannel): Record<string, number> {
  const named = [...counts].flatMap((times, opcode) =>
    times === 0 ? [] : [[OpcodeNames[opcode] ?? `opcode ${opcode}`, times] as const],
  );
  return Object.fromEntries(named);
}

function mediaStats({ waitedNs }: PacedChannel, meter: CostMeter): MediaStats {
  meter.settle();
  const { modelledNs, writeAmplification } = meter;
  return { model: meter.model.name, modelledNs, waitedNs, writeAmplification };
}

function nowNs(): number {
  return performance.now() * NS_PER_MS;
}

function sleep(durationNs: number): void {
  assert(durationNs > 0, "time goes forwards");
  Atomics.wait(SLEEPER, 0, 0, durationNs / NS_PER_MS);
}
