/**
 * Step 10: what faces ask for beyond the calls of a program: views in the place of copies, copies that
 * stay inside, files without a name, callers whom a kernel has checked, a count of what is held.
 */
import {
  type Credentials,
  FALLOC_FL_KEEP_SIZE,
  O_APPEND,
  O_EXCL,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  O_WRONLY,
  type OpenFile,
  S_ISUID,
} from "@xiplab/core";
import { pattern } from "../pattern.ts";
import { USERS } from "../users.ts";
import type { Case, Group } from "./cases.ts";
import { bytesEqual, equal, fails, holds, zeros } from "./expect.ts";
import { BLOCK, type Fixture, KIB, MIB, n } from "./fixture.ts";

/** For every data path. */
export const viewCases: Group<Case> = {
  title: "views and copies",
  cases: [
    { name: "views hold what read gives", run: views },
    { name: "views of what is preallocated are zeros", run: viewsOfUnwritten },
    { name: "copyFileRange takes data, holes and edges along", run: copies },
    { name: "copyFileRange inside one file", run: copiesInside },
    { name: "copyFileRange stops at the end, and refuses what makes no sense", run: copyEdges },
    { name: "the extents of an inode cover its data", run: extentsOfInode },
  ],
};

/** On a small device, for every data path. */
export const fullCopyCases: Group<Case> = {
  title: "copies on a full device",
  cases: [{ name: "copyFileRange copies what fits, then refuses", run: fullCopy }],
};

/** Nothing to do with data paths. */
export const faceCases: Group<Case> = {
  title: "faces",
  cases: [
    { name: "a file without a name gets one, or goes", needs: ["tmpfile"], run: tmpfiles },
    { name: "who was checked by a kernel may, and owns what he makes", run: checked },
    { name: "set-id bits go where the kernel says so", run: setIds },
    { name: "the census forgets what is closed", run: census },
  ],
};

const VIEWS = "readViews covers the range without gaps; holes and unwritten blocks are zeros";

function joined(views: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(views.reduce((sum, view) => sum + view.length, 0));
  let at = 0;
  for (const view of views) {
    bytes.set(view, at);
    at += view.length;
  }
  return bytes;
}

/** Data, holes, and both together at odd places. Returns the size. */
function patchwork(f: Fixture, path: string): number {
  f.mark();
  f.create(path);
  const file = f.open(path);
  f.putPattern(file, 1, 5, 3 * BLOCK);
  f.putPattern(file, 2, 40 * BLOCK + 100, 1);
  f.putPattern(file, 3, 2 * MIB - 10, 2 * BLOCK);
  f.putPattern(file, 4, 2 * MIB + 10 * BLOCK, BLOCK - 1);
  return f.stat(path).size;
}

function views(f: Fixture): void {
  const size = patchwork(f, "/f");
  const file = f.open("/f", O_RDONLY);
  const { vfs } = f.volume;
  for (const [pos, length] of [
    [0, size],
    [0, 1],
    [4, 3 * BLOCK],
    [3 * BLOCK, 37 * BLOCK],
    [BLOCK + 1, MIB],
    [2 * MIB - 11, 3 * BLOCK],
    [size - 3, 100],
    [size - 70_000, 70_000],
  ] as const) {
    const found: Uint8Array[] = [];
    const count = vfs.readViews(file, found, length, pos);
    const expected = f.get(file, pos, length);
    const bytes = joined(found);
    equal(count, bytes.length, "readViews returns the bytes of its views");
    bytesEqual(bytes, expected, `${VIEWS}: ${length} bytes at ${pos}`);
    equal(bytes.length, expected.length, `${VIEWS}, up to the end of the file`);
    holds(found.length <= 1 + length / 1024, "too many views", "the largest range each time");
  }
  const none: Uint8Array[] = [];
  equal([vfs.readViews(file, none, 10, size), none.length], [0, 0], "nothing beyond the end");
  equal([vfs.readViews(file, none, 10, size + MIB), none.length], [0, 0], "nothing beyond the end");
  fails("EBADF", () => vfs.readViews(f.open("/f", O_WRONLY), none, 1, 0), "core checks this");
}

