/** Names: mkdir, rmdir, unlink, rename, link, symlink, readlink. */
import { FsError, isDirectory, type Name, nameToUtf8 } from "@xiplab/core";
import { invalidValue, uvError } from "../errors.ts";
import { modeOf, NO_OPTIONS, optionsOf, requireBoolean, requireObject } from "./arguments.ts";
import type { Host } from "./host.ts";
import { attempt } from "./io.ts";
import { nameAs, nameOf } from "./paths.ts";

const MODE_DEFAULT = 0o777;
const LINK_TYPES: readonly unknown[] = ["dir", "file", "junction", null, undefined];

interface MkdirOptions {
  readonly recursive?: unknown;
  readonly mode?: unknown;
}

/** With `recursive`: the first directory that was made, or undefined if all were there. */
export function mkdirSync(host: Host, path: unknown, options: unknown): string | undefined {
  const { platform } = host;
  let mode = MODE_DEFAULT;
  let recursive = false;
  if (typeof options === "number" || typeof options === "string") {
    mode = modeOf(platform, options, "mode");
  } else if (options) {
    const given = options as MkdirOptions;
    if (given.recursive !== undefined) {
      requireBoolean(platform, given.recursive, "options.recursive");
      ({ recursive } = given);
    }
    if (given.mode !== undefined) mode = modeOf(platform, given.mode, "options.mode");
  }
  const name = nameOf(host, path);
  if (recursive) return makePath(host, name, mode);
  attempt(() => host.task.mkdir(name, mode));
  return undefined;
}

/** Make what is missing of a path, in the steps of Node's, so that its errors are Node's too. */
function makePath(host: Host, path: Name, mode: number): string | undefined {
  const failed = (code: FsError["code"]): Error => uvError(code, "mkdir", nameToUtf8(path));
  const left = [path];
  let first: Name | undefined;
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const code = tryMkdir(host, next, mode);
    switch (code) {
      case undefined:
        first ??= next;
        break;
      case "EACCES":
      case "ENOSPC":
      case "ENOTDIR":
      case "EPERM":
        throw failed(code);
      case "ENOENT": {
        const parent = parentPath(next);
        if (parent !== undefined) left.push(next, parent);
        else if (left.length === 0) throw failed(code);
        break;
      }
      default: {
        const refused = refusedPath(host, next, code, left.length > 0);
        if (refused !== undefined) throw failed(refused);
      }
    }
  }
  return first === undefined ? undefined : nameToUtf8(first);
}

/** The code of what went wrong, or undefined. */
function tryMkdir(host: Host, name: Name, mode: number): FsError["code"] | undefined {
  try {
    host.task.mkdir(name, mode);
    return undefined;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    return error.code;
  }
}

/** mkdir failed: with what does the whole call? Not at all if there is a directory. */
function refusedPath(
  host: Host,
  name: Name,
  code: FsError["code"],
  isOnTheWay: boolean,
): FsError["code"] | undefined {
  try {
    if (isDirectory(host.task.stat(name).mode)) return undefined;
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    return error.code;
  }
  return code === "EEXIST" && isOnTheWay ? "ENOTDIR" : "EEXIST";
}

/** The path without its last component; undefined where nothing is left. */
function parentPath(path: Name): Name | undefined {
  const at = path.lastIndexOf("/");
  if (at < 0) return undefined;
  let end = at;
  while (end > 0 && path[end - 1] === "/") end--;
  const parent = end === 0 ? "/" : path.slice(0, end);
  return parent === path ? undefined : (parent as Name);
}

export function rmdirSync(host: Host, path: unknown, options: unknown): void {
  const { platform } = host;
  const name = nameOf(host, path);
  const recursive = (options as MkdirOptions | null | undefined)?.recursive;
  if (recursive !== undefined) {
    throw invalidValue(platform, "options.recursive", recursive, "is no longer supported");
  }
  if (options !== undefined) requireObject(platform, options, "options");
  attempt(() => host.task.rmdir(name));
}

/** HOT. */
export function unlinkSync(host: Host, path: unknown): void {
  const name = nameOf(host, path);
  attempt(() => host.task.unlink(name));
}

/** HOT. */
export function renameSync(host: Host, oldPath: unknown, newPath: unknown): void {
  const from = nameOf(host, oldPath, "oldPath");
  const to = nameOf(host, newPath, "newPath");
  attempt(() => host.task.rename(from, to));
}

export function linkSync(host: Host, existingPath: unknown, newPath: unknown): void {
  const existing = nameOf(host, existingPath, "existingPath");
  const made = nameOf(host, newPath, "newPath");
  attempt(() => host.task.link(existing, made));
}

export function symlinkSync(host: Host, target: unknown, path: unknown, type: unknown): void {
  if (!LINK_TYPES.includes(type)) {
    const allowed = LINK_TYPES.map((one) => (typeof one === "string" ? `'${one}'` : String(one)));
    throw invalidValue(host.platform, "type", type, `must be one of: ${allowed.join(", ")}`);
  }
  const pointsAt = nameOf(host, target, "target");
  const name = nameOf(host, path);
  attempt(() => host.task.symlink(pointsAt, name));
}

export function readlinkSync(host: Host, path: unknown, options: unknown): string | Uint8Array {
  const { encoding } = optionsOf(host.platform, options, NO_OPTIONS);
  const name = nameOf(host, path);
  const target = attempt(() => host.task.readlink(name));
  return nameAs(host.platform, target, encoding);
}
