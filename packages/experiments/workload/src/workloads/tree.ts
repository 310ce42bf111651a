/** A real directory tree copied in, made durable, and read back. */
import {
  type Name,
  nameToUtf8,
  O_CREAT,
  O_EXCL,
  O_RDONLY,
  O_WRONLY,
  S_IFMT,
  type Task,
  type Timespec,
} from "@xiplab/core";
import type { TreeEntry, TreeSnapshot } from "../tree-snapshot.ts";
import type { OperationHook, Workload } from "../workload.ts";
import { checksumFile } from "./contents.ts";

/** Bytes per read and write, as cp(1) has it. */
const CHUNK_BYTES = 128 * 1024;

export function treeWorkload(tree: TreeSnapshot): Workload {
  const files = tree.entries.filter((entry) => entry.kind === "file");
  const target = new Uint8Array(CHUNK_BYTES);
  const { summary } = tree;
  return {
    name: "tree",
    title: `${summary.files} files, ${summary.directories} directories copied in, then read back`,
    files: files.filter((entry) => entry.length > 0).map((entry) => pathOf(entry)),
    bytes: tree.bytes.length,
    setup(task) {
      task.syncfs();
    },
    body(task, hook) {
      for (const entry of tree.entries) copyEntry(task, hook, entry, tree.bytes);
      hook.begin();
      task.syncfs();
      hook.end();
      for (const entry of files) readEntry(task, hook, entry, target);
    },
    verify(task) {
      for (const entry of tree.entries) {
        const failure = verifyEntry(task, entry);
        if (failure !== null) return failure;
      }
      return null;
    },
  };
}

const pathOf = (entry: TreeEntry): Name => `/${entry.path}` as Name;

function copyEntry(task: Task, hook: OperationHook, entry: TreeEntry, bytes: Uint8Array): void {
  const path = pathOf(entry);
  const time: Timespec = { sec: entry.sec, nsec: entry.nsec };
  hook.begin();
  if (entry.kind === "directory") {
    task.mkdir(path, entry.mode);
  } else if (entry.kind === "symlink") {
    task.symlink(entry.target!, path);
  } else {
    const file = task.open(path, O_WRONLY | O_CREAT | O_EXCL, entry.mode);
    for (let done = 0; done < entry.length;) {
      const part = Math.min(CHUNK_BYTES, entry.length - done);
      done += task.write(file, bytes, entry.start + done, part);
    }
    task.futimens(file, time, time);
    task.close(file);
  }
  hook.end();
}

function readEntry(task: Task, hook: OperationHook, entry: TreeEntry, target: Uint8Array): void {
  hook.begin();
  const file = task.open(pathOf(entry), O_RDONLY, 0);
  while (task.read(file, target, 0, CHUNK_BYTES) > 0);
  task.close(file);
  hook.end();
}

function verifyEntry(task: Task, entry: TreeEntry): string | null {
  const path = pathOf(entry);
  const shown = nameToUtf8(path);
  if (entry.kind === "symlink") {
    return task.readlink(path) === entry.target ? null : `${shown}: points elsewhere`;
  }
  const stat = task.stat(path);
  if ((stat.mode & ~S_IFMT) !== entry.mode) return `${shown}: mode differs`;
  if (entry.kind === "directory") return null;
  if (stat.size !== entry.length) {
    return `${shown}: size ${stat.size}, expected ${entry.length}`;
  }
  if (stat.mtimeSec !== entry.sec) return `${shown}: modification time differs`;
  const crc = checksumFile(task, path, entry.length);
  return crc === entry.crc ? null : `${shown}: checksum ${crc}, expected ${entry.crc}`;
}