function viewsOfUnwritten(f: Fixture): void {
  f.mark();
  f.create("/f");
  const file = f.open("/f");
  f.task.fallocate(file, 0, 0, 300 * KIB);
  f.putPattern(file, 1, 100 * KIB + 1, 10);
  const found: Uint8Array[] = [];
  equal(f.volume.vfs.readViews(file, found, MIB, 0), 300 * KIB, "fallocate moves the end");
  const expected = new Uint8Array(300 * KIB);
  expected.set(pattern(1, 100 * KIB + 1, 10), 100 * KIB + 1);
  bytesEqual(joined(found), expected, VIEWS);
}

/** Copy all of the range, however many calls that takes. Returns the bytes. */
function copyAll(
  f: Fixture,
  source: OpenFile,
  from: number,
  target: OpenFile,
  to: number,
  length: number,
): number {
  let done = 0;
  while (done < length) {
    const rest = length - done;
    const copied = f.task.copyFileRange(source, from + done, target, to + done, rest);
    if (copied === 0) break;
    done += copied;
  }
  return done;
}

const COPY = "copyFileRange gives what read and write would";

function copies(f: Fixture): void {
  const size = patchwork(f, "/f");
  const source = f.open("/f", O_RDONLY);
  for (const [from, to, length] of [
    [0, 0, size],
    [3, 0, 2 * MIB],
    [0, 5000, 3 * BLOCK],
    [BLOCK, 3 * MIB, MIB + 17],
    [2 * MIB - 20, BLOCK - 7, 4 * BLOCK],
  ] as const) {
    f.create("/g");
    const target = f.open("/g");
    const before = f.putPattern(target, 9, 0, 3 * BLOCK);
    const wanted = Math.min(length, size - from);
    equal(copyAll(f, source, from, target, to, length), wanted, COPY);
    const expected = new Uint8Array(Math.max(before.length, to + wanted));
    expected.set(before);
    expected.set(f.get(source, from, length), to);
    bytesEqual(f.content("/g"), expected, `${COPY}: ${length} from ${from} to ${to}`);
    f.task.unlink(n("/g"));
    f.task.close(target);
  }
  f.create("/kept");
  copyAll(f, source, 0, f.open("/kept"), 0, size);
  const expected = f.content("/f");
  f.remount();
  bytesEqual(f.content("/kept"), expected, `${COPY}, on the medium too`);
}

function copiesInside(f: Fixture): void {
  f.mark();
  // Two files that grow by turns: the source of a copy is in many pieces.
  f.create("/f");
  f.create("/other");
  const [file, other] = [f.open("/f"), f.open("/other")];
  const expected = new Uint8Array(40 * BLOCK);
  for (let block = 0; block < 20; block++) {
    expected.set(f.putPattern(file, block, block * BLOCK, BLOCK), block * BLOCK);
    f.putPattern(other, 50, block * BLOCK, BLOCK);
    f.task.fsync(file);
    f.task.fsync(other);
  }
  for (const [from, to, length] of [
    [0, 6000, 6000],
    [6000, 0, 6000],
    [10, 18 * BLOCK + 1, 17 * BLOCK],
    [3 * BLOCK, 2 * BLOCK, BLOCK],
  ] as const) {
    equal(copyAll(f, file, from, file, to, length), length, COPY);
    expected.copyWithin(to, from, from + length);
    const { size } = f.stat("/f");
    bytesEqual(f.content("/f"), expected.subarray(0, size), `${COPY}: from ${from} to ${to}`);
  }
}

