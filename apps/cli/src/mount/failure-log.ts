/** What a daemon without a log has to say at its end goes to a file, where `xip umount` looks for it. */
import { lstatSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const pathOf = (pid: number): string => join(tmpdir(), `xip-mount-${pid}.log`);

/** Leave word. Nobody listens: where that cannot be written, it is lost. */
export function leaveWord(text: string): void {
  try {
    // "wx": in a directory that all may write, the name could be somebody's link.
    writeFileSync(pathOf(process.pid), text, { flag: "wx", mode: 0o600 });
  } catch {
    // A full disk, or a name that is taken: there is no further place.
  }
}

/** Take the word that the daemon `pid` left, or null where it ended in order. */
export function takeWord(pid: number): string | null {
  const path = pathOf(pid);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !stat.isFile() || stat.uid !== process.geteuid?.()) return null;
  const text = readFileSync(path, "utf8");
  unlinkSync(path);
  return text;
}
