/**
 * Cases in which libraries that imitate node:fs behave otherwise than node:fs: each is run on the host
 * and on an image, and every answer on the way has to be the same.
 */
import { constants } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describe as show } from "./testing/describe.ts";
import { bytesPath, describeTree, type Fs, makeFixture } from "./testing/world.ts";
import { makePair, type Pair, PERSONALITIES } from "./testing/worlds.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;

/** Calls in order, each answer kept, errors too. `d` is the fixture's directory. */
type Case = (fs: Fs, d: string) => ReadonlyArray<() => unknown>;

function readAt(fs: Fs, fd: number): string {
  const target = Buffer.alloc(64);
  return target.toString("latin1", 0, fs.readSync(fd, target, 0, 64, 0));
}

const CASES: Readonly<Record<string, Case>> = {
  "a descriptor after unlink, rename over it, and a new file of its name": (fs, d) => {
    const fd = fs.openSync(`${d}/file`, "r+");
    return [
      () => fs.renameSync(`${d}/other`, `${d}/file`),
      () => [readAt(fs, fd), fs.fstatSync(fd).nlink],
      () => fs.unlinkSync(`${d}/file`),
      () => fs.writeFileSync(`${d}/file`, "a new one"),
      () => fs.writeSync(fd, "still", 0),
      () => [readAt(fs, fd), fs.readFileSync(`${d}/file`, "utf8")],
      () => fs.closeSync(fd),
    ];
  },
  "rename between types, over directories, into oneself, between links": (fs, d) => [
    () => fs.renameSync(`${d}/full`, `${d}/full/deep/x`),
    () => fs.renameSync(`${d}/hollow`, `${d}/full`),
    () => fs.renameSync(`${d}/file`, `${d}/hollow`),
    () => fs.renameSync(`${d}/hollow`, `${d}/file`),
    () => fs.renameSync(`${d}/full`, `${d}/hollow`),
    () => fs.renameSync(`${d}/hard`, `${d}/hard2`),
    () => fs.readdirSync(d),
  ],
  "two appenders, and append with a position": (fs, d) => {
    const [one, two] = [fs.openSync(`${d}/file`, "a"), fs.openSync(`${d}/file`, "a+")];
    return [
      () => fs.writeSync(one, "1"),
      () => fs.writeSync(two, "2"),
      () => fs.writeSync(one, "3", 0),
      () => readAt(fs, two),
      () => [fs.closeSync(one), fs.closeSync(two)],
    ];
  },
  "O_EXCL, O_NOFOLLOW and O_DIRECTORY on links": (fs, d) => [
    () => fs.openSync(`${d}/dangling`, O_WRONLY | O_CREAT | O_EXCL),
    () => fs.openSync(`${d}/link`, O_RDONLY | O_NOFOLLOW),
    () => fs.openSync(`${d}/file`, O_RDONLY | O_DIRECTORY),
    () => fs.writeFileSync(`${d}/dangling`, "made through the link"),
    () => fs.readFileSync(`${d}/nowhere`, "utf8"),
  ],
  "reading what is open for writing, writing what is open for reading": (fs, d) => {
    const [reader, writer] = [fs.openSync(`${d}/file`, "r"), fs.openSync(`${d}/file`, "w")];
    return [
      () => fs.writeSync(reader, "x"),
      () => readAt(fs, writer),
      () => fs.ftruncateSync(reader, 1),
      () => [fs.closeSync(reader), fs.closeSync(writer), readAt(fs, 999_999)],
    ];
  },
  "hard links: one inode, none to a directory": (fs, d) => [
    () => fs.statSync(`${d}/hard`).ino === fs.statSync(`${d}/hard2`).ino,
    () => fs.linkSync(`${d}/full`, `${d}/x`),
    () => fs.unlinkSync(`${d}/full`),
    () => fs.unlinkSync(`${d}/hard`),
    () => fs.statSync(`${d}/hard2`).nlink,
  ],
  "an inode keeps its number over a rename": (fs, d) => {
    const { ino } = fs.statSync(`${d}/file`);
    return [
      () => fs.renameSync(`${d}/file`, `${d}/hollow/moved`),
      () => fs.statSync(`${d}/hollow/moved`).ino === ino,
    ];
  },
  "nanoseconds, and times before the epoch": (fs, d) => [
    () => fs.utimesSync(`${d}/file`, 1_600_000_000.123456, new Date(-1500)),
    () => {
      const { atimeNs, mtimeNs } = fs.statSync(`${d}/file`, { bigint: true });
      return [atimeNs / 1000n, mtimeNs / 1000n];
    },
    () => fs.statSync(`${d}/file`).mtimeMs,
  ],
  "names that are no UTF-8 and links of their own size": (fs, d) => [
    () => fs.readFileSync(bytesPath(d)),
    () => fs.readdirSync(d, "buffer").map((name) => name.toString("hex")),
    () => fs.lstatSync(`${d}/link`).size,
    () => fs.mkdirSync(`${d}/${"n".repeat(256)}`),
    () => fs.readFileSync(`${d}/file/`),
    () => fs.statSync(`${d}/loop/x`),
    () => fs.mkdirSync(`${d}/p/q/r`, { recursive: true }),
  ],
  "vectors, and modes that a copy keeps": (fs, d) => {
    const fd = fs.openSync(`${d}/new`, "w+");
    const targets = [Buffer.alloc(3), Buffer.alloc(4)];
    return [
      () => fs.writevSync(fd, [Buffer.from("abc"), Buffer.from("defg")]),
      () => [fs.readvSync(fd, targets, 0), ...targets],
      () => fs.copyFileSync(`${d}/script`, `${d}/copied`),
      () => fs.statSync(`${d}/copied`).mode,
      () => fs.closeSync(fd),
    ];
  },
};

describe.each(PERSONALITIES)("where others differ from node:fs, $name does not", (personality) => {
  let pair: Pair;
  beforeAll(() => {
    pair = makePair(personality);
  });
  afterAll(() => pair.release());

  it.each(Object.entries(CASES))("%s", (name, body) => {
    const [expected, found] = pair.worlds.map(({ fs, base }) => {
      const place = { fs, directory: `${base}/${name.replaceAll(/\W/g, "")}`, opened: [] };
      makeFixture(place);
      const answers = body(fs, place.directory).map((call) => answerOf(fs, call));
      return [...answers, describeTree(place)];
    });
    expect(found).toEqual(expected);
  });
});

function answerOf(fs: Fs, call: () => unknown): string {
  try {
    return show(fs, call());
  } catch (error) {
    return `throws ${show(fs, error)}`;
  }
}
