/** Step 9: space: what statfs says, and what happens when there is none left. */
import { FsError, O_CREAT, O_EXCL, O_WRONLY } from "@xiplab/core";
import { pattern } from "../pattern.ts";
import type { Case, Group } from "./cases.ts";
import { bytesEqual, equal, holds, succeeds } from "./expect.ts";
import { BLOCK, type Fixture, KIB, n } from "./fixture.ts";

const MANY = 100_000;
const PROMISES = "reserve promises data blocks and the metadata for them, or throws ENOSPC";

export const statfsCases: Group<Case> = {
  title: "statfs",
  cases: [
    { name: "the numbers fit together", run: numbers },
    { name: "blocks and inodes come back", run: comeBack },
    { name: "a directory's blocks come back", run: directoryComesBack },
    { name: "no room for another file: clean, and good for as many again", run: noMoreFiles },
  ],
};

/** On a small device, for every data path. */
export const spaceCases: Group<Case> = {
  title: "a full device",
  cases: [
    { name: "fill, delete, fill again", run: fillTwice },
    { name: "what write took, fsync can store", run: (f) => promisesKept(f, 8) },
    { name: "what write took of many files, fsync can store", run: (f) => promisesKept(f, 90) },
    { name: "a write that does not fit leaves the file readable", run: shortWrite },
    { name: "names can be made, moved and removed where there is room for them", run: fullNames },
  ],
};

function numbers(f: Fixture): void {
  const s = f.task.statfs();
  holds(s.blocksFree <= s.blocks, "more free than there are", "blocksFree <= blocks");
  holds(s.blocksAvailable <= s.blocksFree, "more for users than for root", "available <= free");
  holds(s.filesFree <= s.files, "more inodes free than there are", "filesFree <= files");
  holds(s.blocksFree > 0, "nothing is free", "a new file system has room");
  const size = s.blocks * s.blockSize;
  holds(size <= f.device.size, "larger than the device", "blocks counts what data can use");
  equal(s.blockSize, f.volume.vfs.superblock.fs.blockSize, "one block size");
}

function comeBack(f: Fixture): void {
  f.create("/first", pattern(1, 0, 10));
  f.task.unlink(n("/first"));
  const free = f.freeBlocks();
  const { filesFree } = f.task.statfs();
  f.create("/f", pattern(1, 0, 256 * KIB));
  const used = free - f.freeBlocks();
  holds(used >= 64 && used < 80, `${used} blocks are used`, "256 KiB take 64 blocks, and metadata");
  holds(f.task.statfs().filesFree <= filesFree, "no inode is used", "filesFree counts inodes");
  const { blocks } = f.stat("/f");
  holds(blocks >= 512 && blocks < 640, `st_blocks is ${blocks}`, "st_blocks counts 512 bytes");
  f.task.unlink(n("/f"));
  equal(f.freeBlocks(), free, "evict frees every block");
  equal(f.task.statfs().filesFree, filesFree, "and the inode");
  f.remount();
  equal(f.freeBlocks(), free, "the counts on the medium agree");
  equal(f.task.statfs().filesFree, filesFree, "of inodes, too");
}

function directoryComesBack(f: Fixture): void {
  f.mkdir("/warm");
  f.task.rmdir(n("/warm"));
  const free = f.freeBlocks();
  f.mkdir("/d");
  for (let index = 0; index < 300; index++) f.create(`/d/${"n".repeat(100)}${index}`);
  for (let index = 0; index < 300; index++) f.task.unlink(n(`/d/${"n".repeat(100)}${index}`));
  f.task.rmdir(n("/d"));
  equal(f.freeBlocks(), free, "evict of a directory frees its blocks");
}

function noMoreFiles(f: Fixture): void {
  f.mkdir("/d");
  const first = createMany(f);
  f.remount();
  equal(f.names("/d").length, first, "every file that was made is there");
  for (const name of f.task.readdir(n("/d"))) f.task.unlink(n(`/d/${name}`));
  const second = createMany(f);
  holds(second >= first, `${second} files after ${first}`, "unlink gives inodes and blocks back");
}

