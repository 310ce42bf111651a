/**
 * Trees as the oracle compares them: from a path to what stands there. Attributes are words, so that
 * equal is equal text and a difference can be printed as it is.
 */
import { isDevice, isDirectory, isSymlink } from "@xiplab/core";
import type { ModelFs, ModelNode } from "@xiplab/testkit";

/** One name of the model. */
interface ModelName {
  /** The file behind the name: its history is kept by this identity. */
  readonly node: ModelNode;
  /** The legal attributes; more than one only in the midst of an operation that is not atomic. */
  readonly attributes: readonly string[];
}

/** The name space at one moment: from absolute path to file. The root is "/". */
export type Names = ReadonlyMap<string, ModelName>;

/** One name of a recovered file system. */
export interface FoundName {
  readonly attributes: string;
  /** The bytes of a regular file, else null. */
  readonly content: Uint8Array | null;
}
export type FoundTree = ReadonlyMap<string, FoundName>;

export interface Attributes {
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
}

/**
 * Attributes in words. Times are left out: they may be older than the data (lazytime), and the
 * first form promises nothing about them.
 */
export function attributesText(
  found: Attributes,
  target: string,
  xattrs: ReadonlyArray<readonly [name: string, value: Uint8Array]>,
): string {
  let text = `mode ${found.mode.toString(8)}, nlink ${found.nlink}, owner ${found.uid}:${found.gid}`;
  if (isDevice(found.mode)) text += `, rdev ${found.rdev}`;
  if (isSymlink(found.mode)) text += `, target ${JSON.stringify(target)}`;
  if (xattrs.length === 0) return text;
  const sorted = xattrs.map(([name, value]) => `${name}=${hex(value)}`).sort();
  return `${text}, xattrs ${sorted.join(" ")}`;
}

function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

export const joinPath = (directory: string, name: string): string =>
  directory === "/" ? `/${name}` : `${directory}/${name}`;

/** The names of the model as they are now. */
export function namesOf(model: ModelFs): Names {
  const names = new Map<string, ModelName>();
  addNames(model.root, "/", names);
  return names;
}

function addNames(node: ModelNode, path: string, names: Map<string, ModelName>): void {
  names.set(path, { node, attributes: [modelAttributes(node)] });
  if (!isDirectory(node.mode)) return;
  for (const [name, child] of node.entries) addNames(child, joinPath(path, name), names);
}

function modelAttributes(node: ModelNode): string {
  return attributesText(node, node.target, [...node.xattrs]);
}

/** Same paths, same files, same attributes. */
export function equalNames(a: Names, b: Names): boolean {
  if (a.size !== b.size) return false;
  for (const [path, name] of a) {
    const other = b.get(path);
    if (other?.node !== name.node) return false;
    if (other.attributes[0] !== name.attributes[0]) return false;
  }
  return true;
}

/**
 * What a rename without the promise of atomicity may leave: the file under both names, or the
 * target taken away before the file has come. Never a file without a name.
 */
export function renameMidways(before: Names, after: Names): Names[] {
  const both = new Map(looseNames(after, before));
  const cleared = new Map(looseNames(before, after));
  for (const [path, name] of before) {
    const next = after.get(path);
    if (next === undefined) both.set(path, loose(name, name));
    else if (next.node !== name.node) cleared.delete(path);
  }
  return [both, cleared];
}

function* looseNames(names: Names, others: Names): Iterable<[string, ModelName]> {
  for (const [path, name] of names) yield [path, loose(name, others.get(path) ?? name)];
}

/** The link count of what moves, and of the directories around it, may be on its way. */
function loose(name: ModelName, other: ModelName): ModelName {
  const given = [...name.attributes, ...other.attributes];
  const texts = new Set(given);
  for (const text of given) {
    for (const by of [-1, 1]) {
      texts.add(text.replace(/nlink (\d+)/, (_, count) => `nlink ${Number(count) + by}`));
    }
  }
  return { node: name.node, attributes: [...texts] };
}
