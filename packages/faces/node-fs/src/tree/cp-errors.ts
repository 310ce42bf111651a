/**
 * What cp refuses. Node's cpSync and promises.cp have the same codes, but other words: the first a
 * plain error, the second a SystemError with all that the system would tell.
 */
import type { Stats } from "node:fs";
import { codedError } from "../callback/coded-error.ts";
import type { Copy } from "./cp.ts";
import { systemErrorOf } from "./system-error.ts";

const EEXIST = 17;
const ENOTDIR = 20;
const EISDIR = 21;
const EINVAL = 22;

function cpError(code: string, what: string, said: string, path: string, errno: number): Error {
  const names: Record<number, string> = {
    [EEXIST]: "EEXIST",
    [ENOTDIR]: "ENOTDIR",
    [EISDIR]: "EISDIR",
    [EINVAL]: "EINVAL",
  };
  const info = { message: said, path, syscall: "cp", errno, code: names[errno]! };
  return systemErrorOf(code, what, info);
}

/** Only plain errors at the level of the call itself: below it cpSync has none of its own. */
const plain = (code: string, message: string): Error => codedError(Error, code, message);

export const existsError = (target: string): Error =>
  cpError("ERR_FS_CP_EEXIST", "Target already exists", `${target} already exists`, target, EEXIST);

/** Source and target are the same, or one is inside the other. `at`: where the error says it was. */
export function invalid(
  copy: Copy,
  kind: "inside" | "linkInside" | "same",
  source: string,
  target: string,
  at = target,
): Error {
  const code = "ERR_FS_CP_EINVAL";
  if (copy.isSync && kind === "same") {
    return plain(code, `src and dest cannot be the same ${target}`);
  }
  if (copy.isSync && kind === "inside") {
    const from = source.endsWith("/") ? source : `${source}/`;
    return plain(code, `Cannot copy ${from} to a subdirectory of self ${target}`);
  }
  const inside = `cannot copy ${source} to a subdirectory of self ${target}`;
  const said = kind === "same" ? "src and dest cannot be the same" : inside;
  return cpError(code, "Invalid src or dest", said, at, EINVAL);
}

/** What is there cannot be overwritten, or not be copied. */
export function refuse(
  { isSync }: Copy,
  kind: "directory" | "link" | "toDirectory" | "toFile",
  source: string,
  target: string,
  at = target,
): Error {
  switch (kind) {
    case "directory": {
      const code = "ERR_FS_EISDIR";
      const from = source.endsWith("/") ? source : `${source}/`;
      const message = `Recursive option not enabled, cannot copy a directory: ${from}`;
      if (isSync) return plain(code, message);
      const said = `${source} is a directory (not copied)`;
      return cpError(code, "Path is a directory", said, source, EISDIR);
    }
    case "link": {
      const code = "ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY";
      const what = "Cannot overwrite symlink in subdirectory of self";
      return cpError(code, what, `cannot overwrite ${target} with ${source}`, at, EINVAL);
    }
    case "toDirectory": {
      const code = "ERR_FS_CP_NON_DIR_TO_DIR";
      const message = `annot overwrite directory ${target} with non-directory ${source}`;
      if (isSync) return plain(code, `C${message}`);
      return cpError(
        code,
        "Cannot overwrite directory with non-directory",
        `c${message}`,
        at,
        ENOTDIR,
      );
    }
    case "toFile": {
      const code = "ERR_FS_CP_DIR_TO_NON_DIR";
      const message = `annot overwrite non-directory ${target} with directory ${source}`;
      if (isSync) return plain(code, `C${message}`);
      return cpError(
        code,
        "Cannot overwrite non-directory with directory",
        `c${message}`,
        at,
        EISDIR,
      );
    }
  }
}

/** What has no content to copy. */
export function specialFile({ isSync }: Copy, stat: Stats, target: string): Error {
  const [code, noun] = stat.isSocket()
    ? ["ERR_FS_CP_SOCKET", "socket file"]
    : stat.isFIFO()
      ? ["ERR_FS_CP_FIFO_PIPE", "FIFO pipe"]
      : ["ERR_FS_CP_UNKNOWN", "unknown file type"];
  const article = code === "ERR_FS_CP_UNKNOWN" ? "an" : "a";
  const what = `annot copy ${article} ${noun}`;
  if (isSync) return plain(code, `C${what}: ${target}`);
  return cpError(code, `C${what}`, `c${what}: ${target}`, target, EINVAL);
}