/** Make empty files until there is no room. Returns how many. */
function createMany(f: Fixture): number {
  for (let index = 0; index < MANY; index++) {
    try {
      const path = n(`/d/${String(index).padStart(100, "0")}`);
      f.task.close(f.task.open(path, O_CREAT | O_EXCL | O_WRONLY));
    } catch (error) {
      if (error instanceof FsError && error.code === "ENOSPC") return index;
      throw error;
    }
  }
  return MANY;
}

function fillTwice(f: Fixture): void {
  f.create("/f");
  const file = f.open("/f");
  const first = f.fill(file);
  f.task.fsync(file);
  equal(f.stat("/f").size, first, "the size is what write has said");
  f.remount();
  bytesEqual(f.content("/f"), expectedFill(first), "and the content");
  f.task.unlink(n("/f"));
  f.create("/g");
  const again = f.open("/g");
  const second = f.fill(again);
  const advice = "unlink gives every block back, metadata too";
  holds(second >= first - 2 * BLOCK, `${second} bytes after ${first}`, advice);
  f.task.fsync(again);
  f.task.unlink(n("/g"));
}

const expectedFill = (length: number): Uint8Array => pattern(9, 0, length);

function promisesKept(f: Fixture, count: number): void {
  const files = Array.from({ length: count }, (_, index) => {
    f.create(`/f${index}`);
    return f.open(`/f${index}`);
  });
  const sizes = files.map(() => 0);
  let isFull = false;
  for (let round = 0; !isFull; round++) {
    holds(round * count * BLOCK <= f.device.size, "more was taken than there is", PROMISES);
    for (const [index, file] of files.entries()) {
      // Scattered, so that extents cannot be merged: metadata needs room too.
      const pos = round * 3 * BLOCK + index * 100;
      isFull ||= f.putSome(file, pos, pattern(index, pos, 700)) < 700;
      if (isFull) break;
      sizes[index] = pos + 700;
    }
  }
  for (const file of files) succeeds(() => f.task.fsync(file), PROMISES);
  for (const [index, size] of sizes.entries()) {
    const last = f.get(files[index]!, size - 700, 700);
    bytesEqual(last, pattern(index, size - 700, 700), "what was written can be read");
  }
}

/** False where the device is full. */
function goesThrough(act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (error instanceof FsError && error.code === "ENOSPC") return false;
    throw error;
  }
}

function shortWrite(f: Fixture): void {
  f.create("/f", pattern(1, 0, 10 * BLOCK));
  f.create("/filler");
  const filler = f.open("/filler");
  const size = f.fill(filler);
  const file = f.open("/f");
  const done = f.putSome(file, 20 * BLOCK, pattern(2, 0, 64 * BLOCK));
  const advice = "getXipMem, xipStage or reserve throws ENOSPC where nothing fits";
  holds(done < 64 * BLOCK, "the write went through", advice);
  const found = f.get(file, 0, 10 * BLOCK);
  bytesEqual(found, pattern(1, 0, 10 * BLOCK), "a failed write leaves the rest alone");
  equal(f.stat("/filler").size, size, "other files, too");
  f.task.unlink(n("/filler"));
  f.task.close(filler);
  f.putPattern(file, 2, 20 * BLOCK, 64 * BLOCK);
}

function fullNames(f: Fixture): void {
  f.mkdir("/d");
  f.create("/d/a");
  f.create("/filler");
  const filler = f.open("/filler");
  f.fill(filler);
  f.task.fsync(filler);
  goesThrough(() => f.task.rename(n("/d/a"), n("/d/b")));
  goesThrough(() => f.create("/d/c"));
  goesThrough(() => f.mkdir("/e"));
  for (const name of f.names("/d")) f.task.unlink(n(`/d/${name}`));
  f.task.ftruncate(filler, 0);
  f.create("/after", pattern(1, 0, 100 * BLOCK));
  bytesEqual(f.content("/after"), pattern(1, 0, 100 * BLOCK), "deleting makes room again");
}
