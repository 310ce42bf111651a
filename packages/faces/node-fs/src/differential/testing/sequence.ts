/**
 * Random sequences of calls on a few names, the same on both worlds: what single probes cannot see,
 * such as descriptors whose file was renamed, removed or replaced in between.
 */
import { constants } from "node:fs";
import { describe } from "./describe.ts";
import { describeTree, type Fs, type Place } from "./world.ts";

/** One call: drawn once, run in each world. `slot` is a place among the open descriptors. */
export interface Step {
  readonly text: string;
  run(place: Place, open: Map<number, number>): unknown;
}

/** Numbers in [0, n). */
export type Draw = (n: number) => number;

/** mulberry32. */
export function drawFrom(seed: number): Draw {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n;
  };
}

const NAMES = ["a", "b", "d", "d/a", "d/e", "d/e/f", "l", "d/l", "a/x", "l/", "missing/y"];
const FLAGS = ["r", "r+", "w", "w+", "wx", "a", "a+", "ax"] as const;
const SLOTS = 4;
const SIZE_MAX = 9000;
const pick = <T>(draw: Draw, list: readonly T[]): T => list[draw(list.length)] as T;

type Call = (fs: Fs, at: (name: string) => string, fd: number) => unknown;

/** Kinds of calls; each draws its arguments first, so that both worlds get the same. */
const KINDS: ReadonlyArray<(draw: Draw) => [text: string, call: Call]> = [
  (draw) => onName(draw, "mkdirSync", (fs, path) => fs.mkdirSync(path)),
  (draw) => onName(draw, "rmdirSync", (fs, path) => fs.rmdirSync(path)),
  (draw) => onName(draw, "unlinkSync", (fs, path) => fs.unlinkSync(path)),
  (draw) => onName(draw, "lstatSync", (fs, path) => fs.lstatSync(path)),
  (draw) => onName(draw, "readdirSync", (fs, path) => fs.readdirSync(path, { recursive: true })),
  (draw) => onName(draw, "rmSync", (fs, path) => fs.rmSync(path, { force: true })),
  (draw) => onName(draw, "chmodSync", (fs, path) => fs.chmodSync(path, 0o700)),
  (draw) => onNames(draw, "renameSync", (fs, from, to) => fs.renameSync(from, to)),
  (draw) => onNames(draw, "renameSync", (fs, from, to) => fs.renameSync(from, to)),
  (draw) => onNames(draw, "linkSync", (fs, from, to) => fs.linkSync(from, to)),
  (draw) => onNames(draw, "copyFileSync", (fs, from, to) => copyFile(fs, from, to)),
  (draw) => {
    const [target, name] = [pick(draw, NAMES), pick(draw, NAMES)];
    return [`symlinkSync(${target}, ${name})`, (fs, at) => fs.symlinkSync(target, at(name))];
  },
  (draw) => {
    const [name, size] = [pick(draw, NAMES), draw(SIZE_MAX)];
    return [`truncateSync(${name}, ${size})`, (fs, at) => fs.truncateSync(at(name), size)];
  },
  (draw) => {
    const [name, data, flag] = [pick(draw, NAMES), bytes(draw), pick(draw, FLAGS)];
    const text = `writeFileSync(${name}, ${data.length} bytes, ${flag})`;
    return [text, (fs, at) => fs.writeFileSync(at(name), data, { flag })];
  },
  (draw) => {
    const [data, position] = [bytes(draw), draw(2) === 0 ? null : draw(SIZE_MAX)];
    const text = `writeSync(${data.length} bytes, ${position})`;
    return [text, (fs, _, fd) => fs.writeSync(fd, data, 0, data.length, position)];
  },
  (draw) => {
    const position = draw(2) === 0 ? null : draw(SIZE_MAX);
    return [`readSync(${position})`, (fs, _, fd) => read(fs, fd, position)];
  },
  () => ["fstatSync", (fs, _, fd) => fs.fstatSync(fd)],
  (draw) => {
    const size = draw(SIZE_MAX);
    return [`ftruncateSync(${size})`, (fs, _, fd) => fs.ftruncateSync(fd, size)];
  },
];

function onName(draw: Draw, text: string, call: (fs: Fs, path: string) => unknown): [string, Call] {
  const name = pick(draw, NAMES);
  return [`${text}(${name})`, (fs, at) => call(fs, at(name))];
}

function onNames(
  draw: Draw,
  text: string,
  call: (fs: Fs, from: string, to: string) => unknown,
): [string, Call] {
  const [from, to] = [pick(draw, NAMES), pick(draw, NAMES)];
  return [`${text}(${from}, ${to})`, (fs, at) => call(fs, at(from), at(to))];
}

const bytes = (draw: Draw): Buffer => Buffer.alloc(draw(5000), 0x61 + draw(26));

/** Not onto itself: Node empties the file first. */
const copyFile = (fs: Fs, from: string, to: string): void =>
  fs.copyFileSync(from, to, constants.COPYFILE_EXCL);

function read(fs: Fs, fd: number, position: number | null): string {
  const target = Buffer.alloc(1000);
  const count = fs.readSync(fd, target, 0, target.length, position);
  return target.toString("latin1", 0, count);
}

/** Opens and closes are as likely as all else together: descriptors are what this is about. */
export function drawStep(draw: Draw): Step {
  const slot = draw(SLOTS);
  if (draw(5) === 0) {
    const [name, flags] = [pick(draw, NAMES), pick(draw, FLAGS)];
    return {
      text: `${slot} = openSync(${name}, ${flags})`,
      run({ fs, directory }, open) {
        closeSlot(fs, open, slot);
        open.set(slot, fs.openSync(`${directory}/${name}`, flags));
      },
    };
  }
  const [text, call] = pick(draw, KINDS)(draw);
  return {
    text: `${text} [${slot}]`,
    run: ({ fs, directory }, open) =>
      call(fs, (name) => `${directory}/${name}`, open.get(slot) ?? CLOSED),
  };
}

/** A descriptor that nobody has. */
const CLOSED = 999_999;

export function closeSlot(fs: Fs, open: Map<number, number>, slot: number): void {
  const fd = open.get(slot);
  if (fd === undefined) return;
  open.delete(slot);
  fs.closeSync(fd);
}

/** What the step answers in a place, and the tree after it, as text. */
export function outcomeOf(step: Step, place: Place, open: Map<number, number>): string {
  let answer: string;
  try {
    answer = describe(place.fs, step.run(place, open));
  } catch (error) {
    answer = `throws ${describe(place.fs, error)}`;
  }
  const text = `${answer}\n${describeTree(place)}`;
  return text.replaceAll(place.directory, "DIR");
}
