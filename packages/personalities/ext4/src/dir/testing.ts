/** For tests of names: images, mounts without the vfs, and names whose hashes collide. */
import {
  assert,
  counterClock,
  createPmem,
  type DirBatch,
  type Ino,
  mkfs,
  type Name,
} from "@xiplab/core";
import { newDirBatch, type NewInode, type Pmem, S_IFDIR, S_IFREG } from "@xiplab/core";
import type { Ext4FileSystem } from "../filesystem.ts";
import type { Geometry } from "../geometry.ts";
import { hashName, type NameHash } from "../hash.ts";
import { ext4 } from "../index.ts";
import type { Ext4Inode } from "../inode.ts";
import { mount } from "../mount.ts";
import { mountOptions } from "../options.ts";
import { NameKey } from "./key.ts";

const MIB = 2 ** 20;

/** An empty image, always the same. */
export function emptyImage(sizeMib: number, options: Record<string, string> = {}): Pmem {
  const device = createPmem({ size: sizeMib * MIB }) as Pmem;
  const uuid = "01234567-89ab-4cde-8f01-23456789abcd";
  mkfs(ext4, device, { uuid, hashSeed: uuid, time: "1386288000", ...options });
  return device;
}

/** Mounted, with a clock that counts, and no vfs above. */
export function openImage(device: Pmem, readOnly = false): Ext4FileSystem {
  const options: Record<string, string> = {};
  for (const [name, spec] of Object.entries(mountOptions)) options[name] = spec.default;
  return mount(device, { readOnly, clock: counterClock(), options });
}

/** Throw where a handle changes more blocks than it has credits for. */
export function watchCredits({ volume }: Ext4FileSystem): void {
  const { journal } = volume;
  const run = journal.run.bind(journal);
  const join = journal.join.bind(journal);
  let joined = 0;
  journal.join = (buffer) => {
    if (buffer.tid !== journal.tid) joined++;
    join(buffer);
  };
  journal.run = (credits, body) => {
    if (journal.running) return run(credits, body);
    return run(credits, () => {
      joined = 0;
      const value = body();
      assert(joined <= credits, "a handle keeps to its credits");
      return value;
    });
  };
}

export const rootOf = (fs: Ext4FileSystem): Ext4Inode => fs.iget(fs.rootIno);

const attributes = (mode: number): NewInode => ({ mode, uid: 0, gid: 0, rdev: 0 });

export const makeFile = (fs: Ext4FileSystem, parent: Ext4Inode, name: string): Ext4Inode =>
  fs.create(parent, name as Name, attributes(S_IFREG | 0o644));

export const makeDirectory = (fs: Ext4FileSystem, parent: Ext4Inode, name: string): Ext4Inode =>
  fs.create(parent, name as Name, attributes(S_IFDIR | 0o755));

/** All entries, asked for `max` at a time. */
export function listAll(fs: Ext4FileSystem, directory: Ext4Inode, max = 100): DirBatch {
  const batch = newDirBatch();
  while (fs.readdir(directory, batch.cookies.at(-1) ?? 0, batch, max));
  return batch;
}

export const lookupIn = (fs: Ext4FileSystem, directory: Ext4Inode, name: string): Ino =>
  fs.lookup(directory, name as Name);

const key = new NameKey();

/** With the image's own hash, seed and sign. */
export function hashOf({ hashSeed, hashUnsigned, hashVersion }: Geometry, name: string): NameHash {
  key.set(name as Name);
  const hash = { major: 0, minor: 0 };
  hashName(key.view, 0, name.length, hashVersion, hashUnsigned, hashSeed, hash);
  return hash;
}

/** `count` pairs of names of `length` bytes, each with one hash. The same at each call. */
export function collidingNames(geometry: Geometry, length: number, count: number): string[][] {
  const byHash = new Map<number, string>();
  const pairs: string[][] = [];
  for (let index = 0; pairs.length < count; index++) {
    const name = index.toString(36).padEnd(length, "-");
    const { major } = hashOf(geometry, name);
    const other = byHash.get(major);
    if (other === undefined) byHash.set(major, name);
    else pairs.push([other, name]);
  }
  return pairs;
}
