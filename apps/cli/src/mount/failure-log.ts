/**
 * What a daemon without a log says goes to a file that is named by its mount point. It is there from
 * the daemon's start, so that an end that nobody can catch (memory that is short, a bug of Node) leaves
 * its words too; an end in order removes it. Where it stays, `xip umount` and the next `xip mount` tell
 * what is in it.
 */
import { createHash } from "node:crypto";
import { fstatSync, lstatSync, openSync, readFileSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** `directory` is the mount point, absolute and without symbolic links. */
function pathOf(directory: string): string {
  const hash = createHash("sha256").update(directory).digest("hex").slice(0, 16);
  return join(tmpdir(), `xip-mount-${process.geteuid?.() ?? 0}-${hash}.log`);
}

/** The file, new and empty, for appending; nothing where there is no place for it. */
export function openFailureLog(directory: string): number {
  takeWord(directory);
  try {
    // "x": in a directory that all may write, the name could be somebody's link.
    return openSync(pathOf(directory), "ax", 0o600);
  } catch {
    // A full disk, or a name that is taken: its words are lost.
    return openSync("/dev/null", "a");
  }
}

/** By the daemon, at an end in order. */
export function removeFailureLog(directory: string): void {
  const ours = fstatSync(process.stderr.fd, { bigint: true });
  const there = lstatSync(pathOf(directory), { bigint: true, throwIfNoEntry: false });
  // After a lazy umount the name may be that of the next mount's.
  if (there?.ino === ours.ino && there.dev === ours.dev) unlinkSync(pathOf(directory));
}

/** Take what a daemon left that ended badly, or null where there is no such file. */
export function takeWord(directory: string): string | null {
  const path = pathOf(directory);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile() || stat.uid !== process.geteuid?.()) return null;
  const text = readFileSync(path, "utf8").trimEnd();
  unlinkSync(path);
  return text;
}

/** How a server came to its end that nobody stopped, as far as it could say. */
export function lastWords(directory: string): string {
  const word = takeWord(directory);
  if (word === null) return "";
  return word === "" ? "it left no word: it was killed" : `it had said: ${word}`;
}
