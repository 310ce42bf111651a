/** readdir: names in the order of their bytes, as libuv sorts them. */
import {
  direntType,
  isDirectory,
  type Name,
  nameFromBytes,
  nameFromUtf8,
  nameToBytes,
  S_IFDIR,
  S_IFLNK,
} from "@xiplab/core";
import { Dirent } from "../dirent.ts";
import { systemError } from "../errors.ts";
import { type EncodingOptions, optionsOf, requireBoolean } from "./arguments.ts";
import type { Host } from "./host.ts";
import { joinPath, nameAs, nameOf, isUrl } from "./paths.ts";

interface ReaddirOptions extends EncodingOptions {
  readonly withFileTypes?: unknown;
  readonly recursive?: unknown;
}

type Text = string | Uint8Array;

const NO_OPTIONS: ReaddirOptions = {};

/** HOT. */
export function readdirSync(host: Host, path: unknown, given: unknown): (Text | Dirent)[] {
  const options = given === undefined ? NO_OPTIONS : optionsOf(host.platform, given, NO_OPTIONS);
  const name = nameOf(host, path);
  const { encoding, recursive } = options;
  if (recursive !== undefined && recursive !== null) {
    requireBoolean(host.platform, recursive, "options.recursive");
  }
  try {
    if (recursive) return listTree(host, path, name, options);
    if (options.withFileTypes) return listTypes(host, parentOf(host, path), name, encoding);
    return listNames(host, name, encoding);
  } catch (error) {
    throw systemError(error);
  }
}

/** A copy: the listing belongs to the mount. HOT. */
function listNames(host: Host, path: Name, encoding: EncodingOptions["encoding"]): Text[] {
  const { names, texts } = host.task.list(path);
  if (!encoding || encoding === "utf8") return texts.slice();
  return names.map((name) => nameAs(host.platform, name, encoding));
}

/** The path as the entries have it: as it was given, a URL as what it stands for. */
function parentOf(host: Host, path: unknown): Text {
  return isUrl(path) ? host.platform.fileUrlToPath(path) : (path as Text);
}

function listTypes(
  host: Host,
  parent: Text,
  path: Name,
  encoding: EncodingOptions["encoding"],
): Dirent[] {
  const { names, types } = host.task.list(path);
  return names.map(
    (name, index) => new Dirent(nameAs(host.platform, name, encoding), parent, types[index]!),
  );
}

/** Everything below a directory, breadth first; symbolic links to directories are entered. */
function listTree(
  host: Host,
  given: unknown,
  root: Name,
  options: ReaddirOptions,
): (Text | Dirent)[] {
  const { platform } = host;
  const { encoding, withFileTypes } = options;
  const results: (Text | Dirent)[] = [];
  const base = parentOf(host, given);
  const queue: { readonly path: Name; readonly prefix: Name }[] = [
    { path: root, prefix: "" as Name },
  ];
  for (const { path, prefix } of queue) {
    const parent = prefix === "" ? base : joinParent(host, base, prefix, encoding);
    const { names, types } = host.task.list(path);
    for (const [index, name] of names.entries()) {
      const type = types[index]!;
      const relative = (prefix === "" ? name : `${prefix}/${name}`) as Name;
      const full = `${root}/${relative}` as Name;
      results.push(
        withFileTypes
          ? new Dirent(nameAs(platform, name, encoding), parent, type)
          : nameAs(platform, relative, encoding),
      );
      if (isEntered(host, full, type)) queue.push({ path: full, prefix: relative });
    }
  }
  return results;
}

function isEntered(host: Host, path: Name, type: number): boolean {
  if (type === direntType(S_IFDIR)) return true;
  if (type !== direntType(S_IFLNK)) return false;
  try {
    const stat = host.task.tryStat(path);
    return stat !== null && isDirectory(stat.mode);
  } catch {
    // A link that leads in a circle, or where nobody may look: it leads to no directory.
    return false;
  }
}

/** The directory of an entry below the first: text where both are, else bytes. */
function joinParent(
  host: Host,
  base: Text,
  prefix: Name,
  encoding: EncodingOptions["encoding"],
): Text {
  const below = nameAs(host.platform, prefix, encoding);
  if (typeof base === "string" && typeof below === "string") return joinPath(base, below);
  const start = typeof base === "string" ? nameFromUtf8(base) : nameFromBytes(base);
  const end = typeof below === "string" ? nameFromUtf8(below) : nameFromBytes(below);
  const joined = start.endsWith("/") ? `${start}${end}` : `${start}/${end}`;
  return host.platform.wrap(nameToBytes(joined as Name));
}
