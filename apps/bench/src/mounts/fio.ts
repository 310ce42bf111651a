/** Rows that fio measures: one job, synchronous calls, a file of 256 MiB. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { Measurement, Slice } from "../batch.ts";

const FILE_BYTES = 256 * 2 ** 20;
const CHUNK_BYTES = 2 ** 20;
/** What a slice moves; every block at most once, so that a read finds nothing in the page cache. */
const RANDOM_BYTES = 64 * 2 ** 20;
/** A slow one stops earlier. */
const RUNTIME_MS = 250;

/** @param op "random read 4 KiB, direct", "write 1 MiB, buffered", "random write 4 KiB, direct, fsync" */
export function prepareFio(op: string, directory: string): Measurement {
  const isRead = op.includes("read");
  const isRandom = op.includes("random");
  const file = path.join(directory, isRandom || isRead ? "fio" : "fio-new");
  if (isRandom || isRead) layOut(file);
  const args = [
    "--name=bench",
    `--filename=${file}`,
    `--rw=${isRandom ? "rand" : ""}${isRead ? "read" : "write"}`,
    `--bs=${op.includes("4 KiB") ? "4k" : "1m"}`,
    `--direct=${op.includes("direct") ? 1 : 0}`,
    `--fsync=${op.includes("fsync") ? 1 : 0}`,
    `--size=${FILE_BYTES}`,
    `--io_size=${isRandom ? RANDOM_BYTES : FILE_BYTES}`,
    `--runtime=${RUNTIME_MS}ms`,
    "--ioengine=psync",
    "--fallocate=none",
    "--randseed=7",
    "--output-format=json",
  ];
  let first = true;
  const slice = (): Slice => {
    // A write from start to end makes a new file, as a program that saves something does.
    if (!isRandom && !isRead && !first) fs.rmSync(file);
    first = false;
    // Off the clock: nobody's write-back runs while another one is measured.
    const output = execFileSync("fio", args, { encoding: "utf8", cwd: "/" });
    if (!isRead) flush(file);
    const ns = parseFio(output, isRead ? "read" : "write");
    return { median: ns };
  };
  return { slice, end: () => fs.rmSync(file, { force: true }) };
}

/** Nanoseconds for one read or write, from what `fio --output-format=json` says. */
export function parseFio(output: string, direction: "read" | "write"): number {
  const { jobs } = JSON.parse(output.slice(output.indexOf("{"))) as {
    jobs: Record<"read" | "write", { total_ios: number; runtime: number }>[];
  };
  const { total_ios: count, runtime: ms } = jobs[0]![direction];
  if (count === 0 || ms === 0) throw new Error("fio did nothing");
  return (ms * 1e6) / count;
}

function layOut(file: string): void {
  if (fs.existsSync(file)) return;
  const chunk = Buffer.alloc(CHUNK_BYTES).fill(0x5a);
  const fd = fs.openSync(file, "w");
  for (let pos = 0; pos < FILE_BYTES; pos += CHUNK_BYTES) fs.writeSync(fd, chunk);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}

function flush(file: string): void {
  const fd = fs.openSync(file, "r");
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}
