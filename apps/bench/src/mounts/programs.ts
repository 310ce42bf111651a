/** Rows in which a program does the work: tar, dbench. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { Measurement, Slice } from "../batch.ts";
import { newRandom } from "../random.ts";

const SEED = 0x7a2;
const TREE_FILES = 2_500;
const TREE_DIRECTORIES = 120;
/** Sizes of a source tree: most are small, a few are not. Bytes. */
const FILE_BYTES_MAX = 48 * 1024;

const DBENCH_CLIENTS = 2;
const DBENCH_SEC = 2;
const LOADFILE = "/usr/share/dbench/client.txt";

/** One operation is the whole archive, which stands beside the mount, and goes with it. */
export function prepareUntar(directory: string): Measurement {
  const place = path.dirname(directory);
  const archive = path.join(place, "tree.tar");
  makeTree(path.join(place, "tree"));
  const order = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0"];
  execFileSync("tar", [...order, "-cf", archive, "-C", place, "tree"]);
  const slice = (): Slice => {
    const target = path.join(directory, "untar");
    fs.mkdirSync(target);
    const start = performance.now();
    execFileSync("tar", ["-xf", archive, "-C", target], { stdio: ["ignore", "ignore", "pipe"] });
    const ns = (performance.now() - start) * 1e6;
    const found = fs.readdirSync(target, { recursive: true }).length;
    if (found !== 1 + TREE_DIRECTORIES + TREE_FILES) throw new Error("tar lost files");
    fs.rmSync(target, { recursive: true });
    return { median: ns };
  };
  return { slice, end: () => fs.rmSync(archive) };
}

/** The same tree each time, content and all. */
function makeTree(root: string): void {
  const random = newRandom(SEED);
  const content = Buffer.alloc(FILE_BYTES_MAX);
  for (let at = 0; at < content.length; at += 4) content.writeUInt32LE(random(2 ** 32), at);
  for (let index = 0; index < TREE_DIRECTORIES; index++) {
    fs.mkdirSync(path.join(root, `directory-${index}`), { recursive: true });
  }
  for (let index = 0; index < TREE_FILES; index++) {
    const parent = path.join(root, `directory-${random(TREE_DIRECTORIES)}`);
    const size = Math.floor(FILE_BYTES_MAX * (random(1_000) / 1_000) ** 3);
    fs.writeFileSync(path.join(parent, `file-${index}.c`), content.subarray(0, size));
  }
}

/** One operation is a megabyte of what dbench counts as moved. */
export function prepareDbench(directory: string): Measurement {
  const slice = (): Slice => {
    const target = path.join(directory, "dbench");
    fs.mkdirSync(target);
    const args = ["-t", `${DBENCH_SEC}`, "-c", LOADFILE, "-D", target, `${DBENCH_CLIENTS}`];
    const output = execFileSync("dbench", args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
    fs.rmSync(target, { recursive: true });
    const ns = parseDbench(output);
    return { median: ns };
  };
  return { slice, end: () => undefined };
}

/** Nanoseconds for a megabyte, from "Throughput 123.4 MB/sec". */
export function parseDbench(output: string): number {
  const rate = Number(/^Throughput ([\d.]+) MB\/sec/m.exec(output)?.[1]);
  if (!(rate > 0)) throw new Error(`dbench told no throughput: ${output.slice(-200).trim()}`);
  return 1e9 / rate;
}
