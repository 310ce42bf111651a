/**
 * The operations that all targets do, as batches. Paths, offsets and order are worked out before the
 * clock starts, and are the same for every target.
 */
import type { Batch } from "./batch.ts";
import { shuffle } from "./random.ts";
import type { Target } from "./targets/target.ts";

const SEED = 0x1d0c;
const PER_DIRECTORY = 100;
/** What is in use of the growth experiment's tree, however many files there are. */
const DIRECTORIES_USED = 10;
export const FILE_BYTES = 64 * 2 ** 20;
export const IO_BYTES = 4096;
const APPEND_BYTES = 64;
const CHUNK_BYTES = 2 ** 20;
const STREAM_BYTES = 256 * 2 ** 20;
const DEEP_LEVELS = 10;
const READDIR_ENTRIES = 1_000;
const READDIR_CALLS = 20;
/** Files held open in the growth rows: a program has some open, however many exist. */
const OPEN_FILES = 1_000;
/** Content of the files that are looked at, not written. */
const FILE_BYTES_SMALL = 64;

export interface Scene<Handle> {
  readonly target: Target<Handle>;
  /** Paths of the target begin with this. */
  readonly root: string;
  /** Files that one batch makes, renames, removes. */
  readonly batchFiles: number;
  /** Files of the growth experiment to choose from: none outside it. */
  readonly tree: readonly string[];
}

type Prepare = <Handle>(scene: Scene<Handle>) => Batch;

/** By row name, without the population ("stat @1k files" is "stat" over a tree). */
export const Operations: Readonly<Record<string, Prepare>> = {
  "open+close": (scene) => openClose(scene, filesOrTree(scene, "open")),
  stat: (scene) => stat(scene, filesOrTree(scene, "stat")),
  "create+write 4 KiB": createWrite,
  "readFile 4 KiB": readFile,
  "stat, 10 levels deep": statDeep,
  rename,
  unlink,
  "mkdir+rmdir": mkdirRmdir,
  "readdir 1,000": readdir,
  "pread 4 KiB": pread,
  "pwrite 4 KiB": pwrite,
  "pwrite 4 KiB+fsync": pwriteFsync,
  "append 64 B": append,
  "write 256 MiB": writeAll,
  "read 256 MiB": readAll,
  "pread 64 B": preadOfMany,
  "create in one directory": createInTree,
  "lookup in one directory": lookupInTree,
};

// Buffers and not plain Uint8Arrays all through: node:vfs takes nothing else.

/** Make `count` files, PER_DIRECTORY to a directory. Returns their paths in order. */
function makeTree<Handle>(
  target: Target<Handle>,
  root: string,
  count: number,
  bytes: number,
): string[] {
  const content = Buffer.alloc(bytes).fill(0x5a);
  const paths = makePaths(target, root, count);
  for (const path of paths) {
    target.create(path);
    if (bytes === 0) continue;
    const handle = target.openReadWrite(path);
    target.pwrite(handle, content, 0);
    target.close(handle);
  }
  return paths;
}

/** Paths of the growth experiment, PER_DIRECTORY to a directory, in order. */
export function makeGrowthTree<Handle>(
  target: Target<Handle>,
  root: string,
  count: number,
): string[] {
  return makeTree(target, `${root}/tree`, count, FILE_BYTES_SMALL);
}

/** Empty files, all in one directory. */
export function makeFlatTree<Handle>(
  target: Target<Handle>,
  root: string,
  count: number,
): string[] {
  const directory = `${root}/flat`;
  target.mkdir(directory);
  const paths = Array.from({ length: count }, (_, index) => `${directory}/file-${index}.txt`);
  for (const path of paths) target.create(path);
  return paths;
}

/** The files of ten directories, taken at random. */
export function chooseDirectories(tree: readonly string[]): string[] {
  const starts = Array.from({ length: tree.length / PER_DIRECTORY }, (_, n) => n * PER_DIRECTORY);
  const chosen = shuffle(starts, SEED).slice(0, DIRECTORIES_USED);
  return chosen.flatMap((start) => tree.slice(start, start + PER_DIRECTORY));
}

