/**
 * Directories against a map: names are added, renamed, removed, looked up and listed at random, with
 * the real hash and with one of so few values that names of one hash fill leaf after leaf and even
 * index blocks. After every run each block is verified from the medium, and the tree is walked.
 */
import { assert, type Name, newDirBatch } from "@xiplab/core";
import { describe, expect, test, vi } from "vitest";
import type { Ext4FileSystem } from "../filesystem.ts";
import type { NameHash } from "../hash.ts";
import type { Ext4Inode } from "../inode.ts";
import { blocksOf, isIndexed } from "./read.ts";
import { emptyImage, listAll, lookupIn, makeDirectory, makeFile, openImage } from "./testing.ts";
import { rootOf } from "./testing.ts";

const SEED = Number(process.env["SEED"] ?? 20_131_206);
const STEPS = Number(process.env["STEPS"] ?? 4000);
const NAMES = 700;
const COOKIE_CHECK = 97;

/** What is left of the hash: set by each test. */
const masks = vi.hoisted(() => ({ major: 0xfffffffe, minor: 0xffffffff }));

vi.mock("../hash.ts", async (original) => {
  const real = await original<typeof import("../hash.ts")>();
  return {
    hashName: (...all: Parameters<typeof real.hashName>): void => {
      real.hashName(...all);
      const out: NameHash = all[6];
      out.major = (out.major & masks.major) >>> 0;
      out.minor = (out.minor & masks.minor) >>> 0;
    },
  };
});

type Random = (below: number) => number;

function randomNumbers(seed: number): Random {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Names of all lengths, most of them short, of bytes of all kinds. */
function nameOf(index: number): string {
  const length = index % 7 === 0 ? 1 + ((index * 37) % 250) : 3 + (index % 20);
  const body = `${index.toString(36)}\xff\x01.`.repeat(Math.ceil(length / 3));
  return `${index.toString(36)}~${body}`.slice(0, Math.max(length, 5));
}

class Run {
  readonly fs: Ext4FileSystem;
  readonly directory: Ext4Inode;
  readonly file: Ext4Inode;
  readonly model = new Map<string, number>();
  private readonly random: Random;
  private readonly names = Array.from({ length: NAMES }, (_, index) => nameOf(index));

  constructor(fs: Ext4FileSystem, random: Random) {
    this.fs = fs;
    this.random = random;
    this.directory = makeDirectory(fs, rootOf(fs), "directory");
    this.file = makeFile(fs, rootOf(fs), "file");
  }

  step(): void {
    const { directory, file, fs, model, random } = this;
    const name = this.names[random(NAMES)]!;
    const what = random(10);
    if (!model.has(name)) {
      assert(lookupIn(fs, directory, name) === 0, "a name that is not there is not found");
      if (what < 8) {
        fs.link(directory, name as Name, file);
        model.set(name, file.ino);
      }
      return;
    }
    assert(lookupIn(fs, directory, name) === file.ino, "a name that is there is found");
    const other = this.names[random(NAMES)]!;
    if (what < 4) {
      fs.unlink(directory, name as Name, file);
      model.delete(name);
    } else if (what < 6 && !model.has(other)) {
      fs.rename(directory, name as Name, directory, other as Name, file, null, false);
      model.delete(name);
      model.set(other, file.ino);
    }
  }

  /** Names that stay during a listing are listed once, whatever else comes and goes. */
  list(): void {
    const { directory, fs, model, random } = this;
    const batch = newDirBatch();
    const before = new Set(model.keys());
    const stayed = new Set(before);
    for (let more = true; more;) {
      more = fs.readdir(directory, batch.cookies.at(-1) ?? 0, batch, 1 + random(60));
      for (let count = random(6); count > 0; count--) {
        this.step();
        for (const name of stayed) if (!model.has(name)) stayed.delete(name);
      }
    }
    const listed = new Set<string>(batch.names);
    for (const name of stayed) assert(listed.has(name), "a name that stayed is listed");
    // A name that went and came back may be listed where it was and where it is.
    const twice = batch.names.filter((name, index) => batch.names.indexOf(name) !== index);
    for (const name of twice) assert(!stayed.has(name), "a name that stayed is listed once");
  }
}

interface Kind {
  readonly label: string;
  readonly major: number;
  readonly minor: number;
  readonly options: Record<string, string>;
}

const ALL = 0xffffffff;
const KINDS: readonly Kind[] = [
  { label: "the real hash", major: ALL, minor: ALL, options: {} },
  { label: "eight hashes", major: 0xe0000000, minor: ALL, options: {} },
  { label: "two hashes", major: 0x80000000, minor: ALL, options: {} },
  { label: "one hash and few cookies", major: 0, minor: 0xf0000000, options: {} },
  { label: "no checksums", major: 0xf0000000, minor: ALL, options: { features: "^metadata_csum" } },
  { label: "no index", major: ALL, minor: ALL, options: { features: "^dir_index" } },
];

describe("a directory and a map agree", () => {
  for (const [index, { label, major, minor, options }] of KINDS.entries()) {
    const seed = SEED + index;
    test(`${label}, seed=${seed}`, () => {
      Object.assign(masks, { major, minor });
      const device = emptyImage(16, { blockSize: "1024", ...options });
      const fs = openImage(device);
      const run = new Run(fs, randomNumbers(seed));
      for (let step = 0; step < STEPS; step++) {
        run.step();
        if (step % COOKIE_CHECK === 0) run.list();
        if (step % 500 === 0) fs.sync();
      }
      const { directory, model } = run;
      expect(isIndexed(fs.volume, directory)).toBe(label !== "no index");
      expect(blocksOf(fs.volume, directory)).toBeGreaterThan(10);
      const names = [...model.keys()].sort();
      expect([...listAll(fs, directory, 10).names].sort()).toEqual(names);
      fs.unmount();
      const again = openImage(device);
      const same = again.iget(lookupIn(again, rootOf(again), "directory"));
      expect([...listAll(again, same).names].sort()).toEqual(names);
      for (const name of names) expect(lookupIn(again, same, name)).toBe(run.file.ino);
    });
  }
});
