/**
 * One process of the soak: `node load.ts DIRECTORY SHARED SEED SECONDS`. Random operations as fsstress
 * makes them: in DIRECTORY, its own, every result is compared with what must be there; in SHARED,
 * where all processes meet, only what no order of events explains is an error. Prints counts as JSON.
 */
import fs from "node:fs";
import path from "node:path";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  FsError,
} from "@xiplab/core";
import { cString, done, libc } from "@xiplab/testkit/kernel";
import { Random } from "../harness/random.ts";

const FILES_MAX = 60;
const SIZE_MAX = 192 * 1024;
const DIRECTORIES_MAX = 12;
const BLOCK = 4096;

/** A file of ours: what it must hold, and its names. An open descriptor may outlive the last name. */
interface Model {
  content: Buffer;
  readonly names: Set<string>;
  readonly xattrs: Map<string, string>;
}

class Soak {
  readonly counts: Record<string, number> = {};
  private readonly root: string;
  private readonly shared: string;
  private readonly directories: string[];
  private files: Model[] = [];
  private serial = 0;
  private readonly random: Random;

  constructor(root: string, shared: string, seed: number) {
    this.root = root;
    this.shared = shared;
    this.random = new Random(seed);
    this.directories = [root];
  }

  run(untilMs: number): void {
    const actions = Object.entries(this.actions());
    while (Date.now() < untilMs) {
      const [name, action] = actions[this.random.below(actions.length)]!;
      try {
        action();
        this.counts[name] = (this.counts[name] ?? 0) + 1;
      } catch (error) {
        if (!isFull(error)) throw new Error(`${name} in ${this.root}`, { cause: error });
        this.counts["no space"] = (this.counts["no space"] ?? 0) + 1;
        this.makeRoom();
      }
    }
    this.compareAll();
  }

  private actions(): Record<string, () => void> {
    return {
      create: () => this.create(),
      write: () => this.write(),
      overwrite: () => this.write(),
      append: () => this.append(),
      read: () => this.read(),
      truncate: () => this.truncate(),
      fallocate: () => this.fallocate(),
      rename: () => this.rename(),
      "rename over": () => this.renameOver(),
      link: () => this.link(),
      unlink: () => this.unlink(),
      "unlink open": () => this.unlinkOpen(),
      symlink: () => this.symlink(),
      mkdir: () => this.mkdir(),
      rmdir: () => this.rmdir(),
      readdir: () => this.readdir(),
      attributes: () => this.attributes(),
      xattr: () => this.xattr(),
      fsync: () => this.fsync(),
      shared: () => this.meet(),
    };
  }

  private create(): void {
    if (this.files.length >= FILES_MAX) return this.unlink();
    const name = this.newName();
    const content = this.bytes(this.random.below(4) === 0 ? 0 : this.random.below(SIZE_MAX / 4));
    fs.writeFileSync(name, content, { flag: "wx" });
    this.files.push({ content, names: new Set([name]), xattrs: new Map() });
  }

  private write(): void {
    this.withFile((file, name) => {
      const pos = this.random.below(Math.min(SIZE_MAX, file.content.length + 3 * BLOCK));
      const bytes = this.bytes(1 + this.random.below(5 * BLOCK));
      using(name, "r+", (fd) => {
        const written = fs.writeSync(fd, bytes, 0, bytes.length, pos);
        file.content = overlay(file.content, bytes.subarray(0, written), pos);
      });
      this.expectSize(name, file);
    });
  }

  private append(): void {
    this.withFile((file, name) => {
      const bytes = this.bytes(1 + this.random.below(2000));
      const written = using(name, "a", (fd) => fs.writeSync(fd, bytes));
      file.content = overlay(file.content, bytes.subarray(0, written), file.content.length);
      if (file.content.length > SIZE_MAX) this.cut(file, name, this.random.below(BLOCK));
    });
  }

  private read(): void {
    this.withFile((file, name) => this.compare(file, name));
  }

  private truncate(): void {
    this.withFile((file, name) => {
      this.cut(file, name, this.random.below(Math.min(SIZE_MAX, file.content.length * 2 + BLOCK)));
      this.compare(file, name);
    });
  }

  private cut(file: Model, name: string, size: number): void {
    fs.truncateSync(name, size);
    const kept = file.content.subarray(0, size);
    file.content = Buffer.concat([kept, Buffer.alloc(size - kept.length)]);
  }