/** As many files as a small tree has, taken at random. */
export function chooseFiles(tree: readonly string[]): string[] {
  return shuffle([...tree], SEED).slice(0, DIRECTORIES_USED * PER_DIRECTORY);
}

function makePaths<Handle>(target: Target<Handle>, root: string, count: number): string[] {
  target.mkdir(root);
  const paths: string[] = [];
  for (let index = 0; index < count; index++) {
    const directory = `${root}/dir-${Math.floor(index / PER_DIRECTORY)}`;
    if (index % PER_DIRECTORY === 0) target.mkdir(directory);
    paths.push(`${directory}/file-${index % PER_DIRECTORY}.txt`);
  }
  return paths;
}

function filesOrTree<Handle>(scene: Scene<Handle>, name: string): string[] {
  const { target, root, batchFiles, tree } = scene;
  if (tree.length === 0) {
    return shuffle(makeTree(target, `${root}/${name}`, batchFiles, FILE_BYTES_SMALL), SEED);
  }
  // Strings of their own, made in the order of use: what a visit costs the harness is then the same
  // for a small tree and a large one.
  return shuffle([...tree], SEED).map(copyString);
}

/** A flat string that shares nothing with `text`. */
function copyString(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}

function openClose<Handle>({ target }: Scene<Handle>, paths: readonly string[]): Batch {
  return {
    ops: paths.length,
    run: (first, end) => {
      for (let index = first; index < end; index++) {
        target.close(target.openReadWrite(paths[index]!));
      }
    },
  };
}

function stat<Handle>({ target }: Scene<Handle>, paths: readonly string[]): Batch {
  let total = 0;
  return {
    ops: paths.length,
    run: (first, end) => {
      for (let index = first; index < end; index++) total += target.stat(paths[index]!);
    },
    end: () => check(total >= paths.length * FILE_BYTES_SMALL, "stat gave the sizes"),
  };
}

function createWrite<Handle>({ target, root, batchFiles }: Scene<Handle>): Batch {
  const paths = makePaths(target, `${root}/create`, batchFiles);
  const content = Buffer.alloc(IO_BYTES).fill(0x5a);
  return {
    ops: paths.length,
    run: (first, end) => {
      for (let index = first; index < end; index++) target.writeNew(paths[index]!, content);
    },
    after: () => {
      check(target.stat(paths.at(-1)!) === IO_BYTES, "the last file has its content");
      for (const path of paths) target.unlink(path);
    },
  };
}

function readFile<Handle>({ target, root, batchFiles }: Scene<Handle>): Batch {
  const paths = shuffle(makeTree(target, `${root}/read`, batchFiles, IO_BYTES), SEED);
  let content: Uint8Array = Buffer.alloc(0);
  return {
    ops: paths.length,
    run: (first, end) => {
      for (let index = first; index < end; index++) content = target.readFile(paths[index]!);
    },
    end: () => {
      check(content.length === IO_BYTES, "readFile gave all bytes");
      check(content[IO_BYTES - 1] === 0x5a, "readFile gave what was written");
    },
  };
}

function statDeep<Handle>(scene: Scene<Handle>): Batch {
  const { target, root } = scene;
  let directory = `${root}/deep`;
  target.mkdir(directory);
  for (let level = 1; level < DEEP_LEVELS; level++) {
    directory += `/level-${level}`;
    target.mkdir(directory);
  }
  const content = Buffer.alloc(FILE_BYTES_SMALL);
  const paths = Array.from({ length: PER_DIRECTORY }, (_, index) => `${directory}/file-${index}`);
  for (const path of paths) target.writeNew(path, content);
  return stat(scene, shuffle(paths, SEED));
}

