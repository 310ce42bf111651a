/** Step 10: what is on the medium when; and a mount that may not touch it. */
import {
  FALLOC_FL_KEEP_SIZE,
  isRegular,
  O_CREAT,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  type Task,
} from "@xiplab/core";
import { treeOfMount } from "../compare/mount-tree.ts";
import { pattern } from "../pattern.ts";
import type { Case, Group } from "./cases.ts";
import { bytesEqual, equal, fails, holds } from "./expect.ts";
import { BLOCK, type Fixture, n } from "./fixture.ts";
import { unchanged } from "./format.ts";

export const durabilityCases: Group<Case> = {
  title: "durability",
  cases: [
    { name: "fsync: data, size and name survive a power cut", run: fsyncSurvives },
    { name: "fdatasync: data and size survive a power cut", run: fdatasyncSurvives },
    { name: "syncfs: everything survives a power cut", run: syncSurvives },
    { name: "a power cut without any sync leaves a sound image", run: unsynced },
    { name: "names survive without a sync", needs: ["synchronousMetadata"], run: synchronousNames },
    { name: "times and attributes survive an unmount", run: attributesSurvive },
    { name: "a hundred mounts", run: hundredMounts },
  ],
};

function contentIn(task: Task, path: string): Uint8Array {
  const bytes = new Uint8Array(task.stat(n(path)).size);
  const file = task.open(n(path), O_RDONLY);
  task.pread(file, bytes, 0, bytes.length, 0);
  task.close(file);
  return bytes;
}

const ADVICE = "fsync: what the file holds, its size, its extents and its name must be durable";

function fsyncSurvives(f: Fixture): void {
  f.mkdir("/d");
  f.create("/d/f", pattern(1, 0, 100_000));
  const file = f.open("/d/f");
  f.task.fsync(file);
  bytesEqual(
    f.afterPowerCut((task) => contentIn(task, "/d/f")),
    pattern(1, 0, 100_000),
    ADVICE,
  );
  f.task.ftruncate(file, 5000);
  f.putPattern(file, 2, 3 * BLOCK, 10);
  f.task.fsync(file);
  const expected = new Uint8Array(3 * BLOCK + 10);
  expected.set(pattern(1, 0, 5000));
  expected.set(pattern(2, 3 * BLOCK, 10), 3 * BLOCK);
  bytesEqual(
    f.afterPowerCut((task) => contentIn(task, "/d/f")),
    expected,
    ADVICE,
  );
}

function fdatasyncSurvives(f: Fixture): void {
  f.create("/f");
  const file = f.open("/f");
  f.task.fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 20 * BLOCK);
  f.task.fsync(file);
  f.putPattern(file, 1, 0, 50_000);
  f.task.fdatasync(file);
  const advice = "with datasync, too: size and extents are what reading the data needs";
  bytesEqual(
    f.afterPowerCut((task) => contentIn(task, "/f")),
    pattern(1, 0, 50_000),
    advice,
  );
}

function syncSurvives(f: Fixture): void {
  for (let index = 0; index < 20; index++) {
    f.mkdir(`/d${index}`);
    f.create(`/d${index}/f`, pattern(index, 0, index * 1000));
  }
  f.task.syncfs();
  f.afterPowerCut((task) => {
    for (let index = 0; index < 20; index++) {
      const found = contentIn(task, `/d${index}/f`);
      bytesEqual(found, pattern(index, 0, index * 1000), "sync makes everything durable");
    }
  });
}

/** Whatever is there: mount and check must be content with it. */
function unsynced(f: Fixture): void {
  f.mkdir("/d");
  for (let index = 0; index < 30; index++) {
    f.create(`/d/${index}`, pattern(index, 0, index * 700));
    if (index % 3 === 0) f.task.unlink(n(`/d/${index}`));
    if (index % 3 === 1) f.task.rename(n(`/d/${index}`), n(`/d/moved-${index}`));
    if (index % 7 === 0) f.afterPowerCut(readAll);
  }
  f.open("/d/2", O_RDWR);
  f.task.unlink(n("/d/2"));
  f.afterPowerCut(readAll);
}