  private fallocate(): void {
    this.withFile((file, name) => {
      const pos = this.random.below(file.content.length + 1);
      const length = 1 + this.random.below(8 * BLOCK);
      const modes = [0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE, FALLOC_FL_COLLAPSE_RANGE];
      const punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
      const mode = [...modes, punch][this.random.below(5)]!;
      const [from, bytes] =
        mode === FALLOC_FL_COLLAPSE_RANGE ? [pos - (pos % BLOCK), BLOCK] : [pos, length];
      if (mode === FALLOC_FL_COLLAPSE_RANGE && from + bytes >= file.content.length) return;
      try {
        using(name, "r+", (fd) => done(libc.fallocate(fd, mode, BigInt(from), BigInt(bytes))));
      } catch (error) {
        if (error instanceof FsError && error.code === "EOPNOTSUPP") return;
        throw error;
      }
      file.content = allocated(file.content, mode, from, bytes);
      this.compare(file, name);
    });
  }

  private rename(): void {
    this.withFile((file, name) => {
      const to = this.newName();
      fs.renameSync(name, to);
      file.names.delete(name);
      file.names.add(to);
    });
  }

  private renameOver(): void {
    this.withFile((file, name) => {
      const victim = this.pick(this.files)!;
      const to = this.pick([...victim.names])!;
      fs.renameSync(name, to);
      // Two names of one file: rename does nothing.
      if (victim === file) return;
      file.names.delete(name);
      file.names.add(to);
      this.dropName(victim, to);
    });
  }

  private link(): void {
    this.withFile((file, name) => {
      if (file.names.size > 4) return;
      const to = this.newName();
      fs.linkSync(name, to);
      file.names.add(to);
      expect(fs.statSync(to).nlink === file.names.size, `${to}: link count`);
    });
  }

  private unlink(): void {
    this.withFile((file, name) => {
      fs.unlinkSync(name);
      this.dropName(file, name);
    });
  }

  /** What is open lives on without a name. */
  private unlinkOpen(): void {
    const name = this.newName();
    const content = this.bytes(this.random.below(SIZE_MAX / 4));
    using(name, "wx+", (fd) => {
      fs.writeSync(fd, content);
      fs.unlinkSync(name);
      const found = Buffer.alloc(content.length);
      fs.readSync(fd, found, 0, found.length, 0);
      expect(found.equals(content), `${name}: content after unlink`);
      expect(fs.fstatSync(fd).nlink === 0, `${name}: link count after unlink`);
    });
  }

  private symlink(): void {
    const name = this.newName();
    const target = "t".repeat(1 + this.random.below(300));
    fs.symlinkSync(target, name);
    expect(fs.readlinkSync(name) === target, `${name}: target`);
    fs.unlinkSync(name);
  }

  private mkdir(): void {
    if (this.directories.length >= DIRECTORIES_MAX) return;
    const name = this.newName();
    fs.mkdirSync(name);
    this.directories.push(name);
  }

  private rmdir(): void {
    const name = this.pick(this.directories.slice(1));
    if (name === undefined) return;
    const isEmpty = fs.readdirSync(name).length === 0;
    try {
      fs.rmdirSync(name);
      expect(isEmpty, `${name}: was not empty, and went`);
      this.directories.splice(this.directories.indexOf(name), 1);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
      expect(!isEmpty, `${name}: empty, and not removed`);
    }
  }

  private readdir(): void {
    const directory = this.pick(this.directories)!;
    const isHere = (name: string): boolean => path.dirname(name) === directory;
    const names = this.files.flatMap((file) => [...file.names].filter(isHere));
    const expected = [...names, ...this.directories.slice(1).filter(isHere)].map((name) =>
      path.basename(name),
    );
    const found = fs.readdirSync(directory);
    const same = found.toSorted().join("\n") === expected.toSorted().join("\n");
    expect(same, `${directory}: names ${found.length}, expected ${expected.length}`);
  }

  private attributes(): void {
    this.withFile((file, name) => {
      const mode = this.random.below(0o1000) | 0o600;
      fs.chmodSync(name, mode);
      fs.utimesSync(name, 1000, 2000 + this.random.below(1000));
      const stat = fs.statSync(name);
      expect((stat.mode & 0o7777) === mode, `${name}: mode`);
      expect(stat.atimeMs === 1_000_000, `${name}: access time`);
      expect(stat.nlink === file.names.size, `${name}: link count`);
    });
  }

