/**
 * What a crash state turns into: mount (which recovers), read everything, make and remove a file,
 * unmount, check.
 *
 * Whatever is thrown on the way is a finding about the state, the failed assertions of core and of
 * the personality included: this is the one place that catches them, because a design that runs
 * into its own assertions after a power cut has lost the file system as well.
 */
import {
  FsError,
  type Name,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_WRONLY,
  type Pmem,
  type Stat,
  Task,
  type Vfs,
  describeCorruption,
  isDirectory,
  isRegular,
  isSymlink,
  mount,
} from "@xiplab/core";
import type { Finding } from "./oracle.ts";
import { type FoundName, type FoundTree, attributesText, joinPath } from "./tree.ts";
import { CONTENT_MAX, type CrashCase } from "./types.ts";

export interface Recovered {
  /** Null where it could not be read. */
  readonly tree: FoundTree | null;
  /** What is broken. */
  readonly findings: readonly Finding[];
}

/** Names in one tree; more come from directories that contain themselves. */
const NAMES_MAX = 2 ** 20;

/** Recover the image on `device`, which changes; the caller has a snapshot. */
export function recover(device: Pmem, crashCase: CrashCase): Recovered {
  const findings: Finding[] = [];
  let tree: FoundTree | null = null;
  const step = (what: string, run: () => void): boolean => {
    try {
      run();
      return true;
    } catch (error) {
      findings.push({ verdict: "broken", path: null, what, found: errorText(error) });
      return false;
    }
  };
  let vfs: Vfs | null = null;
  step("does not mount", () => {
    vfs = mount(crashCase.personality, device, recoveryOptions(crashCase));
  });
  const mounted = vfs as Vfs | null;
  if (mounted === null) return { tree, findings };
  step("cannot be read", () => (tree = readTree(mounted)));
  step("cannot be used", () => useIt(mounted));
  const unmounted = step("cannot be unmounted", () => mounted.unmount());
  step("cannot be checked", () => {
    const report = crashCase.personality.check(device);
    for (const corruption of report.findings) {
      const found = describeCorruption(corruption);
      findings.push({ verdict: "broken", path: null, what: "check finds", found });
    }
    if (unmounted && !report.clean) {
      findings.push({ verdict: "broken", path: null, what: "is not clean after an unmount" });
    }
  });
  return { tree, findings };
}

/** What somebody else recovered, read through a mount that writes nothing. */
export function readOnlyTree(device: Pmem, crashCase: CrashCase): Recovered {
  try {
    const vfs = mount(crashCase.personality, device, { ...recoveryOptions(crashCase), ro: "1" });
    const tree = readTree(vfs);
    vfs.unmount(true);
    return { tree, findings: [] };
  } catch (error) {
    const found = errorText(error);
    const what = "cannot be read after another's recovery";
    return { tree: null, findings: [{ verdict: "broken", path: null, what, found }] };
  }
}

/** As in the run, but what is only read leaves no access times behind to be written. */
function recoveryOptions(crashCase: CrashCase): Record<string, string> {
  const { mountOptions } = crashCase;
  const chosen = ["relatime", "strictatime"].some((name) => name in mountOptions);
  return chosen ? { ...mountOptions } : { ...mountOptions, noatime: "1" };
}

/** Everything that a program sees. @throws FsError, and whatever a broken image makes throw */
function readTree(vfs: Vfs): FoundTree {
  const task = new Task(vfs);
  const xattrs = vfs.superblock.capabilities.xattrs === true;
  const tree = new Map<string, FoundName>();
  const pending = ["/"];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const found = readName(task, path as Name, xattrs);
    tree.set(path, found.name);
    if (tree.size > NAMES_MAX) throw new Error(`more than ${NAMES_MAX} names`);
    if (!found.directory) continue;
    for (const name of task.readdir(path as Name)) pending.push(joinPath(path, name));
  }
  return tree;
}

const PROBE_NAME = "/.crash-probe" as Name;
const PROBE = new Uint8Array(100).fill(1);

/**
 * Make a file, write it, remove it: what recovery rebuilt in memory is good for more than reading,
 * and `check` afterwards sees what it did to the others. No space is no finding.
 */
function useIt(vfs: Vfs): void {
  const task = new Task(vfs);
  try {
    const file = task.open(PROBE_NAME, O_CREAT | O_EXCL | O_WRONLY, 0o600);
    try {
      task.pwrite(file, PROBE, 0, PROBE.length, 0);
    } finally {
      task.close(file);
      task.unlink(PROBE_NAME);
    }
  } catch (error) {
    if (!(error instanceof FsError) || error.code !== "ENOSPC") throw error;
  }
}

function readName(
  task: Task,
  path: Name,
  xattrs: boolean,
): { readonly name: FoundName; readonly directory: boolean } {
  const stat = task.lstat(path);
  const target = isSymlink(stat.mode) ? task.readlink(path) : "";
  const values = xattrs ? readXattrs(task, path) : [];
  const attributes = attributesText(stat, target, values);
  const content = isRegular(stat.mode) ? readContent(task, path, stat) : null;
  return { name: { attributes, content }, directory: isDirectory(stat.mode) };
}

function readXattrs(task: Task, path: Name): Array<readonly [string, Uint8Array]> {
  const names = task.listxattr(path, false);
  return names.map((name) => [name, task.getxattr(path, name, false)] as const);
}

function readContent(task: Task, path: Name, stat: Stat): Uint8Array {
  // A size that no file of a case can have: reading it would take for ever.
  if (stat.size > CONTENT_MAX) throw new Error(`${path} claims to have ${stat.size} bytes`);
  const content = new Uint8Array(stat.size);
  if (stat.size === 0) return content;
  const file = task.open(path, O_RDONLY);
  const length = task.pread(file, content, 0, stat.size, 0);
  task.close(file);
  if (length !== stat.size) throw new Error(`${path} ends at ${length}, its size is ${stat.size}`);
  return content;
}

/** The name and message of anything that was thrown. */
function errorText(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
