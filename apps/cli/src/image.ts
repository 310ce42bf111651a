/** Opening, mounting and closing an image, with errors that say what is wrong with the file. */
import * as fs from "node:fs";
import {
  type Clock,
  CorruptionError,
  type HostFs,
  type HostMapper,
  mount,
  openHostFile,
  OptionError,
  type OptionValues,
  type Personality,
  type PmemDevice,
  type PmemObserver,
  ROOT,
  Task,
  type Timespec,
  type Vfs,
} from "@xiplab/core";
import { type Context, hostPath } from "./context.ts";
import type { Identity } from "./copy/into-image.ts";
import { EXIT_FAILED } from "./exit-codes.ts";
import { refuseFile } from "./image-file.ts";
import { lockImage } from "./image-lock.ts";
import { personalities, personalityNamed, probe } from "./personalities.ts";
import { asProblem, Problem } from "./problem.ts";

/** What every command that mounts takes from the command line. */
export interface ReadOptions {
  readonly type?: string | undefined;
  readonly options?: OptionValues;
}

export interface OpenedImage {
  readonly device: PmemDevice;
  /** Why the file is not mapped, in words; null where it is. */
  readonly notMapped: string | null;
  readonly personality: Personality;
}

export interface Mounted extends OpenedImage {
  readonly vfs: Vfs;
  /** Root, with no umask: what is copied keeps its mode. */
  readonly task: Task;
  /** Aborted by Ctrl-C, where the command asked for that. */
  readonly interrupt: AbortSignal;
}

interface OpenOptions {
  /** Stores go to the file. Without it the file is not even opened for writing. */
  readonly write: boolean;
  /** Ctrl-C is caught, and the work looks at `interrupt`; a second one ends the process at once. */
  readonly stoppable?: boolean;
  /** The name of the personality; probed where it is not given. */
  readonly type?: string | undefined;
  /** They watch the device. */
  readonly observers?: readonly PmemObserver[];
  /** Maps the file, where it can. */
  readonly mapper?: HostMapper | undefined;
}

/** So far the two clocks of Node may be apart before the wall clock must have been set. Milliseconds. */
const STEP_MS = 5;
let origin = performance.timeOrigin;

/** As Linux ticks in most kernels: 250 times a second. */
const TICK_MS = 4;

/** The wall clock, to a microsecond: two changes in a row have times of their own. */
export const systemClock: Clock = {
  now(): Timespec {
    const wall = Date.now();
    let ms = origin + performance.now();
    if (Math.abs(ms - wall) > STEP_MS) {
      origin += wall - ms;
      ms = wall;
    }
    const sec = Math.floor(ms / 1000);
    return { sec, nsec: Math.floor((ms - sec * 1000) * 1000) * 1000 };
  },
  tick(): Timespec {
    const wall = Date.now();
    const ms = wall - (wall % TICK_MS);
    const sec = Math.floor(ms / 1000);
    return { sec, nsec: (ms - sec * 1000) * 1_000_000 };
  },
};

/** Open an image, locked, work on it, close it. @throws Problem, which names the image. */
export async function withDevice<T>(
  context: Context,
  image: string,
  options: OpenOptions,
  body: (opened: OpenedImage) => T | Promise<T>,
): Promise<T> {
  const wanted = options.type === undefined ? null : personalityNamed(options.type);
  const path = hostPath(context, image);
  refuseFile(image, path);
  fs.accessSync(path, options.write ? fs.constants.R_OK | fs.constants.W_OK : fs.constants.R_OK);
  try {
    const host = openHostFile(lockingFs(image, options.write), path, {
      readOnly: !options.write,
      observers: options.observers ?? [],
      mapper: options.mapper,
    });
    try {
      const { device, notMapped } = host;
      return await body({ device, notMapped, personality: wanted ?? recognise(image, device) });
    } finally {
      host.close();
    }
  } catch (error) {
    throw asProblem(error, image);
  }
}

/** node:fs, but that what is opened is locked at once. */
function lockingFs(image: string, write: boolean): HostFs {
  return {
    ...fs,
    openSync(path, flags) {
      const fd = fs.openSync(path, flags);
      try {
        lockImage(image, path, fd, write);
        return fd;
      } catch (error) {
        fs.closeSync(fd);
        throw error;
      }
    },
  };
}

