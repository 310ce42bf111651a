/**
 * The two sides of the comparison: the real node:fs in a temporary directory, and createFs in a
 * directory of the same path inside an image. Paths are equal, so results need no translation.
 */
import type * as NodeFs from "node:fs";

export type Fs = typeof NodeFs;

export interface World {
  readonly label: string;
  readonly fs: Fs;
  /** An existing directory. */
  readonly base: string;
}

/** A directory with the fixture in it, which one probe may change. */
export interface Place {
  readonly fs: Fs;
  readonly directory: string;
  /** Descriptors that a probe's arguments opened; closed after it. */
  readonly opened: number[];
}

/** Seconds since the epoch with a fraction that needs microseconds. */
const FIXTURE_TIME = 1_234_567_890.123456;

const NON_UTF8 = Buffer.from([0x63, 0x61, 0x66, 0xe9]);

/** The path of an entry, as bytes where its name is not text. */
export function bytesPath(directory: string, name = NON_UTF8): Buffer {
  return below(Buffer.from(directory), name);
}

const below = (directory: Buffer, name: Buffer): Buffer =>
  Buffer.concat([directory, Buffer.from("/"), name]);

/** Everything that a path can lead to: types, links, unusual names. */
export function makeFixture({ fs, directory }: Place): void {
  fs.mkdirSync(directory, { recursive: true });
  const at = (name: string): string => `${directory}/${name}`;
  fs.writeFileSync(at("file"), "hello\nworld\n");
  fs.writeFileSync(at("other"), "other content");
  fs.writeFileSync(at("empty"), "");
  fs.writeFileSync(at("script"), "#!/bin/sh\n");
  fs.chmodSync(at("script"), 0o755);
  fs.writeFileSync(at("ünïcode 名"), "n");
  fs.writeFileSync(bytesPath(directory), "bytes");
  fs.mkdirSync(at("full/deep"), { recursive: true });
  fs.writeFileSync(at("full/inner"), "inner");
  fs.writeFileSync(at("full/deep/leaf"), "leaf");
  fs.mkdirSync(at("hollow"));
  fs.mkdirSync(at("hollow2"));
  fs.symlinkSync("file", at("link"));
  fs.symlinkSync("full", at("dirlink"));
  fs.symlinkSync("nowhere", at("dangling"));
  fs.symlinkSync("loop", at("loop"));
  fs.symlinkSync("ping", at("pong"));
  fs.symlinkSync("pong", at("ping"));
  fs.writeFileSync(at("hard"), "two names");
  fs.linkSync(at("hard"), at("hard2"));
  fs.utimesSync(at("file"), FIXTURE_TIME, FIXTURE_TIME);
}

const SMALL = 1 << 16;

/** What stands in the directory now: names, types, modes, links, contents. Equal text, equal trees. */
export function describeTree({ fs, directory }: Place): string {
  if (!fs.existsSync(directory)) return "gone";
  const lines: string[] = [];
  const visit = (path: Buffer, shown: string): void => {
    const stats = fs.lstatSync(path);
    let line = `${shown} ${stats.mode.toString(8)} ${stats.nlink} ${stats.uid}:${stats.gid}`;
    if (stats.isSymbolicLink()) line += ` -> ${fs.readlinkSync(path, "latin1")}`;
    if (stats.isFile()) line += ` ${stats.size}`;
    if (stats.isFile() && stats.size < SMALL) line += ` ${fs.readFileSync(path, "latin1")}`;
    lines.push(line);
    if (!stats.isDirectory()) return;
    const names = fs.readdirSync(path, { encoding: "buffer" });
    const sorted = names.toSorted((a, b) => Buffer.compare(a, b));
    for (const name of sorted) visit(below(path, name), `${shown}/${name.toString("latin1")}`);
  };
  visit(Buffer.from(directory), "");
  // What mkdtemp chose is not for comparing.
  return lines.join("\n").replaceAll(/(temp-)[A-Za-z0-9]{6}/g, "$1??????");
}