/** Beside a thousand files that stay: an empty directory comes and goes. */
function mkdirRmdir<Handle>({ target, root, batchFiles }: Scene<Handle>): Batch {
  const paths = makeTree(target, `${root}/mkdir`, batchFiles, 0).map((path) => `${path}.d`);
  return {
    ops: paths.length,
    run: (first, end) => {
      for (let index = first; index < end; index++) {
        target.mkdir(paths[index]!);
        target.rmdir(paths[index]!);
      }
    },
  };
}

function unlink<Handle>({ target, root, batchFiles }: Scene<Handle>): Batch {
  const paths = makePaths(target, `${root}/unlink`, batchFiles);
  const order = shuffle([...paths], SEED);
  const content = Buffer.alloc(IO_BYTES).fill(1);
  return {
    ops: paths.length,
    before: () => {
      for (const path of paths) {
        target.create(path);
        const handle = target.openReadWrite(path);
        target.pwrite(handle, content, 0);
        target.close(handle);
      }
    },
    run: (first, end) => {
      for (let index = first; index < end; index++) target.unlink(order[index]!);
    },
  };
}

function rename<Handle>({ target, root, batchFiles }: Scene<Handle>): Batch {
  let from = shuffle(makeTree(target, `${root}/rename`, batchFiles, 0), SEED);
  let to = from.map((path) => `${path}.new`);
  return {
    ops: from.length,
    run: (first, end) => {
      for (let index = first; index < end; index++) target.rename(from[index]!, to[index]!);
    },
    after: () => {
      [from, to] = [to, from];
    },
  };
}

function readdir<Handle>({ target, root }: Scene<Handle>): Batch {
  const directory = `${root}/readdir`;
  target.mkdir(directory);
  for (let index = 0; index < READDIR_ENTRIES; index++) target.create(`${directory}/file-${index}`);
  let names: string[] = [];
  return {
    ops: READDIR_CALLS,
    run: (first, end) => {
      for (let index = first; index < end; index++) names = target.readdir(directory);
    },
    end: () => check(names.length === READDIR_ENTRIES, "readdir gave every name"),
  };
}

function pread<Handle>(scene: Scene<Handle>): Batch {
  const { target } = scene;
  const { handle, offsets, remove } = bigFile(scene, "pread");
  const buffer = Buffer.alloc(IO_BYTES);
  return {
    ops: offsets.length,
    run: (first, end) => {
      for (let index = first; index < end; index++) target.pread(handle, buffer, offsets[index]!);
    },
    end: () => {
      check(buffer[0] === 0x5a, "pread gave what was written");
      remove();
    },
  };
}

function pwrite<Handle>(scene: Scene<Handle>): Batch {
  const { target } = scene;
  const { handle, offsets, remove } = bigFile(scene, "pwrite");
  const buffer = Buffer.alloc(IO_BYTES).fill(0xa5);
  return {
    ops: offsets.length,
    run: (first, end) => {
      for (let index = first; index < end; index++) target.pwrite(handle, buffer, offsets[index]!);
    },
    end: () => {
      target.pread(handle, buffer.fill(0), offsets[0]!);
      check(buffer[0] === 0xa5, "pwrite left its bytes");
      remove();
    },
  };
}

function pwriteFsync<Handle>(scene: Scene<Handle>): Batch {
  const { target } = scene;
  const { handle, offsets, remove } = bigFile(scene, "pwrite-fsync");
  const buffer = Buffer.alloc(IO_BYTES).fill(0xa5);
  return {
    ops: offsets.length,
    run: (first, end) => {
      for (let index = first; index < end; index++) {
        target.pwrite(handle, buffer, offsets[index]!);
        target.fsync(handle);
      }
    },
    end: remove,
  };
}

/** A new file, from its first byte to its last; one operation is the whole of it. */
function writeAll<Handle>({ target, root }: Scene<Handle>): Batch {
  const path = `${root}/write-all`;
  const chunk = Buffer.alloc(CHUNK_BYTES).fill(0x5a);
  let handle: Handle;
  return {
    ops: 1,
    before: () => {
      target.create(path);
      handle = target.openReadWrite(path);
    },
    run: () => {
      for (let pos = 0; pos < STREAM_BYTES; pos += CHUNK_BYTES) target.append(handle, chunk);
    },
    after: () => {
      check(target.stat(path) === STREAM_BYTES, "the whole file was written");
      target.close(handle);
      target.unlink(path);
    },
  };
}

