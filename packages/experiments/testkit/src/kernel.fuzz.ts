/**
 * The kernel as the judge of the model: generated operations run on the file system of this machine
 * and on `ModelFs`; every result and, after every operation, the whole tree must be the same, and
 * the same times must have moved.
 *
 * Needs Linux, root (three users act, and the directory becomes the root of a process of its own),
 * and Node's ffi for the system calls that node:fs does not have.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { compareKernelWithModel } from "./kernel/index.ts";

const SEED = Number(process.env["SEED"] ?? 4_711);
const RUNS = 4;
const OPERATIONS = 400;
const TIMEOUT_MS = 110_000;

/** Why this machine cannot judge, or null. */
function reasonToSkip(directory: string): string | null {
  if (os.platform() !== "linux") return "the kernel is not Linux";
  if (process.geteuid?.() !== 0) return "only root can act as several users";
  const [major = 0, minor = 0] = os.release().split(".").map(Number);
  if (major < 6 || (major === 6 && minor < 13)) return "times are too coarse before Linux 6.13";
  // Other file systems differ in what POSIX leaves open, and not all have every mode of fallocate.
  const isExt4 = fs.statfsSync(directory).type === 0xef53;
  return isExt4 ? null : "the directory for temporary files is not on ext4";
}

test(`the model agrees with the kernel, seed=${SEED}`, { timeout: TIMEOUT_MS }, ({ skip }) => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "xiplab-kernel-"));
  try {
    const reason = reasonToSkip(directory);
    if (reason !== null) skip(reason);
    const seed = SEED;
    const limits = { seed, runs: RUNS, operations: OPERATIONS, timeoutMs: TIMEOUT_MS };
    expect(compareKernelWithModel(directory, limits)).toBe("");
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
});
