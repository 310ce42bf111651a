/**
 * A result as text that two file systems can be compared by: types, own keys and values, but not
 * what may differ (inode and device numbers, clock times, block counts, numbers of descriptors).
 */
import { types } from "node:util";
import type { Fs } from "./world.ts";

type Loose = Record<string, unknown>;

const DIRENT_TESTS = ["isFile", "isDirectory", "isSymbolicLink", "isFIFO", "isSocket"] as const;
const STAT_KEYS = ["mode", "nlink", "uid", "gid", "rdev", "blksize"] as const;
const DEPTH_MAX = 6;

/** `fs` is the side that made the value: its classes are those that `instanceof` must know. */
export function describe(fs: Fs, value: unknown, depth = 0): string {
  if (depth > DEPTH_MAX) return "…";
  if (typeof value === "string") return JSON.stringify(maskTemporary(value));
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Error) return describeError(fs, value, depth);
  if (Buffer.isBuffer(value)) return `Buffer ${maskTemporary(value.toString("latin1"))}`;
  if (types.isUint8Array(value)) return `Uint8Array ${Buffer.from(value).toString("latin1")}`;
  if (types.isDate(value)) return "Date";
  if (Array.isArray(value)) return describeList(fs, value, depth);
  if (isStats(value)) return describeStats(fs, value);
  if (isDirent(value)) return describeDirent(fs, value, depth);
  const name = classOf(value);
  if (name === "StatFs") return `StatFs ${Object.keys(value).join()}`;
  if (name !== "Object" && name !== "null") return `<${name}>`;
  return describePlain(fs, value as Loose, depth);
}

const maskTemporary = (text: string): string =>
  text.replaceAll(/(temp-)[A-Za-z0-9]{6}/g, "$1??????");

/** The name of an object's class; of a FileHandle, Dir, stream alike. */
export function classOf(value: object): string {
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: string } } | null;
  return prototype === null ? "null" : (prototype.constructor?.name ?? "?");
}

function describePlain(fs: Fs, value: Loose, depth: number): string {
  const parts = Object.keys(value).map((key) => `${key}: ${describe(fs, value[key], depth + 1)}`);
  return `{ ${parts.join(", ")} }`;
}

/** Order is the directory's own: names are compared as a set. */
function describeList(fs: Fs, list: readonly unknown[], depth: number): string {
  const items = list.map((item) => describe(fs, item, depth + 1));
  const isNames = list.every((item) => typeof item === "string" || isDirent(item) || isBytes(item));
  return `[${(isNames ? items.toSorted() : items).join(", ")}]`;
}

const isBytes = (value: unknown): boolean => Buffer.isBuffer(value);

function describeError(fs: Fs, error: Error, depth: number): string {
  const fields = error as unknown as Loose;
  const keys = Object.keys(error).toSorted().join();
  const shown = ["name", "code", "errno", "syscall", "path", "dest"].map((key) => {
    const value = fields[key];
    return `${key}=${describe(fs, value, depth + 1)}`;
  });
  const cause = error.cause === undefined ? "" : ` cause=${describe(fs, error.cause, depth + 1)}`;
  const message = maskTemporary(error.message);
  // Node's own SystemErrors have a class without a name of its own.
  const kind = classOf(error) === "NodeError" ? error.name : classOf(error);
  return `${kind}(${shown.join(" ")} keys=${keys}${cause}) ${message}`;
}

const isStats = (value: object): value is Loose => /^(BigInt)?Stats$/.test(classOf(value));
const isDirent = (value: unknown): value is Loose =>
  typeof value === "object" && value !== null && classOf(value) === "Dirent";

function describeStats(fs: Fs, stats: Loose): string {
  const known = Object.hasOwn(stats, "mode") && typeof stats["isDirectory"] === "function";
  if (!known) return "<something that calls itself Stats>";
  const isDirectory = (stats["isDirectory"] as () => boolean)();
  const parts = STAT_KEYS.map((key) => `${key}=${String(stats[key])}`);
  // The sizes of directories are the format's own business.
  if (!isDirectory) parts.push(`size=${String(stats["size"])}`);
  for (const key of ["dev", "ino", "blocks"]) parts.push(`${key}:${typeof stats[key]}`);
  for (const key of ["atime", "mtime", "ctime", "birthtime"]) {
    parts.push(`${key}:${types.isDate(stats[key])}/${typeof stats[`${key}Ms`]}`);
    if (Object.hasOwn(stats, `${key}Ns`)) parts.push(`ns:${typeof stats[`${key}Ns`]}`);
  }
  const instance = classOf(stats) === "Stats" ? stats instanceof fs.Stats : "-";
  return `${classOf(stats)} ${instance} ${Object.keys(stats).join()} ${parts.join(" ")}${callTests(stats)}`;
}

function describeDirent(fs: Fs, entry: Loose, depth: number): string {
  const name = describe(fs, entry["name"], depth + 1);
  const parent = describe(fs, entry["parentPath"], depth + 1);
  const instance = entry instanceof fs.Dirent;
  return `Dirent ${instance} ${Object.keys(entry).join()} ${name} in ${parent}${callTests(entry)}`;
}

function callTests(value: Loose): string {
  return DIRENT_TESTS.map((test) => {
    const method = value[test];
    return ` ${typeof method === "function" ? String(Reflect.apply(method, value, [])) : "absent"}`;
  }).join("");
}