function readAll(task: Task): void {
  for (const { stat, read } of treeOfMount(task).values()) {
    if (isRegular(stat.mode)) read(0, stat.size);
  }
}

function synchronousNames(f: Fixture): void {
  f.mkdir("/d");
  f.create("/d/a");
  f.task.rename(n("/d/a"), n("/b"));
  const advice = "the design declares synchronousMetadata: it is durable when the call returns";
  equal(
    f.afterPowerCut((task) => task.readdir(n("/")).sort()),
    ["b", "d"],
    advice,
  );
  f.task.unlink(n("/b"));
  equal(
    f.afterPowerCut((task) => task.readdir(n("/"))),
    ["d"],
    advice,
  );
}

function attributesSurvive(f: Fixture): void {
  f.create("/f", pattern(1, 0, 10));
  f.tick();
  f.putPattern(f.open("/f"), 2, 0, 5);
  const before = f.stat("/f");
  f.remount();
  const after = f.stat("/f");
  const advice = "times that moved in memory (timesDirty) are written at the latest by unmount";
  equal(after.mtimeSec, before.mtimeSec, advice);
  // Reads move atime, and delayed allocation moves blocks.
  const open = { atimeSec: 0, atimeNsec: 0, blocks: 0 };
  equal({ ...after, ...open }, { ...before, ...open }, advice);
}

function hundredMounts(f: Fixture): void {
  for (let index = 0; index < 100; index++) {
    f.create(`/f${index}`, pattern(index, 0, 100));
    f.remount();
  }
  equal(f.names("/").length, 100, "a mount finds what all mounts before it have left");
}

export const readOnlyCases: Group<Case> = {
  title: "read-only mounts",
  cases: [
    { name: "everything can be read, nothing is written", run: readOnly },
    { name: "an image that was not unmounted can be looked at", run: readOnlyDirty },
  ],
};

function readOnly(f: Fixture): void {
  f.mkdir("/d");
  f.create("/d/f", pattern(1, 0, 10_000));
  f.remount({ ro: "1" });
  unchanged(f.device, () => {
    bytesEqual(f.content("/d/f"), pattern(1, 0, 10_000), "a read-only mount reads");
    equal(f.names("/d"), ["f"], "and lists");
    refusesWrites(f);
    f.task.syncfs();
  });
  unchanged(f.device, () => f.volume.unmount());
  f.volume.mount();
}

function refusesWrites(f: Fixture): void {
  const path = n("/d/f");
  const acts: readonly (() => unknown)[] = [
    () => f.task.open(path, O_RDWR),
    () => f.task.open(path, O_RDONLY | O_TRUNC),
    () => f.task.open(n("/new"), O_RDWR | O_CREAT),
    () => f.task.truncate(path, 0),
    () => f.task.chmod(path, 0),
    () => f.task.chown(path, 1, 1),
    () => f.task.utimens(path, { sec: 1, nsec: 0 }, { sec: 1, nsec: 0 }),
    () => f.task.mkdir(n("/new")),
    () => f.task.rmdir(n("/d")),
    () => f.task.unlink(path),
    () => f.task.rename(path, n("/new")),
  ];
  // A design may lack these altogether.
  const rare: readonly (() => unknown)[] = [
    () => f.task.link(path, n("/new")),
    () => f.task.symlink(path, n("/new")),
    () => f.task.mknod(n("/new"), 0o010644),
  ];
  for (const act of rare) fails(["EROFS", "EPERM"], act, `core refuses this: ${act}`);
  for (const act of acts) fails("EROFS", act, `core refuses this where readOnly is true: ${act}`);
}

function readOnlyDirty(f: Fixture): void {
  f.create("/f", pattern(1, 0, 100));
  f.task.syncfs();
  f.afterPowerCutReadOnly((task) => {
    const names = task.readdir(n("/"));
    const advice = "show the image as recovery would leave it, or as it is";
    holds(names.length <= 1, `names are ${names}`, advice);
    if (names.length > 0) bytesEqual(contentIn(task, "/f"), pattern(1, 0, 100), advice);
  });
}
