/** What is known of a file and can be set: stat, access, chmod, chown, utimes, statfs. */
import { type Name, nameToUtf8, type Stat, type Timespec, UTIME_OMIT } from "@xiplab/core";
import { invalidType, systemError, uvError } from "../errors.ts";
import { BigIntStats, StatFs, Stats } from "../stats.ts";
import { idOf, modeOf, openFileOf, smallModeOf } from "./arguments.ts";
import type { Host } from "./host.ts";
import { attempt } from "./io.ts";
import { nameOf } from "./paths.ts";

const MS_PER_SEC = 1000;
const NSEC_PER_SEC = 1_000_000_000;
/** Beyond what any format has: it is cut to that. */
const SEC_MAX = Number.MAX_SAFE_INTEGER - 1;

interface StatOptions {
  readonly bigint?: boolean;
  readonly throwIfNoEntry?: boolean;
}

export type AnyStats = Stats | BigIntStats;

const NO_OPTIONS: StatOptions = {};

/** HOT. */
export function statSync(host: Host, path: unknown, options = NO_OPTIONS): AnyStats | undefined {
  const name = nameOf(host, path);
  let stat: Stat | null;
  try {
    stat = host.task.tryStat(name);
  } catch (error) {
    return missing(error, options, "ENOTDIR");
  }
  return stat === null ? missingName(name, "stat", options) : statsOf(stat, options);
}

/** HOT. */
export function lstatSync(host: Host, path: unknown, options = NO_OPTIONS): AnyStats | undefined {
  const name = nameOf(host, path);
  let stat: Stat | null;
  try {
    stat = host.task.tryStat(name, false);
  } catch (error) {
    return missing(error, options, "ENOENT");
  }
  return stat === null ? missingName(name, "lstat", options) : statsOf(stat, options);
}

/** HOT. */
export function fstatSync(host: Host, fd: unknown, options = NO_OPTIONS): AnyStats {
  const file = openFileOf(host, fd, "fstat");
  try {
    return statsOf(host.task.fstat(file), options);
  } catch (error) {
    throw systemError(error);
  }
}

function statsOf(stat: Stat, options: StatOptions): AnyStats {
  return options.bigint === true ? new BigIntStats(stat) : new Stats(stat);
}

/** No entry is no failure if the caller said so; stat, not lstat, takes a file on the way for none. */
function missing(error: unknown, options: StatOptions, other: "ENOENT" | "ENOTDIR"): undefined {
  const { code } = error as { readonly code?: unknown };
  const isMissing = code === "ENOENT" || code === other;
  if (isMissing && options.throwIfNoEntry === false) return undefined;
  throw systemError(error);
}

/** The last name is not there: the core made no error of it. */
function missingName(name: Name, syscall: string, options: StatOptions): undefined {
  if (options.throwIfNoEntry === false) return undefined;
  throw uvError("ENOENT", syscall, nameToUtf8(name));
}

export function statfsSync(host: Host, path: unknown, options = NO_OPTIONS): StatFs {
  const name = nameOf(host, path);
  try {
    host.task.stat(name);
    return new StatFs(host.task.statfs(), options.bigint === true);
  } catch (error) {
    throw systemError(error, { syscall: "statfs", path: (error as Partial<FailedPath>).path });
  }
}

interface FailedPath {
  readonly path: string | undefined;
}

export function accessSync(host: Host, path: unknown, mode: unknown): void {
  const name = nameOf(host, path);
  const wanted = smallModeOf(mode);
  attempt(() => host.task.access(name, wanted));
}

export function existsSync(host: Host, path: unknown): boolean {
  let name: Name;
  try {
    name = nameOf(host, path);
  } catch {
    return false;
  }
  try {
    return host.task.tryStat(name) !== null;
  } catch {
    return false;
  }
}

export function chmodSync(host: Host, path: unknown, mode: unknown): void {
  const name = nameOf(host, path);
  const permissions = modeOf(host.platform, mode, "mode");
  attempt(() => host.task.chmod(name, permissions));
}

export function fchmodSync(host: Host, fd: unknown, mode: unknown): void {
  const permissions = modeOf(host.platform, mode, "mode");
  const file = openFileOf(host, fd, "fchmod");
  attempt(() => host.task.fchmod(file, permissions));
}

export function chownSync(host: Host, path: unknown, uid: unknown, gid: unknown): void {
  const name = nameOf(host, path);
  const owner = idOf(host.platform, uid, "uid");
  const group = idOf(host.platform, gid, "gid");
  attempt(() => host.task.chown(name, owner, group));
}

export function lchownSync(host: Host, path: unknown, uid: unknown, gid: unknown): void {
  const name = nameOf(host, path);
  const owner = idOf(host.platform, uid, "uid");
  const group = idOf(host.platform, gid, "gid");
  attempt(() => host.task.lchown(name, owner, group));
}

export function fchownSync(host: Host, fd: unknown, uid: unknown, gid: unknown): void {
  const owner = idOf(host.platform, uid, "uid");
  const group = idOf(host.platform, gid, "gid");
  const file = openFileOf(host, fd, "fchown");
  attempt(() => host.task.fchown(file, owner, group));
}

export function utimesSync(host: Host, path: unknown, atime: unknown, mtime: unknown): void {
  setTimes(host, nameOf(host, path), atime, mtime, true);
}

export function lutimesSync(host: Host, path: unknown, atime: unknown, mtime: unknown): void {
  setTimes(host, nameOf(host, path), atime, mtime, false);
}

function setTimes(host: Host, name: Name, atime: unknown, mtime: unknown, follow: boolean): void {
  const access = timeOf(host, atime, "time");
  const change = timeOf(host, mtime, "time");
  attempt(() => host.task.utimens(name, access, change, follow));
}

export function futimesSync(host: Host, fd: unknown, atime: unknown, mtime: unknown): void {
  const access = timeOf(host, atime, "atime");
  const change = timeOf(host, mtime, "mtime");
  const file = openFileOf(host, fd, "futime");
  attempt(() => host.task.futimens(file, access, change));
}

/** Seconds since the epoch, as Node takes them: negative numbers (not dates) mean now. */
function secondsOf(host: Host, time: unknown, name: string): number {
  if (typeof time === "string" && String(Number(time)) === time) return Number(time);
  // Texts such as " 1" and "0x10" too: what counts is that they equal a number.
  if (typeof time === "string" && !Number.isNaN(Number(time))) return Number(time);
  if (typeof time === "number" && Number.isFinite(time)) {
    return time < 0 ? host.platform.now() / MS_PER_SEC : time;
  }
  if (time instanceof Date) return time.getTime() / MS_PER_SEC;
  throw invalidType(host.platform, name, "an instance of Date or an Time in seconds", time);
}

/** As libuv cuts a time in floating point into seconds and nanoseconds. */
function timeOf(host: Host, time: unknown, name: string): Timespec {
  const seconds = secondsOf(host, time, name);
  if (Number.isNaN(seconds)) return { sec: 0, nsec: UTIME_OMIT };
  const sec = Math.min(Math.max(Math.trunc(seconds), -SEC_MAX), SEC_MAX);
  const nsec = Math.trunc((seconds % 1) * NSEC_PER_SEC);
  return nsec < 0 ? { sec: sec - 1, nsec: nsec + NSEC_PER_SEC } : { sec, nsec };
}
