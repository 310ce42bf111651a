/** A tree of this machine, to compare with a model's. */
import fs from "node:fs";
import { SEEK_DATA, SEEK_HOLE } from "@xiplab/core";
import { hex, type Tree, type TreeNode } from "../compare/tree.ts";
import { timeText } from "../model/apply-to-model.ts";
import { cString, done, libc } from "./libc.ts";

/** A byte string as a path that node:fs leaves alone. */
export const latin1 = (path: string): Buffer => Buffer.from(path, "latin1");

/** Everything below `top`, which is "/" in the tree: by default the root of this process. */
export function treeOfKernel(top = ""): Tree {
  const tree: Tree = new Map();
  const first = new Map<bigint, string>();
  // Also the caller's own name for the directory has odd bytes as latin1 here.
  const base = Buffer.from(top).toString("latin1");
  const visit = (path: string): void => {
    const place = base + path;
    const stat = fs.lstatSync(latin1(place), { bigint: true });
    if (!first.has(stat.ino)) first.set(stat.ino, path);
    tree.set(path, kernelNode(place, stat, first.get(stat.ino)!));
    for (const name of stat.isDirectory() ? namesIn(place) : []) visit(below(path, name));
  };
  visit("/");
  return tree;
}

/** Remove everything in a directory. */
export function removeBelow(directory: string): void {
  for (const name of namesIn(directory)) {
    const path = below(directory, name);
    if (!fs.lstatSync(latin1(path)).isDirectory()) {
      fs.unlinkSync(latin1(path));
    } else {
      removeBelow(path);
      fs.rmdirSync(latin1(path));
    }
  }
}

export function removeXattrs(path: string): void {
  for (const name of xattrNames(path)) done(libc.removexattr(cString(path), cString(name)));
}

const namesIn = (path: string): string[] => fs.readdirSync(latin1(path), "latin1").sort();
const below = (path: string, name: string): string =>
  path === "/" ? `/${name}` : `${path}/${name}`;

function kernelNode(path: string, stat: fs.BigIntStats, sameAs: string): TreeNode {
  const time = (ns: bigint): string => {
    const sec = ns >= 0n ? ns / 1_000_000_000n : (ns - 999_999_999n) / 1_000_000_000n;
    return timeText({ sec: Number(sec), nsec: Number(ns - sec * 1_000_000_000n) });
  };
  return {
    stat: {
      mode: Number(stat.mode),
      nlink: Number(stat.nlink),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      rdev: Number(stat.rdev),
      size: stat.isDirectory() ? 0 : Number(stat.size),
      mtime: time(stat.mtimeNs),
      ctime: time(stat.ctimeNs),
    },
    sameAs,
    identity: `${stat.ino} ${stat.birthtimeNs}`,
    target: stat.isSymbolicLink() ? fs.readlinkSync(latin1(path), "latin1") : null,
    xattrs: xattrsOf(path, stat),
    dataRanges: () => dataRanges(path, Number(stat.size)),
    read: (pos, length) => {
      const fd = fs.openSync(latin1(path), "r");
      const bytes = new Uint8Array(length);
      const got = length > 0 ? fs.readSync(fd, bytes, 0, length, pos) : 0;
      fs.closeSync(fd);
      return bytes.slice(0, got);
    },
  };
}

function dataRanges(path: string, size: number): [number, number][] {
  const ranges: [number, number][] = [];
  const fd = fs.openSync(latin1(path), "r");
  for (let pos = 0; pos < size;) {
    const from = Number(libc.lseek(fd, BigInt(pos), SEEK_DATA));
    // ENXIO: no data up to the end.
    if (from < 0) break;
    pos = done(libc.lseek(fd, BigInt(from), SEEK_HOLE));
    ranges.push([from, pos]);
  }
  fs.closeSync(fd);
  return ranges;
}

/** Reused: most files have none, and a fresh one each is half of the walk. */
const NAMES = Buffer.alloc(65_536);

function xattrsOf(path: string, stat: fs.BigIntStats): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  if (stat.isSymbolicLink()) return values;
  for (const name of xattrNames(path)) {
    const value = new Uint8Array(65_536);
    const size = done(libc.getxattr(cString(path), cString(name), value, BigInt(value.length)));
    values.set(name, hex(value.subarray(0, size)));
  }
  return values;
}

function xattrNames(path: string): string[] {
  const length = done(libc.listxattr(cString(path), NAMES, BigInt(NAMES.length)));
  if (length === 0) return [];
  const names = NAMES.toString("latin1", 0, length).split("\0");
  return names.filter((name) => name !== "").sort();
}
