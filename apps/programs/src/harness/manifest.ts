/**
 * `node manifest.ts DIRECTORY`: a line for everything below it, sorted by path: type and permissions,
 * owner, links, size, time of change of the contents, and a hash of them. A process of its own, so that
 * a mount that does not answer hangs nobody who matters.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram } from "@xiplab/oracles";

const CHUNK = Buffer.alloc(1024 * 1024);
const ALL_TYPES = "fdlpbcs";
const OUTPUT_MAX = 256 * 1024 * 1024;
const TIMEOUT_MS = 120_000;
const SEPARATOR = Buffer.from("/");

export interface ManifestOptions {
  /** Extended attributes too, as getfattr sees them. */
  readonly xattrs?: boolean;
  /** Of what times are told, by the letters of find(1)'s -type. Default: "fdlpbcs", of everything. */
  readonly times?: string;
}

/**
 * What is below `directory`, as text: two trees are the same if their manifests are.
 * @throws Error where something cannot be read.
 */
export function manifestOf(
  directory: string,
  { xattrs = false, times = ALL_TYPES }: ManifestOptions = {},
): string {
  const args = [fileURLToPath(import.meta.url), directory, times];
  const tree = outputOf(process.execPath, args, directory);
  const getfattr = xattrs ? findProgram("getfattr") : null;
  if (getfattr === null) return tree;
  const text = outputOf(getfattr, ["-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "."], directory);
  // Blocks come in the order of the directory, which is the file system's own affair.
  return `${tree}\n${text.trim().split("\n\n").sort().join("\n\n")}`;
}

function outputOf(program: string, args: readonly string[], directory: string): string {
  const { status, signal, stdout, stderr } = spawnSync(program, [...args], {
    cwd: directory,
    encoding: "latin1",
    maxBuffer: OUTPUT_MAX,
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  if (status === 0) return stdout;
  throw new Error(`${program} ${args.join(" ")}: exit ${status ?? signal}\n${stderr}`);
}

/** The first lines that two texts do not share, for people; empty where they are the same. */
export function differences(expected: string, found: string): string {
  if (expected === found) return "";
  const inFound = new Set(found.split("\n"));
  const inExpected = new Set(expected.split("\n"));
  const missing = [...inExpected].filter((line) => !inFound.has(line));
  const extra = [...inFound].filter((line) => !inExpected.has(line));
  return [
    ...missing.slice(0, 10).map((line) => `- ${line}`),
    ...extra.slice(0, 10).map((line) => `+ ${line}`),
    `${missing.length} lines are missing, ${extra.length} are new`,
  ].join("\n");
}

function printTree(directory: string, times: string): void {
  const lines: string[] = [];
  const walk = (at: Buffer, name: string): void => {
    const stat = fs.lstatSync(at, { bigint: true });
    lines.push(lineOf(at, name, stat, times));
    if (!stat.isDirectory()) return;
    for (const entry of fs.readdirSync(at, { encoding: "buffer" })) {
      walk(Buffer.concat([at, SEPARATOR, entry]), path.join(name, printable(entry)));
    }
  };
  walk(Buffer.from(directory), "/");
  process.stdout.write(`${lines.sort().join("\n")}\n`);
}

/** Names are bytes. */
const printable = (name: Buffer): string => JSON.stringify(name.toString("latin1")).slice(1, -1);

function lineOf(at: Buffer, name: string, stat: fs.BigIntStats, times: string): string {
  const isDirectory = stat.isDirectory();
  return [
    name,
    stat.mode.toString(8),
    `${stat.uid}:${stat.gid}`,
    `links=${stat.nlink}`,
    // Directories are as large as the design makes them, and a remount may pack them.
    isDirectory ? "" : `size=${stat.size}`,
    stat.rdev === 0n ? "" : `rdev=${stat.rdev}`,
    times.includes(letterOf(stat)) ? `mtime=${stat.mtimeNs}` : "",
    contentOf(at, stat),
  ]
    .filter((part) => part !== "")
    .join(" ");
}

function letterOf(stat: fs.BigIntStats): string {
  if (stat.isFile()) return "f";
  if (stat.isDirectory()) return "d";
  if (stat.isSymbolicLink()) return "l";
  if (stat.isFIFO()) return "p";
  if (stat.isSocket()) return "s";
  return stat.isBlockDevice() ? "b" : "c";
}

function contentOf(at: Buffer, stat: fs.BigIntStats): string {
  if (stat.isSymbolicLink()) return `-> ${printable(fs.readlinkSync(at, { encoding: "buffer" }))}`;
  if (!stat.isFile()) return "";
  const hash = createHash("sha1");
  const fd = fs.openSync(at, "r");
  try {
    for (;;) {
      const length = fs.readSync(fd, CHUNK, 0, CHUNK.length, null);
      if (length === 0) return hash.digest("hex");
      hash.update(CHUNK.subarray(0, length));
    }
  } finally {
    fs.closeSync(fd);
  }
}

if (import.meta.main) printTree(process.argv[2]!, process.argv[3]!);