function copyEdges(f: Fixture): void {
  const { task } = f;
  f.create("/f", pattern(1, 0, 10_000));
  f.create("/g");
  const [source, target] = [f.open("/f"), f.open("/g")];
  equal(task.copyFileRange(source, 9_990, target, 0, 100), 10, "a copy ends with its source");
  equal(task.copyFileRange(source, 10_000, target, 0, 100), 0, "there is nothing at the end");
  equal(task.copyFileRange(source, 0, target, 0, 0), 0, "nothing is asked for");
  bytesEqual(f.content("/g"), pattern(1, 9_990, 10), "nothing else is copied");
  const refused = "core checks this, as copy_file_range(2) says";
  fails("EINVAL", () => task.copyFileRange(source, 0, source, 10, 100), refused);
  fails("EINVAL", () => task.copyFileRange(source, -1, target, 0, 1), refused);
  fails("EBADF", () => task.copyFileRange(f.open("/f", O_WRONLY), 0, target, 0, 1), refused);
  fails("EBADF", () => task.copyFileRange(source, 0, f.open("/g", O_RDONLY), 0, 1), refused);
  const appending = f.open("/g", O_WRONLY | O_APPEND);
  fails("EBADF", () => task.copyFileRange(source, 0, appending, 0, 1), refused);
  // Beyond the end of both: the gap reads as zeros, and the ranges overlap only as far as there is data.
  equal(task.copyFileRange(source, 5_000, source, 15_000, 9_000), 5_000, "cut, then compared");
  zeros(f.get(source, 10_000, 5_000), "what is skipped reads as zeros");
}

function extentsOfInode(f: Fixture): void {
  const { vfs } = f.volume;
  patchwork(f, "/f");
  const file = f.open("/f");
  f.task.fsync(file);
  const all = vfs.fiemap(file.inode, 0, Number.MAX_SAFE_INTEGER / 2);
  equal(all, f.extents("/f"), "one answer by inode and by open file");
  const covers = (pos: number): boolean =>
    all.some(({ logical, length }) => logical <= pos && pos < logical + length);
  const there = [5, 3 * BLOCK, 40 * BLOCK + 100, 2 * MIB, 2 * MIB + 10 * BLOCK].map(covers);
  equal(there, [true, true, true, true, true], "every byte of data is in an extent");
  equal([covers(20 * BLOCK), covers(MIB)], [false, false], "and no hole is");
  fails("EOPNOTSUPP", () => vfs.fiemap(vfs.root, 0, MIB), "only regular files have extents");
}

function fullCopy(f: Fixture): void {
  f.create("/f", pattern(1, 0, 256 * KIB));
  const source = f.open("/f");
  f.create("/filler");
  f.fill(f.open("/filler"));
  f.task.truncate(n("/filler"), f.stat("/filler").size - 64 * KIB);
  f.task.syncfs();
  f.create("/g");
  const target = f.open("/g");
  // A protocol that writes out of place takes all of a write or nothing.
  const isAtomic = f.volume.config.mountOptions?.["unwritten"] === "own";
  let copied = 0;
  if (!isAtomic) copied = f.task.copyFileRange(source, 0, target, 0, 256 * KIB);
  holds(isAtomic || copied > 0, "nothing was copied", "a short copy, as a short write");
  fails("ENOSPC", () => copyRest(f, source, target, copied), "then it is refused");
  const { size } = f.stat("/g");
  holds(size >= copied && size < 256 * KIB, `${size} bytes are there`, "what fits is copied");
  bytesEqual(f.content("/g"), pattern(1, 0, size), "what was copied is there, and no more");
}

/** What is left, until it is refused: a last block may still be found. */
function copyRest(f: Fixture, source: OpenFile, target: OpenFile, from: number): void {
  for (let pos = from; pos < 256 * KIB;) {
    pos += f.task.copyFileRange(source, pos, target, pos, 256 * KIB - pos);
  }
}

function tmpfiles(f: Fixture): void {
  const { vfs } = f.volume;
  f.mkdir("/d");
  // The directory has its first block.
  f.create("/d/warm");
  f.task.unlink(n("/d/warm"));
  const directory = vfs.lookup(USERS.root, vfs.root, n("d"));
  const free = f.freeBlocks();
  const kept = vfs.tmpfile(USERS.root, directory, O_RDWR, 0o666, 0o022);
  const lost = vfs.tmpfile(USERS.root, directory, O_RDWR, 0o600);
  f.put(kept, 0, pattern(1, 0, 5000));
  f.put(lost, 0, pattern(2, 0, 50_000));
  equal(f.names("/d"), [], "it has no name");
  equal([vfs.getattr(kept.inode).nlink, vfs.getattr(lost.inode).nlink], [0, 0], "and no link");
  equal(vfs.getattr(kept.inode).mode & 0o777, 0o644, "the umask counts");
  fails(
    "ENOENT",
    () => vfs.link(USERS.root, lost.inode, directory, n("x")),
    "link(2) has no right",
  );
  vfs.link(USERS.root, kept.inode, directory, n("kept"), true);
  vfs.close(kept);
  vfs.close(lost);
  const hidden = f.open("/d", O_TMPFILE | O_RDWR | O_EXCL);
  fails("ENOENT", () => f.task.linkFile(hidden, n("/d/hidden")), "O_EXCL: it never has a name");
  f.task.close(hidden);
  fails("ENOTDIR", () => vfs.tmpfile(USERS.root, kept.inode, O_RDWR, 0o600), "a file has no files");
  bytesEqual(f.content("/d/kept"), pattern(1, 0, 5000), "with a name it stays");
  f.task.unlink(n("/d/kept"));
  equal(f.freeBlocks(), free, "what has no name and is closed is free again");
  vfs.forget(directory);
}