  private xattr(): void {
    this.withFile((file, name) => {
      const key = `user.k${this.random.below(4)}`;
      const value = "v".repeat(1 + this.random.below(200));
      const bytes = Buffer.from(value);
      const size = BigInt(bytes.length);
      try {
        done(libc.setxattr(cString(name), cString(key), bytes, size, 0));
      } catch (error) {
        if (error instanceof FsError && error.code === "EOPNOTSUPP") return;
        throw error;
      }
      file.xattrs.set(key, value);
      for (const [each, wanted] of file.xattrs) {
        const found = Buffer.alloc(300);
        const length = done(libc.getxattr(cString(name), cString(each), found, 300n));
        expect(found.toString("latin1", 0, length) === wanted, `${name}: ${each}`);
      }
    });
  }

  private fsync(): void {
    this.withFile((_file, name) => using(name, "r+", (fd) => fs.fsyncSync(fd)));
    using(this.pick(this.directories)!, "r", (fd) => fs.fsyncSync(fd));
  }

  /** Where everybody works at once: names come and go under us, but nothing else may go wrong. */
  private meet(): void {
    const name = (): string => path.join(this.shared, `meet-${this.random.below(20)}`);
    const tries: Array<() => void> = [
      () => fs.writeFileSync(name(), this.bytes(this.random.below(3 * BLOCK))),
      () => fs.appendFileSync(name(), this.bytes(100)),
      () => void fs.readFileSync(name()),
      () => fs.renameSync(name(), name()),
      () => fs.linkSync(name(), name()),
      () => fs.unlinkSync(name()),
      () => fs.truncateSync(name(), this.random.below(2 * BLOCK)),
      () => void fs.statSync(name()),
      () => void fs.readdirSync(this.shared, { withFileTypes: true }),
    ];
    try {
      tries[this.random.below(tries.length)]!();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "EEXIST") throw error;
    }
  }

  private compareAll(): void {
    for (const file of this.files) for (const name of file.names) this.compare(file, name);
  }

  private compare(file: Model, name: string): void {
    const found = fs.readFileSync(name);
    if (found.equals(file.content)) return;
    const at = found.findIndex((byte, index) => byte !== file.content[index]);
    expect(false, `${name}: ${found.length} bytes, not ${file.content.length}; differ at ${at}`);
  }

  private expectSize(name: string, file: Model): void {
    expect(fs.statSync(name).size === file.content.length, `${name}: size`);
  }

  private makeRoom(): void {
    for (const file of this.files.splice(0, this.files.length / 2)) {
      for (const name of file.names) fs.unlinkSync(name);
    }
  }

  private dropName(file: Model, name: string): void {
    file.names.delete(name);
    if (file.names.size === 0) this.files = this.files.filter((other) => other !== file);
  }

  private withFile(body: (file: Model, name: string) => void): void {
    const file = this.pick(this.files);
    if (file === undefined) return this.create();
    body(file, this.pick([...file.names])!);
  }

  private newName(): string {
    const pad = "x".repeat(this.random.below(this.random.below(10) === 0 ? 200 : 12));
    return path.join(this.pick(this.directories)!, `${this.serial++}-${pad}`);
  }

  private bytes(length: number): Buffer {
    return Buffer.alloc(length, `${this.serial++} ${this.random.below(1e9)} `);
  }

  private pick<T>(all: readonly T[]): T | undefined {
    return all[this.random.below(all.length)];
  }
}

function using<T>(name: string, flags: string, body: (fd: number) => T): T {
  const fd = fs.openSync(name, flags);
  try {
    return body(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function overlay(content: Buffer, bytes: Uint8Array, pos: number): Buffer {
  const result = Buffer.alloc(Math.max(content.length, pos + bytes.length));
  content.copy(result);
  result.set(bytes, pos);
  return result;
}

/** What fallocate makes of a file. */
function allocated(content: Buffer, mode: number, pos: number, length: number): Buffer {
  if (mode === FALLOC_FL_COLLAPSE_RANGE) {
    return Buffer.concat([content.subarray(0, pos), content.subarray(pos + length)]);
  }
  const grows = (mode & FALLOC_FL_KEEP_SIZE) === 0 && pos + length > content.length;
  const result = grows ? overlay(content, new Uint8Array(0), pos + length) : Buffer.from(content);
  const zeroes = (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) !== 0;
  return zeroes ? result.fill(0, pos, Math.min(pos + length, result.length)) : result;
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`wrong: ${what}`);
}

/** Of Node's calls and of ours by ffi alike. */
const isFull = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOSPC";

const [root, shared, seed, seconds] = process.argv.slice(2);
const soak = new Soak(root!, shared!, Number(seed));
soak.run(Date.now() + Number(seconds) * 1000);
process.stdout.write(`${JSON.stringify(soak.counts)}\n`);
