/** The programs of e2fsprogs. Their exit codes alone do not judge: see `e2fsck`. */
import fs from "node:fs";
import path from "node:path";
import { type Image, withImageFile, withTempDirectory, writeImage } from "./image-file.ts";
import { type Finished, run, runOrThrow } from "./run.ts";

/** Complaints that e2fsck makes with exit code 0: wrong totals, a journal that was not replayed. */
const COMPLAINT = /Fix\?|wrong|differences|WARNING|Warning/;
/** Totals of the superblock, not of a group. */
const TOTALS = /^Free (blocks|inodes) count wrong \(\d+, counted=\d+\)\.\nFix\? no\n/gm;
/** Exit codes up to this: nothing was wrong, or it was and is no more. */
const FIXED = 1;

export interface E2fsckResult {
  /** Exit code 0 and not one complaint. */
  readonly clean: boolean;
  readonly output: string;
}

/**
 * What `e2fsck -fn` says, by the strict rule: exit code 0 and no complaint in the output. It exits
 * with 0 where only the free counts of the superblock are wrong, and where a journal waits for its
 * replay. Changes nothing.
 */
export function e2fsck(image: Image): E2fsckResult {
  return withImageFile(image, (file) => {
    const { status, output } = run("e2fsck", ["-fn", file]);
    return { clean: status === 0 && !COMPLAINT.test(output), output };
  });
}

/**
 * The same of an image that a crash left: e2fsck replays the journal and frees orphans, on a copy,
 * and then has to find nothing else. Only the totals of the superblock may be wrong: ext4 writes
 * them at unmount, and counts the groups at mount.
 */
export function e2fsckAfterCrash(image: Image): E2fsckResult {
  return withTempDirectory((directory) => {
    const copy = path.join(directory, "recovered");
    if (typeof image === "string") fs.copyFileSync(image, copy, fs.constants.COPYFILE_FICLONE);
    else writeImage(image, copy);
    const recovery = recover(copy);
    const { status, output } = run("e2fsck", ["-fn", copy]);
    const clean =
      recovery.status <= FIXED && status === 0 && !COMPLAINT.test(output.replaceAll(TOTALS, ""));
    return { clean, output: recovery.output + output };
  });
}

/**
 * Let e2fsck replay the journal into the file and free orphans, without a look at the rest.
 * @throws Error where it finds more to do.
 */
export function recoverImage(file: string): void {
  const { status, output } = recover(file);
  if (status > FIXED) throw new Error(`e2fsck -p: exit ${status}\n${output}`);
}

/** Without -f: it takes the rest for clean, as the superblock says. */
const recover = (file: string): Finished => run("e2fsck", ["-p", file]);

/**
 * One debugfs command, such as `stat /f` or `dump_extents /f`; what it printed. debugfs exits with 0
 * on most errors: look at the text. `write` opens the image for writing (a file, not a device).
 */
export function debugfs(image: Image, command: string, write = false): string {
  return withImageFile(image, (file) => {
    const { output } = run("debugfs", [...(write ? ["-w"] : []), "-R", command, file]);
    return output.replace(/^debugfs \d.*\n/m, "");
  });
}

/** What `dumpe2fs` prints: superblock and, unless `header` alone is wanted, every group. */
export function dumpe2fs(image: Image, header = false): string {
  return withImageFile(image, (file) => {
    return runOrThrow("dumpe2fs", header ? ["-h", file] : [file]).stdout;
  });
}

/**
 * Make a sparse file of `size` bytes and format it. Everything is initialised at once, so that the
 * kernel does not go on with it in the background; more `-E` options are joined to that.
 * @throws Error with what mkfs.ext4 said.
 */
export function mkfsExt4(file: string, size: number, args: readonly string[] = []): Finished {
  const extended = ["lazy_itable_init=0,lazy_journal_init=0"];
  const others: string[] = [];
  for (let index = 0; index < args.length; index++) {
    if (args[index] === "-E") extended.push(args[++index]!);
    else others.push(args[index]!);
  }
  fs.closeSync(fs.openSync(file, "w"));
  fs.truncateSync(file, size);
  return runOrThrow("mkfs.ext4", ["-q", "-F", "-E", extended.join(","), ...others, file]);
}
