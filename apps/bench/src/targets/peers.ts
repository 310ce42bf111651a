/** How each peer is opened. A peer is imported only in the process that measures it. */
import { accessSync, constants, mkdtempSync, rmSync, statfsSync } from "node:fs";
import * as nodeFs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NodeLikeFs, NodeLikeTarget } from "./node-like.ts";

/** statfs f_type of tmpfs (linux/magic.h). */
const TMPFS_MAGIC = 0x01021994;

/** An opened peer: paths of the benchmark go below `root`. */
export interface OpenPeer {
  readonly target: NodeLikeTarget;
  readonly root: string;
}

export async function openMemfs(): Promise<OpenPeer> {
  const { createFsFromVolume, Volume } = await import("memfs");
  const fs = createFsFromVolume(new Volume());
  return { target: new NodeLikeTarget(fs as unknown as NodeLikeFs), root: "" };
}

export async function openZenfs(): Promise<OpenPeer> {
  const { configureSync, fs, InMemory } = await import("@zenfs/core");
  configureSync({ mounts: { "/": { backend: InMemory } } });
  return { target: new NodeLikeTarget(fs as unknown as NodeLikeFs), root: "" };
}

export async function openNodeVfs(): Promise<OpenPeer> {
  const { create, MemoryProvider } = await import("node:vfs");
  const fs = create(new MemoryProvider(), { emitExperimentalWarning: false });
  return { target: new NodeLikeTarget(fs), root: "" };
}

/** @throws Error where the machine has no tmpfs. */
export function openTmpfs(): OpenPeer {
  const directory = makeTmpfsDirectory();
  // Relative paths: the kernel walks as many components as the others do.
  process.chdir(directory);
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  return { target: new NodeLikeTarget(nodeFs as unknown as NodeLikeFs, remove), root: "." };
}

/** A new directory. @throws Error where the machine has no tmpfs */
export function makeTmpfsDirectory(): string {
  const place = findTmpfs();
  if (place === undefined) {
    throw new Error("no writable tmpfs at /dev/shm, /run/shm or the temporary directory");
  }
  return mkdtempSync(join(place, "xiplab-bench-"));
}

/** A writable directory on a tmpfs, if the machine has one. */
function findTmpfs(): string | undefined {
  return ["/dev/shm", "/run/shm", tmpdir()].find((place) => {
    try {
      accessSync(place, constants.W_OK);
      return statfsSync(place).type === TMPFS_MAGIC;
    } catch (error) {
      // Not there or not ours to write: the next candidate.
      if (error instanceof Error && "code" in error) return false;
      throw error;
    }
  });
}
