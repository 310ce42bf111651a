/**
 * The model against the kernel of this machine: `node main.ts DIRECTORY SEED RUNS OPERATIONS [fuse]`.
 * With `fuse` DIRECTORY is on a FUSE mount, and what Linux never asks such a file system is left out.
 *
 * DIRECTORY becomes the root of this process, so that absolute paths mean the same on both sides.
 * Prints what differs, with the shortest sequence that shows it, and exits with 1.
 * Root only. Must be run as the main program: it never gets its root or its rights back.
 */
import process from "node:process";
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  FsError,
} from "@xiplab/core";
import * as fc from "fast-check";
import { diffResults, printOperations } from "../compare/results.ts";
import { diffTrees, quote, type Tree, treeOfModel } from "../compare/tree.ts";
import { OperationsArbitrary } from "../generate/arbitrary.ts";
import { DEFAULT_CONFIG } from "../generate/generator.ts";
import { ANY_TIME, applyToModel } from "../model/apply-to-model.ts";
import { ModelFs } from "../model/model-fs.ts";
import type { ModelNode } from "../model/node.ts";
import type { Operation } from "../operations.ts";
import { USERS } from "../users.ts";
import { KernelPlayer } from "./kernel-player.ts";
import { cString, done, libc } from "./libc.ts";

/** ext4 with 4 KiB blocks: 16 TiB less one block. */
const EXT4_LIMITS = { sizeMax: (2 ** 32 - 1) * 4096, linkMax: 65_000 };
/** Durability does not show from above, and a disk is slow. */
const SLOW = ["fsync", "msync", "sync"] as const;
/**
 * Through FUSE what a store into a mapping brings is the client's own: the times move when it writes
 * the page back, and bytes behind the end of the file are not zeroed when the file grows over them.
 */
const SLOW_OR_MAPPED = [...SLOW, "store"] as const;
const SHRINK_MS = 20_000;

interface Failure {
  readonly at: number;
  /** Operations that were refused. */
  readonly idle: ReadonlySet<number>;
  readonly message: string;
}

function main([directory, seed, runs, operations, isFuse]: string[]): void {
  const throughFuse = isFuse === "fuse";
  done(libc.chroot(cString(directory!)));
  process.chdir("/");
  const player = new KernelPlayer();
  const config = {
    ...DEFAULT_CONFIG,
    limits: EXT4_LIMITS,
    exclude: throughFuse ? SLOW_OR_MAPPED : SLOW,
  };
  const arbitrary = new OperationsArbitrary(Number(operations), config, SHRINK_MS);
  const property = fc.property(arbitrary, (sequence) => {
    const found = compare(player, sequence, arbitrary.isShrinking, throughFuse);
    if (found === null) return;
    arbitrary.failure ??= found;
    throw new Error(found.message);
  });
  const details = fc.check(property, { seed: Number(seed), numRuns: Number(runs) });
  player.reset();
  if (!details.failed) return;
  const shortest = details.counterexample?.[0] ?? [];
  const reason = details.errorInstance instanceof Error ? details.errorInstance.stack : "unknown";
  process.stdout.write(`seed=${seed}: ${reason}\n${printOperations(shortest)}\n`);
  process.exitCode = 1;
}

/** Looks at the whole tree after each operation; to be `quick`, after the last one. */
function compare(
  player: KernelPlayer,
  operations: readonly Operation[],
  quick: boolean,
  throughFuse: boolean,
): Failure | null {
  player.reset();
  const model = new ModelFs(EXT4_LIMITS);
  const idle = new Set<number>();
  let before: [Tree, Tree] = [treeOfModel(model), player.tree()];
  for (const [index, operation] of operations.entries()) {
    model.now = { sec: index + 1, nsec: 0 };
    if (leftOut(model, operation) || (throughFuse && notThroughFuse(operation))) continue;
    const expected = applyToModel(model, operation);
    const found = player.apply(operation);
    if ("error" in expected) idle.add(index);
    const isLast = index >= operations.length - 2;
    const after: [Tree, Tree] = quick && !isLast ? before : [treeOfModel(model), player.tree()];
    const message =
      diffResults(expected, found) ?? (quick && !isLast ? null : diffState(before, after));
    if (message !== null) return { at: index, idle, message: `operation ${index}: ${message}` };
    before = after;
  }
  return null;
}

/**
 * Which times changed in this operation: the kernel's clock is its own, so only that is compared.
 * Needs a kernel whose times are fine enough after each look at them (multigrain, Linux 6.13).
 */
function diffTimes(before: [Tree, Tree], after: [Tree, Tree]): string | null {
  const was = before.map(
    (tree) => new Map([...tree.values()].map((node) => [node.identity, node])),
  );
  for (const [path, model] of after[0]) {
    const kernel = after[1].get(path)!;
    const [modelWas, kernelWas] = [was[0]!.get(model.identity), was[1]!.get(kernel.identity)];
    if (modelWas === undefined || kernelWas === undefined) continue;
    for (const name of ["mtime", "ctime"] as const) {
      const expected = model.stat[name];
      if (expected === ANY_TIME || modelWas.stat[name] === ANY_TIME) continue;
      const changes = expected !== modelWas.stat[name];
      if (changes === (kernel.stat[name] !== kernelWas.stat[name])) continue;
      return `${quote(path)}: ${name} ${changes ? "stays" : "changes"}, expected otherwise`;
    }
  }
  return null;
}

function diffState(before: [Tree, Tree], after: [Tree, Tree]): string | null {
  return diffTrees(...after, { times: false }) ?? diffTimes(before, after);
}

/** What says nothing about the model. */
function leftOut(model: ModelFs, operation: Operation): boolean {
  model.who = USERS.root;
  if (operation.op === "link" && operation.as !== undefined) {
    // The sysctl fs.protected_hardlinks forbids most links to the files of others.
    const node = nodeAt(model, operation.existing, false);
    return node !== null && node.uid !== USERS[operation.as].uid;
  }
  // Without CAP_DAC_READ_SEARCH it depends on who opened the file.
  if (operation.op === "linkFile") return operation.as !== undefined;
  if (!OPENS.has(operation.op)) return false;
  const path = "path" in operation ? operation.path : "file" in operation ? operation.file : 0;
  // FIFOs and devices would open what stands behind them.
  const node = typeof path === "string" ? nodeAt(model, path, true) : null;
  return node !== null && !node.isRegular && !node.isDirectory;
}

/** Modes of fallocate that fs/fuse/file.c passes on; it refuses the others without asking. */
const FUSE_FALLOCATE_MODES = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;

/** What the FUSE of Linux decides by itself, and otherwise than ext4 does. */
function notThroughFuse(operation: Operation): boolean {
  // The client seeks by itself, up to the largest offset there is.
  if (operation.op === "seek") return Math.abs(operation.offset) >= EXT4_LIMITS.sizeMax / 2;
  // A change of nothing never gets to the server, nor to the checks of a change.
  if (operation.op === "chown") return operation.uid === -1 && operation.gid === -1;
  return operation.op === "fallocate" && (operation.mode & ~FUSE_FALLOCATE_MODES) !== 0;
}

function nodeAt(model: ModelFs, path: string, follow: boolean): ModelNode | null {
  try {
    return model.lookup(path, follow);
  } catch (error) {
    if (error instanceof FsError) return null;
    throw error;
  }
}

const OPENS = new Set(["open", "read", "write", "fallocate", "fsync", "extents", "map"]);

main(process.argv.slice(2));