function readAll<Handle>({ target, root }: Scene<Handle>): Batch {
  const path = `${root}/read-all`;
  const chunk = Buffer.alloc(CHUNK_BYTES).fill(0x5a);
  target.create(path);
  const handle = target.openReadWrite(path);
  for (let pos = 0; pos < STREAM_BYTES; pos += CHUNK_BYTES) target.append(handle, chunk);
  return {
    ops: 1,
    run: () => {
      for (let pos = 0; pos < STREAM_BYTES; pos += CHUNK_BYTES) target.pread(handle, chunk, pos);
    },
    end: () => {
      check(chunk[CHUNK_BYTES - 1] === 0x5a, "pread gave what was written");
      target.close(handle);
      target.unlink(path);
    },
  };
}

/** A fully written file, the random block offsets to visit, and what takes it away again. */
function bigFile<Handle>({ target, root }: Scene<Handle>, name: string) {
  const path = `${root}/${name}`;
  target.create(path);
  const handle = target.openReadWrite(path);
  const chunk = Buffer.alloc(CHUNK_BYTES).fill(0x5a);
  for (let pos = 0; pos < FILE_BYTES; pos += chunk.length) target.pwrite(handle, chunk, pos);
  const remove = (): void => {
    target.close(handle);
    target.unlink(path);
  };
  return { handle, offsets: randomOffsets(), remove };
}

/** Every block of the big file once, in random order. */
export function randomOffsets(): number[] {
  return shuffle(
    Array.from({ length: FILE_BYTES / IO_BYTES }, (_, index) => index * IO_BYTES),
    SEED,
  );
}

function append<Handle>({ target, root, batchFiles }: Scene<Handle>): Batch {
  const path = `${root}/append`;
  target.create(path);
  const handle = target.openAppend(path);
  const buffer = Buffer.alloc(APPEND_BYTES).fill(7);
  return {
    ops: batchFiles,
    run: (first, end) => {
      for (let index = first; index < end; index++) target.append(handle, buffer);
    },
    after: () => {
      check(target.stat(path) === batchFiles * APPEND_BYTES, "every append is there");
      target.truncate(handle, 0);
    },
    end: () => target.close(handle),
  };
}

function preadOfMany<Handle>({ target, tree }: Scene<Handle>): Batch {
  const chosen = shuffle([...tree], SEED).slice(0, OPEN_FILES);
  const handles = chosen.map((path) => target.openReadWrite(path));
  const buffer = Buffer.alloc(FILE_BYTES_SMALL);
  return {
    ops: handles.length,
    run: (first, end) => {
      for (let index = first; index < end; index++) {
        target.pread(handles[index]!, buffer, 0);
      }
    },
    end: () => {
      check(buffer[0] === 0x5a, "pread gave what was written");
      for (const handle of handles) target.close(handle);
    },
  };
}

/** More files beside those that are there. */
function createInTree<Handle>({ target, tree, batchFiles }: Scene<Handle>): Batch {
  const paths = Array.from({ length: batchFiles }, (_, index) => `${tree[0]!}.${index}`);
  return {
    ops: paths.length,
    run: (first, end) => {
      for (let index = first; index < end; index++) target.create(paths[index]!);
    },
    after: () => {
      for (const path of paths) target.unlink(path);
    },
  };
}

/** Names at random: what the design pays to find one, without a cache of names above it. */
function lookupInTree<Handle>({ target, tree }: Scene<Handle>): Batch {
  const paths = shuffle([...tree], SEED).map(copyString);
  let found = 0;
  return {
    ops: paths.length,
    run: (first, end) => {
      for (let index = first; index < end; index++) found += target.lookup(paths[index]!);
    },
    end: () => check(found >= paths.length, "lookup found the names"),
  };
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`the benchmark is wrong: not true that ${what}`);
}
