/** realpath: the way of Node's own JavaScript, by text, and the native one, as the walk goes. */
import { FsError, isSymlink, type Name, nameFromUtf8, nameToUtf8 } from "@xiplab/core";
import { systemError, uvError } from "../errors.ts";
import { NO_OPTIONS, optionsOf } from "./arguments.ts";
import type { Host } from "./host.ts";
import { isUrl, nameAs, nameOf, resolvePath } from "./paths.ts";

/** Links in one path, as in Linux. */
const LINKS_MAX = 40;

/** ".." is taken off the text before any link is looked at: `link/..` is where the link stands. */
export function realpathSync(host: Host, path: unknown, given: unknown): string | Uint8Array {
  const { encoding } = optionsOf(host.platform, given, NO_OPTIONS);
  const plain = isUrl(path) ? host.platform.fileUrlToPath(path) : path;
  if (typeof plain === "symbol") throw new TypeError("Cannot convert a Symbol value to a string");
  const text = typeof plain === "string" ? plain : String(plain);
  nameOf(host, text);
  const real = realText(host, resolvePath(host.cwd, text));
  return nameAs(host.platform, nameFromUtf8(real), encoding);
}

function realText(host: Host, path: string): string {
  let real = "";
  let rest = path.slice(1).split("/");
  while (rest.length > 0) {
    const part = rest.shift()!;
    if (part === "") continue;
    const next = `${real}/${part}`;
    const name = nameFromUtf8(next);
    try {
      if (!isSymlink(host.task.lstat(name).mode)) {
        real = next;
        continue;
      }
      // Node asks for what is behind every link: a circle of links ends here, with ELOOP.
      host.task.stat(name);
      const target = nameToUtf8(host.task.readlink(name));
      rest = [...resolvePath(real, target).slice(1).split("/"), ...rest];
      real = "";
    } catch (error) {
      throw systemError(error);
    }
  }
  return real === "" ? "/" : real;
}

/** As realpath(3): ".." leads up from where the links before it lead. */
export function realpathNativeSync(host: Host, path: unknown, given: unknown): string | Uint8Array {
  const { encoding } = optionsOf(host.platform, given, NO_OPTIONS);
  const name = nameOf(host, path);
  let real: Name;
  try {
    real = realName(host, name);
  } catch (error) {
    if (!(error instanceof FsError)) throw error;
    throw uvError(error.code, "realpath", nameToUtf8(name));
  }
  return nameAs(host.platform, real, encoding);
}

function realName(host: Host, path: Name): Name {
  if (path === "") throw new FsError("ENOENT");
  statUnlessLong(host, path);
  let real = path.startsWith("/") ? "" : realStart(host);
  let rest = path.split("/");
  let links = 0;
  while (rest.length > 0) {
    const part = rest.shift()!;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      real = real.slice(0, Math.max(0, real.lastIndexOf("/")));
      continue;
    }
    const next = `${real}/${part}` as Name;
    if (!isSymlink(host.task.lstat(next).mode)) {
      real = next;
      continue;
    }
    if (++links > LINKS_MAX) throw new FsError("ELOOP");
    const target = host.task.readlink(next);
    if (target.startsWith("/")) real = "";
    rest = [...target.split("/"), ...rest];
  }
  return (real === "" ? "/" : real) as Name;
}

/**
 * The errors of the whole path come first, and a link at its end is followed; but a path that is too
 * long for one call is fine for realpath, which goes step by step.
 */
function statUnlessLong(host: Host, path: Name): void {
  try {
    host.task.stat(path);
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== "ENAMETOOLONG") throw error;
  }
}

/** The working directory, without links: it was resolved when the instance was made. */
const realStart = (host: Host): string => (host.cwd === "/" ? "" : nameFromUtf8(host.cwd));
