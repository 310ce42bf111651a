/** Paths as text: what node:path's POSIX half does, for where there is no node:path. */
export { resolvePath } from "../sync/paths.ts";

/** Without ".", doubled slashes and ".." that can be taken off; a slash at the end stays. */
function normalizePath(path: string): string {
  const isAbsolute = path.startsWith("/");
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (!isAbsolute) parts.push(part);
  }
  const text = parts.join("/");
  if (isAbsolute) return text === "" || !path.endsWith("/") ? `/${text}` : `/${text}/`;
  if (text === "") return path.endsWith("/") ? "./" : ".";
  return path.endsWith("/") ? `${text}/` : text;
}

export function joinPath(...parts: string[]): string {
  const joined = parts.filter((part) => part !== "").join("/");
  return joined === "" ? "." : normalizePath(joined);
}

/** The way from one absolute path to another. */
export function relativePath(from: string, to: string): string {
  const there = (path: string): string[] => path.split("/").filter((part) => part !== "");
  const source = there(from);
  const target = there(to);
  let common = 0;
  while (common < source.length && source[common] === target[common]) common++;
  const up = source.slice(common).map(() => "..");
  return [...up, ...target.slice(common)].join("/");
}

/** The directory that a path stands in. */
export function dirname(path: string): string {
  const trimmed = path.replace(/(?<=[^/])\/+$/, "");
  const at = trimmed.lastIndexOf("/");
  if (at < 0) return ".";
  return trimmed.slice(0, at).replace(/\/+$/, "") || "/";
}

/** The last component of a path. */
export function basename(path: string): string {
  const trimmed = path.replace(/\/+$/, "");
  return trimmed.slice(trimmed.lastIndexOf("/") + 1);
}
