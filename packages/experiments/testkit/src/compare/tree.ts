/**
 * A whole tree as seen from outside, whatever holds it: what two file systems have to agree on
 * when they are meant to be equal.
 */
import { firstDifference } from "../bytes.ts";
import { ANY_TIME, statOf } from "../model/apply-to-model.ts";
import { Content } from "../model/content.ts";
import type { ModelFs } from "../model/model-fs.ts";
import type { ModelNode } from "../model/node.ts";
import type { StatValue } from "../operations.ts";
import { describeByte } from "../pattern.ts";

export interface TreeNode {
  readonly stat: StatValue;
  /** The first path, in the order of the walk, that leads to the same file. */
  readonly sameAs: string;
  /** The same as long as the file lives, wherever it is moved; of no other file at that time. */
  readonly identity: unknown;
  /** Of a symbolic link. */
  readonly target: string | null;
  /** Names to values, sorted by name. Values are compared as text. */
  readonly xattrs: ReadonlyMap<string, string>;
  /** Ranges [from, end) that may hold other bytes than zeros. Regular files. */
  dataRanges(): readonly (readonly [from: number, end: number])[];
  /** Up to `length` bytes of content from `pos`. */
  read(pos: number, length: number): Uint8Array;
}

/** Bytes: files up to this size are compared whole, holes too. */
const WHOLE_MAX = 8 * 1024 * 1024;

/** Path to node, parents first, names in byte order. */
export type Tree = Map<string, TreeNode>;

export function treeOfModel(model: ModelFs): Tree {
  const tree: Tree = new Map();
  const first = new Map<ModelNode, string>();
  const visit = (node: ModelNode, path: string): void => {
    if (!first.has(node)) first.set(node, path);
    tree.set(path, modelNode(node, first.get(node)!));
    for (const name of [...node.entries.keys()].sort()) {
      visit(node.entries.get(name)!, path === "/" ? `/${name}` : `${path}/${name}`);
    }
  };
  visit(model.root, "/");
  return tree;
}

function modelNode(node: ModelNode, sameAs: string): TreeNode {
  const xattrs = [...node.xattrs].map(([name, value]) => [name, hex(value)] as const);
  return {
    stat: statOf(node),
    sameAs,
    identity: node,
    target: node.isSymlink ? node.target : null,
    xattrs: new Map(xattrs.sort(([a], [b]) => (a < b ? -1 : 1))),
    dataRanges: () => node.content.pageIndices().map((index) => [index * 4096, (index + 1) * 4096]),
    read: (pos, length) => node.content.read(pos, length),
  };
}

/** Bytes as text, to compare and print. */
export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The same tree with its contents in memory: it outlives what it was read from. */
export function freezeTree(tree: Tree): Tree {
  return new Map([...tree].map(([path, node]) => [path, freezeNode(node)]));
}

function freezeNode(node: TreeNode): TreeNode {
  const { size } = node.stat;
  if (node.target !== null || size === 0) return node;
  const ranges = node.dataRanges();
  const wanted = size <= WHOLE_MAX ? [[0, size] as const] : ranges;
  const content = new Content();
  for (const [from, end] of wanted) {
    content.write(from, node.read(from, Math.min(end, size) - from));
  }
  content.truncate(size);
  return {
    ...node,
    dataRanges: () => ranges,
    read: (pos, length) => content.read(pos, length),
  };
}

export interface DiffOptions {
  /** Compare mtime and ctime. */
  readonly times: boolean;
}

/** The first difference in words, or null. */
export function diffTrees(expected: Tree, found: Tree, options: DiffOptions): string | null {
  for (const [path, node] of expected) {
    const other = found.get(path);
    if (other === undefined) return `${quote(path)} is missing`;
    const difference = diffNodes(node, other, options);
    if (difference !== null) return `${quote(path)}: ${difference}`;
  }
  for (const path of found.keys()) {
    if (!expected.has(path)) return `${quote(path)} should not be there`;
  }
  return null;
}

function diffNodes(expected: TreeNode, found: TreeNode, options: DiffOptions): string | null {
  const stat = diffStats(expected.stat, found.stat, options.times);
  if (stat !== null) return stat;
  if (expected.sameAs !== found.sameAs) {
    return `is the same file as ${quote(found.sameAs)}, expected ${quote(expected.sameAs)}`;
  }
  if (expected.target !== found.target) {
    return `points at ${quote(found.target ?? "")}, expected ${quote(expected.target ?? "")}`;
  }
  return diffXattrs(expected.xattrs, found.xattrs) ?? diffContents(expected, found);
}

/** Two stats; a time that is ANY_TIME equals every time. */
export function diffStats(expected: StatValue, found: StatValue, times: boolean): string | null {
  for (const name of Object.keys(expected) as (keyof StatValue)[]) {
    const isTime = name === "mtime" || name === "ctime";
    if (isTime && (!times || expected[name] === ANY_TIME || found[name] === ANY_TIME)) continue;
    if (expected[name] === found[name]) continue;
    const show = (value: number | string): string =>
      name === "mode" ? `0o${value.toString(8)}` : String(value);
    return `${name} is ${show(found[name])}, expected ${show(expected[name])}`;
  }
  return null;
}

function diffXattrs(
  expected: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): string | null {
  const show = (map: ReadonlyMap<string, string>): string => JSON.stringify([...map]);
  if (show(expected) === show(found)) return null;
  return `xattrs are ${show(found)}, expected ${show(expected)}`;
}

const CHUNK = 1024 * 1024;

function diffContents(expected: TreeNode, found: TreeNode): string | null {
  const { size } = expected.stat;
  if (expected.target !== null || size === 0) return null;
  // Small files are read whole, holes too. Of far larger ones, what either side says is data.
  const ranges =
    size <= WHOLE_MAX ? [[0, size] as const] : [...expected.dataRanges(), ...found.dataRanges()];
  for (const [from, end] of ranges) {
    for (let pos = from; pos < Math.min(end, size); pos += CHUNK) {
      const length = Math.min(CHUNK, end - pos, size - pos);
      const difference = diffBytes(expected.read(pos, length), found.read(pos, length), pos);
      if (difference !== null) return difference;
    }
  }
  return null;
}

/** The first byte that differs, and how far the damage goes; null if there is none. */
export function diffBytes(expected: Uint8Array, found: Uint8Array, pos: number): string | null {
  if (expected.length !== found.length) {
    return `${found.length} bytes at ${pos}, expected ${expected.length}`;
  }
  const first = firstDifference(expected, found);
  if (first < 0) return null;
  let end = first + 1;
  while (end < found.length && found[end] !== expected[end]) end++;
  return (
    `byte ${pos + first} is ${describeByte(found[first]!)}, ` +
    `expected ${describeByte(expected[first]!)}; bytes differ up to ${pos + end}`
  );
}

/** A path with its odd bytes visible. */
export const quote = (text: string): string => JSON.stringify(text);
