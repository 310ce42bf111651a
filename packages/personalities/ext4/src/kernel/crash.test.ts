/**
 * Images that the kernel left dirty: our recovery gives the tree that the kernel's own gives, and a
 * sound image. And images that we left dirty, recovered by the kernel and by e2fsck.
 */
import fs from "node:fs";
import path from "node:path";
import { mount, type Name, O_RDWR } from "@xiplab/core";
import {
  e2fsck,
  e2fsckAfterCrash,
  mkfsExt4,
  readImage,
  requireOracle,
  runOrThrow,
  shutdownMount,
  withLoopMount,
  withTempDirectory,
  writeImage,
} from "@xiplab/oracles";
import { copyDevice, freezeTree, type Operation, Program } from "@xiplab/testkit";
import { describe, expect, test } from "vitest";
import { ext4 } from "../index.ts";
import {
  expectAllOk,
  expectSameTree,
  expectSound,
  JUDGES,
  makeHere,
  mountedHere,
  playHere,
  playThere,
  treeHere,
  treeThere,
} from "./testing.ts";
import { changesShape, manyShape, spaceShape, treeShape, xattrShape } from "./testing-shapes.ts";

const MIB = 2 ** 20;
const TIMEOUT_MS = 300_000;
const NEEDS = [...JUDGES, "xfs_io"];

const SHAPE: readonly Operation[] = [
  ...treeShape(4096),
  ...manyShape(500),
  ...xattrShape(),
  ...spaceShape(4096),
];

/** How a machine may stop, by what is in the log. */
const STOPS: Readonly<Record<string, (directory: string) => void>> = {
  "the log written": shutdownMount,
  "the log as it was": (directory) =>
    void runOrThrow("xfs_io", ["-x", "-c", "shutdown", directory]),
};

describe("an image that the kernel left dirty", () => {
  test.for([
    ["as mkfs.ext4 makes it", []],
    ["without metadata_csum", ["-O", "^metadata_csum"]],
    ["without 64bit", ["-O", "^64bit"]],
    ["orphan_file", ["-O", "orphan_file"]],
  ] as const)(
    "is recovered here to the same tree: %s",
    { timeout: TIMEOUT_MS },
    ([, options], { skip }) => {
      expect(requireOracle(NEEDS, skip)).toBeNull();
      for (const stop of Object.values(STOPS)) recoverBoth(options, stop);
    },
  );
});

function recoverBoth(options: readonly string[], stop: (directory: string) => void): void {
  withTempDirectory((directory) => {
    const file = path.join(directory, "image");
    mkfsExt4(file, 64 * MIB, ["-b", "4096", ...options]);
    withLoopMount(file, {}, (loop) => {
      expectAllOk(SHAPE, playThere(loop.directory, SHAPE));
      runOrThrow("sync", ["-f", loop.directory]);
      const orphans = ["/t/f2", "/s/large"].map((name) => openOrphan(loop.directory, name));
      const later = changesShape(4096).filter(
        (operation) => !JSON.stringify(operation).includes("/s/large"),
      );
      playThere(loop.directory, later);
      stop(loop.directory);
      for (const fd of orphans) fs.closeSync(fd);
    });
    expect(e2fsck(file).clean).toBe(false);
    const device = readImage(file);
    const theirs = treeThere(file, "");
    const ours = mountedHere(device, {}, (program) => freezeTree(treeHere(program)));
    expectSameTree(theirs, ours);
    expectSound(device);
  });
}

/** A file that is open and has no name any more: it waits to be freed. */
function openOrphan(directory: string, name: string): number {
  const place = path.join(directory, name);
  const fd = fs.openSync(place, "r+");
  fs.unlinkSync(place);
  return fd;
}

describe("an image that we left dirty", () => {
  test(
    "is recovered by the kernel and by e2fsck to our own tree",
    { timeout: TIMEOUT_MS },
    ({ skip }) => {
      expect(requireOracle(NEEDS, skip)).toBeNull();
      const device = makeHere(64 * MIB);
      const vfs = mount(ext4, device);
      const program = new Program(vfs);
      for (const operation of SHAPE) playOne(program, operation);
      const orphan = program.task.open("/s/large" as Name, O_RDWR);
      program.task.unlink("/s/large" as Name);
      program.task.syncfs();
      // What comes now is in the running transaction, or committed and not checkpointed.
      for (const operation of changesShape(4096)) playOne(program, operation);
      const file = program.task.open("/later/1" as Name, O_RDWR);
      program.task.fsync(file);
      expect(orphan.isOpen).toBe(true);
      judgeDirty(copyDevice(device));
    },
  );
});

function playOne(program: Program, operation: Operation): void {
  const [outcome] = playHere(program, [operation]);
  // /s/large is an orphan by then.
  expect(outcome).toMatch(/^ok$|^ENOENT$/);
}

function judgeDirty(device: ReturnType<typeof copyDevice>): void {
  withTempDirectory((directory) => {
    const file = path.join(directory, "image");
    writeImage(device, file);
    expect(e2fsck(file).clean).toBe(false);
    const judged = e2fsckAfterCrash(file);
    expect(judged.clean ? "clean" : judged.output).toBe("clean");
    const ours = mountedHere(device, {}, (program) => freezeTree(treeHere(program)));
    expect(ours.has("/later/1")).toBe(true);
    expect(ours.has("/s/large")).toBe(false);
    expectSound(device);
    expectSameTree(treeThere(file, ""), ours);
    expectSound(file);
  });
}
