/**
 * Paths: what callers give (text, bytes, file URLs) as the names of the core, and names as what they
 * want back. Bytes stay exact: only where text is asked for is a name read as UTF-8.
 */
import { type Name, nameFromBytes, nameFromUtf8, nameToBytes, nameToUtf8 } from "@xiplab/core";
import { invalidType, invalidValue } from "../errors.ts";
import type { Platform } from "../platform.ts";
import type { Host } from "./host.ts";

const NUL_REASON = "must be a string, Uint8Array, or URL without null bytes";

/** The path as bytes. HOT. `name`: of the argument. @throws TypeError */
export function nameOf(host: Host, path: unknown, name = "path"): Name {
  if (typeof path === "string" && !path.includes("\0")) return nameFromUtf8(path);
  return otherName(host, path, name);
}

function otherName(host: Host, given: unknown, name: string): Name {
  const { platform } = host;
  const path = isUrl(given) ? platform.fileUrlToPath(given) : given;
  if (typeof path === "string") {
    if (!path.includes("\0")) return nameFromUtf8(path);
  } else if (path instanceof Uint8Array) {
    if (!path.includes(0)) return nameFromBytes(path);
  } else {
    throw invalidType(platform, name, "of type string or an instance of Buffer or URL", path);
  }
  throw invalidValue(platform, name, path, NUL_REASON);
}

/** As Node tells URLs, also those of another realm. */
export function isUrl(value: unknown): value is URL {
  if (typeof value !== "object" || value === null) return false;
  const { href, protocol, auth, path } = value as Record<string, unknown>;
  return Boolean(href) && Boolean(protocol) && auth === undefined && path === undefined;
}

/** A name as text or bytes: `encoding` as in the options of readdir and readlink. */
export function nameAs(
  platform: Platform,
  name: Name,
  encoding: string | null | undefined,
): string | Uint8Array {
  if (!encoding || encoding === "utf8" || encoding === "utf-8") return nameToUtf8(name);
  const bytes = nameToBytes(name);
  return encoding === "buffer" ? platform.wrap(bytes) : platform.decode(bytes, encoding);
}

/** An absolute path without ".", ".." and doubled slashes: path.resolve of POSIX, by text alone. */
export function resolvePath(from: string, path: string): string {
  const parts: string[] = [];
  const whole = path.startsWith("/") ? path : `${from}/${path}`;
  for (const part of whole.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** path.join of POSIX, of two paths that are not empty both. */
export function joinPath(path: string, name: string): string {
  const joined = resolvePath("/", `/${path}/${name}`);
  if (path.startsWith("/")) return joined;
  return joinRelative(`${path}/${name}`);
}

/** A relative path, normalised: leading ".." stay. */
function joinRelative(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.length === 0 ? "." : parts.join("/");
}