/** Somebody of whom the kernel has said that he may. */
const trusted = (credentials: Credentials, more: Partial<Credentials> = {}): Credentials => ({
  ...credentials,
  checked: true,
  ...more,
});

function checked(f: Fixture): void {
  const { vfs } = f.volume;
  const { root } = vfs;
  const alice = trusted(USERS.alice);
  f.create("/secret", pattern(1, 0, 10), 0o600);
  const secret = vfs.lookup(alice, root, n("secret"));
  fails(
    "EACCES",
    () => vfs.open(USERS.alice, secret, O_RDONLY),
    "permissions bind who was not checked",
  );
  vfs.close(vfs.open(alice, secret, O_RDWR));
  vfs.setattr(alice, secret, { mode: 0o640 });
  equal(f.stat("/secret").mode & 0o777, 0o640, "nothing else is asked");
  vfs.forget(secret);
  f.task.chmod(n("/"), 0o755);
  fails("EACCES", () => vfs.mkdir(USERS.alice, root, n("d"), 0o755), "permissions bind");
  vfs.forget(vfs.mkdir(alice, root, n("d"), 0o755));
  const { uid, gid } = f.stat("/d");
  equal([uid, gid], [USERS.alice.uid, USERS.alice.gid], "who asks owns what is made");
}

function setIds(f: Fixture): void {
  const { vfs } = f.volume;
  f.create("/f", pattern(1, 0, 10), 0o644);
  f.task.chmod(n("/f"), 0o4755);
  const file = f.open("/f");
  const byte = pattern(2, 0, 1);
  vfs.write(trusted(USERS.alice), file, byte, 0, 1, 0);
  equal(f.stat("/f").mode & S_ISUID, S_ISUID, "the kernel has not said that they go");
  vfs.write(trusted(USERS.alice, { clearsSetIds: true }), file, byte, 0, 1, 0);
  equal(f.stat("/f").mode & 0o7777, 0o755, "the kernel has said so");
  f.task.chmod(n("/f"), 0o6755);
  const clearing = trusted(USERS.root, { clearsSetIds: true });
  vfs.fallocate(clearing, file, FALLOC_FL_KEEP_SIZE, 0, BLOCK);
  equal(f.stat("/f").mode & 0o7777, 0o755, "root without the right to keep them, too");
}

function census(f: Fixture): void {
  const { vfs } = f.volume;
  f.mkdir("/d");
  const before = vfs.census();
  const files = [0, 1, 2].map((index) => {
    f.create(`/d/${index}`, pattern(index, 0, 100));
    return f.task.open(n(`/d/${index}`), O_RDONLY);
  });
  const inode = vfs.lookup(USERS.root, vfs.root, n("d"));
  const during = vfs.census();
  equal(during.openFiles - before.openFiles, 3, "open files are counted");
  equal(during.referenced - before.referenced, 4, "and what is held");
  holds(during.inodes >= during.referenced, "fewer than are held", "held inodes are in memory");
  for (const file of files) f.task.close(file);
  vfs.forget(inode);
  for (const index of [0, 1, 2]) f.task.unlink(n(`/d/${index}`));
  const after = vfs.census();
  equal(
    [after.openFiles, after.referenced],
    [before.openFiles, before.referenced],
    "all is given back",
  );
  equal(after.inodes, before.inodes, "an inode without a name is not kept");
}
