/** Reads a directory tree of the host into memory. Node only. */
import { execFileSync } from "node:child_process";
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { crc32 } from "node:zlib";
import { type Name, nameFromBytes } from "@xiplab/core";
import type { TreeEntry, TreeSnapshot } from "./tree-snapshot.ts";

export interface TreeBounds {
  /** Files that would bring the sum of contents above this are left out and counted. */
  readonly bytesMax: number;
  readonly entriesMax: number;
}

/** Directories that are made by tools, and not what anybody would call the tree. */
const GENERATED = new Set(["node_modules", ".git", "dist", "coverage", ".turbo"]);

/**
 * The tree at `directory`: what git tracks where git knows it, else everything but what tools
 * generate. Special files are left out and counted.
 * @throws the host's error where `directory` cannot be read.
 */
export function loadTree(directory: string, bounds: TreeBounds): TreeSnapshot {
  const root = Buffer.from(directory);
  readdirSync(directory);
  const paths = trackedPaths(directory) ?? walk(root);
  paths.sort((a, b) => Buffer.compare(a, b));
  return readPaths(root, directory, paths, bounds);
}

/** Paths that git tracks below `directory`, or null where there is no repository or no git. */
function trackedPaths(directory: string): Buffer[] | null {
  let listing: Buffer;
  try {
    listing = execFileSync("git", ["-C", directory, "ls-files", "-z", "--cached"], {
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 256 * 1024 * 1024,
    });
  } catch {
    // No git, or not a repository: the tree is what the directory holds.
    return null;
  }
  const paths = splitNul(listing);
  return paths.length > 0 ? paths : null;
}

function splitNul(listing: Buffer): Buffer[] {
  const paths: Buffer[] = [];
  for (let start = 0; start < listing.length;) {
    const end = listing.indexOf(0, start);
    paths.push(listing.subarray(start, end));
    start = end + 1;
  }
  return paths;
}

function walk(root: Buffer): Buffer[] {
  const paths: Buffer[] = [];
  const pending: Buffer[] = [Buffer.alloc(0)];
  for (let below = pending.pop(); below !== undefined; below = pending.pop()) {
    const options = { withFileTypes: true, encoding: "buffer" } as const;
    for (const entry of readdirSync(join(root, below), options)) {
      const path = join(below, entry.name);
      if (entry.isDirectory() && GENERATED.has(entry.name.toString())) continue;
      if (entry.isDirectory()) pending.push(path);
      paths.push(path);
    }
  }
  return paths;
}

const SLASH = Buffer.from("/");
const join = (parent: Buffer, name: Buffer): Buffer =>
  parent.length === 0 ? name : Buffer.concat([parent, SLASH, name]);

/** The state of one load. */
interface Loading {
  readonly root: Buffer;
  readonly bounds: TreeBounds;
  readonly entries: TreeEntry[];
  readonly contents: Buffer[];
  readonly directories: Set<Name>;
  bytes: number;
  skipped: number;
}

function readPaths(
  root: Buffer,
  directory: string,
  paths: readonly Buffer[],
  bounds: TreeBounds,
): TreeSnapshot {
  const state: Loading = {
    root,
    bounds,
    entries: [],
    contents: [],
    directories: new Set(),
    bytes: 0,
    skipped: 0,
  };
  for (const path of paths) {
    if (state.entries.length >= bounds.entriesMax || !addPath(state, path)) state.skipped++;
  }
  const of = (kind: TreeEntry["kind"]): number =>
    state.entries.filter((entry) => entry.kind === kind).length;
  return {
    summary: {
      directory,
      files: of("file"),
      directories: of("directory"),
      symlinks: of("symlink"),
      bytes: state.bytes,
      skipped: state.skipped,
    },
    entries: state.entries,
    bytes: new Uint8Array(Buffer.concat(state.contents)),
  };
}

/** False where the path is left out. */
function addPath(state: Loading, path: Buffer): boolean {
  const full = join(state.root, path);
  const stat = lstatSync(full, { bigint: true, throwIfNoEntry: false });
  // Tracked, but not there: deleted in the working tree.
  if (stat === undefined) return true;
  if (stat.isDirectory()) {
    addDirectories(state, path);
    return true;
  }
  if (!stat.isFile() && !stat.isSymbolicLink()) return false;
  if (state.bytes + Number(stat.size) > state.bounds.bytesMax) return false;
  const parent = path.lastIndexOf(0x2f);
  if (parent > 0) addDirectories(state, path.subarray(0, parent));
  if (stat.isSymbolicLink()) {
    const target = nameFromBytes(readlinkSync(full, { encoding: "buffer" }));
    state.entries.push({ ...entryOf(path, stat), kind: "symlink", target });
    return true;
  }
  const contents = readFileSync(full);
  state.entries.push({
    ...entryOf(path, stat),
    kind: "file",
    start: state.bytes,
    length: contents.length,
    crc: crc32(contents),
  });
  state.contents.push(contents);
  state.bytes += contents.length;
  return true;
}

/** The directory and those above it, once each, outermost first. */
function addDirectories(state: Loading, path: Buffer): void {
  const name = nameFromBytes(path);
  if (state.directories.has(name)) return;
  const parent = path.lastIndexOf(0x2f);
  if (parent > 0) addDirectories(state, path.subarray(0, parent));
  state.directories.add(name);
  const stat = lstatSync(join(state.root, path), { bigint: true });
  state.entries.push({ ...entryOf(path, stat), kind: "directory" });
}

/** What all kinds share. Special bits are left out: who copies is not who owns. */
const entryOf = (path: Buffer, stat: BigIntStats): Omit<TreeEntry, "kind"> => ({
  path: nameFromBytes(path),
  mode: Number(stat.mode) & 0o777,
  sec: Number(stat.mtimeNs / 1_000_000_000n),
  nsec: Number(stat.mtimeNs % 1_000_000_000n),
  start: 0,
  length: 0,
  crc: 0,
  target: null,
});
