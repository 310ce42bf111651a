/** What the watchers share, and how a path comes to be watched. */
import { FsError, type Ino, type Name } from "@xiplab/core";
import type { Schedule } from "../callback/schedule.ts";
import type { SyncFs } from "../callback/sync-fs.ts";
import { uvError } from "../errors.ts";
import { hasCode } from "../tree/context.ts";
import { basename } from "../tree/paths.ts";
import type { Notifier, Watch, WatchEvent } from "./notifier.ts";

export interface WatchContext {
  readonly sync: SyncFs;
  readonly schedule: Schedule;
  readonly notifier: Notifier;
  /** Where relative paths start: absolute. */
  readonly cwd: () => string;
}

/** `name` as the bytes of a name; of what happened to the watched file its own. */
export type Told = (event: WatchEvent, name: Name) => void;

/** One watch of one path. */
export interface PathWatch {
  close(): void;
}

const R_OK = 4;

/** @throws Error ENOENT, ENOTDIR, EACCES, ELOOP: `watch` failed, with `path` and `filename` */
export function watchPath(context: WatchContext, path: string, own: Name, told: Told): PathWatch {
  const { sync, notifier } = context;
  try {
    const { ino } = sync.statSync(path);
    sync.accessSync(path, R_OK);
    const watch: Watch = notifier.add(ino as Ino, (event, name) => told(event, name ?? own));
    return { close: () => notifier.remove(watch) };
  } catch (error) {
    throw watchError(error, path);
  }
}

/** The error of a watcher for what the file system said. */
function watchError(error: unknown, path: string): unknown {
  const code = (error as { code?: unknown }).code;
  if (!(error instanceof FsError) && !hasCode(error, String(code))) return error;
  if (typeof code !== "string" || code.startsWith("ERR_")) return error;
  const failed = uvError(code as FsError["code"], "watch", path);
  return Object.assign(failed, { filename: path });
}

export const ownName = (path: string): string => basename(path);
