/**
 * Where generated operations act: paths that exist, paths that nearly do, and positions in files
 * around everything that a file system rounds to.
 */
import type { ModelFs } from "../model/model-fs.ts";
import type { ModelNode } from "../model/node.ts";
import type { Dice } from "./dice.ts";

/** Few names, so that they collide; odd bytes, so that nobody takes them for text. */
const NAMES = ["a", "b", "c", "d", "e", "f", "g", "h"];
const ODD_NAMES = [
  "\xc3\xbc",
  "\xff\xfe\x80",
  "new\nline",
  "...",
  " ",
  "-rf",
  "\x01",
  "L".repeat(255),
  "L".repeat(254) + "M",
  "m".repeat(128),
];
const BAD_NAMES = ["x".repeat(256), ".", "..", "x".repeat(300)];

/** Longest path that is extended further: below PATH_MAX whatever is put behind it. */
const PATH_LENGTH_MAX = 1500;
const DEPTH_MAX = 6;

/** What is in the tree, by kind. */
export interface Survey {
  readonly directories: string[];
  readonly files: string[];
  readonly symlinks: string[];
  readonly specials: string[];
  readonly all: string[];
  /** A path of each regular file. */
  readonly pathOf: Map<ModelNode, string>;
  /** Pages of every file, those that are open without a name too. */
  pages: number;
}

export function survey(model: ModelFs): Survey {
  const found: Survey = {
    directories: ["/"],
    files: [],
    symlinks: [],
    specials: [],
    all: ["/"],
    pathOf: new Map(),
    pages: 0,
  };
  const files = new Set<ModelNode>();
  visit(model.root, "", found, files);
  for (const file of model.files.values()) files.add(file.node);
  for (const region of model.regions.values()) files.add(region.node);
  for (const node of files) found.pages += node.content.pageCount;
  return found;
}

function visit(directory: ModelNode, path: string, found: Survey, files: Set<ModelNode>): void {
  for (const [name, node] of directory.entries) {
    const at = `${path}/${name}`;
    if (node.isRegular) files.add(node);
    if (at.length <= PATH_LENGTH_MAX) {
      found.all.push(at);
      if (node.isDirectory) found.directories.push(at);
      else if (node.isSymlink) found.symlinks.push(at);
      else if (node.isRegular) found.files.push(at);
      if (node.isRegular) found.pathOf.set(node, at);
      else found.specials.push(at);
    }
    if (node.isDirectory) visit(node, at, found, files);
  }
}

function someName(dice: Dice): string {
  if (dice.chance(88)) return dice.pick(NAMES);
  return dice.chance(90) ? dice.pick(ODD_NAMES) : dice.pick(BAD_NAMES);
}

/** A path that may be new: a name in a directory that most likely exists. */
export function somePath(dice: Dice, found: Survey): string {
  const shallow = found.directories.filter((path) => path.split("/").length <= DEPTH_MAX);
  const parent = dice.chance(93) ? dice.pick(shallow) : dice.pick(found.all);
  return roughen(dice, `${parent === "/" ? "" : parent}/${someName(dice)}`);
}

/** A path that exists, most of the time. */
export function existing(dice: Dice, found: Survey, among: readonly string[]): string {
  if (among.length > 0 && dice.chance(90)) return roughen(dice, dice.pick(among));
  return dice.chance(50) ? dice.pick(found.all) : somePath(dice, found);
}

/** The same place, or an error, said in another way. */
function roughen(dice: Dice, path: string): string {
  if (dice.chance(92)) return path;
  const slash = path.lastIndexOf("/");
  return dice.pick([
    `${path}/`,
    `/${path}`,
    `${path}/.`,
    `${path}/..`,
    `${path.slice(0, slash)}/.${path.slice(slash)}`,
    `${path.slice(0, slash)}/..${path}`,
    `${path}/a`,
    "",
    "/",
  ]);
}

const BLOCK = 4096;
const SEGMENT = 2 * 1024 * 1024;

/** A position: at the edges of blocks, of the file, of segments, or far out. */
export function somePos(dice: Dice, size: number, farMax: number): number {
  const edge = dice.pick([-1, 0, 1, -64, 64, -8, 7]);
  const kind = dice.weighted([
    ["start", 20],
    ["size", 20],
    ["block", 30],
    ["inside", 20],
    ["segment", 2],
    ["far", 3],
  ]);
  if (kind === "start") return dice.pick([0, 0, 0, 1, 63, 64, 511, 4095, 4096, 4097]);
  if (kind === "size") return Math.max(0, size + (dice.chance(50) ? 0 : edge));
  if (kind === "block")
    return Math.max(0, dice.between(0, 40) * BLOCK + (dice.chance(60) ? 0 : edge));
  if (kind === "inside") return dice.between(0, Math.max(size, 20_000));
  if (kind === "segment") return SEGMENT * dice.between(1, 2) + edge;
  const far = dice.pick([2 ** 24, 2 ** 31, 2 ** 32, 2 ** 40, farMax - BLOCK, farMax]);
  return Math.max(0, Math.min(farMax, far + dice.between(0, BLOCK)) + edge);
}

/** The same, page-aligned: for mmap and for the moving modes of fallocate. */
export function somePagePos(dice: Dice, size: number): number {
  const pages = Math.ceil(size / BLOCK);
  return dice.between(0, dice.chance(90) ? Math.min(pages, 64) : pages + 3) * BLOCK;
}

/** A length in bytes: small, around a block, a few blocks, seldom many. */
export function someLength(dice: Dice): number {
  const kind = dice.weighted([
    ["small", 30],
    ["block", 35],
    ["few", 25],
    ["many", 3],
  ]);
  if (kind === "small") return dice.pick([1, 2, 7, 8, 63, 64, 65, 100, 511, 512, 0]);
  if (kind === "block") return dice.pick([4095, 4096, 4096, 4097, 8191, 8192, 12_288]);
  if (kind === "few") return dice.between(1, 30_000);
  return dice.pick([65_536, 100_000, 262_144, 300_001]);
}