/** Keep a file, if it is there, from everybody else while `body` works.
 * @throws Problem where it is in use */
export async function whileLocked<T>(
  image: string,
  path: string,
  body: () => Promise<T>,
): Promise<T> {
  if (!fs.existsSync(path)) return body();
  const fd = fs.openSync(path, "r");
  try {
    lockImage(image, path, fd, true);
    return await body();
  } finally {
    fs.closeSync(fd);
  }
}

/** As `withDevice`, mounted; unmounted cleanly even when the work fails. */
export async function withMount<T>(
  context: Context,
  image: string,
  options: OpenOptions & ReadOptions,
  body: (mounted: Mounted) => T | Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const onSignal = (): void => controller.abort();
  const signals = options.stoppable === true ? STOP_SIGNALS : [];
  for (const signal of signals) process.once(signal, onSignal);
  try {
    return await withDevice(context, image, options, (opened) =>
      mountedOn(image, opened, options, controller.signal, body),
    );
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}

/** As `withMount`, for an image that is open already. */
export async function mountedOn<T>(
  image: string,
  opened: OpenedImage,
  options: OpenOptions & ReadOptions,
  interrupt: AbortSignal,
  body: (mounted: Mounted) => T | Promise<T>,
): Promise<T> {
  const vfs = mountOpened(image, opened, options);
  const task = new Task(vfs, { credentials: ROOT, umask: 0 });
  return unmountAfter(vfs, () => body({ ...opened, vfs, task, interrupt }));
}

function mountOpened(
  image: string,
  { device, personality }: OpenedImage,
  { options = {}, write }: OpenOptions & ReadOptions,
): Vfs {
  const mountWith = (more: OptionValues): Vfs =>
    mount(personality, device, { ...options, ...more }, { clock: systemClock });
  try {
    return mountWith(write ? {} : { ro: "1" });
  } catch (error) {
    // With options given they may be to blame: a usage error. Without, it is the image.
    if (!(error instanceof OptionError) || Object.keys(options).length > 0) throw error;
    const hint = write && succeeds(() => mountWith({ ro: "1" })) ? STILL_READABLE : undefined;
    throw new Problem(`${image}: ${error.message}`, hint, EXIT_FAILED, error);
  }
}

const STILL_READABLE = "the commands that only look at it work: ls, stat, cat, copy-out, check ...";

function succeeds(body: () => unknown): boolean {
  try {
    body();
    return true;
  } catch (error) {
    if (error instanceof OptionError || error instanceof CorruptionError) return false;
    throw error;
  }
}

/** @throws Problem where the design knows the format, but not what this image asks for. */
export function refuseUnsupported(image: string, opened: OpenedImage): void {
  mountOpened(image, opened, { write: false });
}

const STOP_SIGNALS = ["SIGINT", "SIGTERM"] as const;

async function unmountAfter<T>(vfs: Vfs, body: () => T | Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await body();
  } catch (error) {
    // By force: whatever the failed work left open. Its error is the one to be told.
    vfs.unmount(true);
    throw error;
  }
  vfs.unmount();
  return result;
}

/** Make an image file of `size` bytes, which must not be there, and let `body` fill it. */
export async function createImage(
  path: string,
  size: number,
  body: (device: PmemDevice) => void,
): Promise<void> {
  const host = openHostFile(fs, path, { size, create: true });
  try {
    body(host.device);
  } finally {
    host.close();
  }
}

/** What tells the image apart from every other file of the host. */
export function imageIdentity(path: string): Identity {
  const stat = fs.statSync(path, { bigint: true, throwIfNoEntry: false });
  return { dev: stat?.dev ?? -1n, ino: stat?.ino ?? -1n };
}

function recognise(image: string, device: PmemDevice): Personality {
  const found = probe(device);
  if (found !== null) return found;
  const known = personalities.map((one) => one.name).join(", ");
  throw new Problem(
    `${image}: no file system was recognised in it`,
    `known: ${known}; -t NAME takes it for one anyway`,
  );
}
