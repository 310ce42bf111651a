/**
 * A mixed load with fsync: `node load.ts DIRECTORY SEED`. Works in DIRECTORY, which is there and
 * empty, until the file system goes away under it, and says each step on stdout: see record.ts.
 */
import fs from "node:fs";
import path from "node:path";
import { Random } from "../harness/random.ts";
import { blockContent, BLOCK_SIZE, BLOCKS, type Line, logRecord } from "./record.ts";
import { REPLACED, replacedContent, type Step, TOGGLED } from "./record.ts";

/**
 * What a call on a file system says whose server was killed; EIO where it died in the middle of copying
 * the request (fs/fuse/dev.c). The test sees to it that nobody meets an EIO before the kill.
 */
const GONE = new Set(["ENOTCONN", "ECONNABORTED", "EIO"]);

class Load {
  private readonly directory: string;
  private readonly directoryFd: number;
  private readonly log: number;
  private readonly blocks: number;
  private readonly exists = Array.from({ length: TOGGLED }, () => false);
  private readonly versions = Array.from({ length: REPLACED }, () => 0);
  private appended = 0;
  private overwritten = 0;
  private place = 0;
  private readonly random: Random;

  constructor(directory: string, seed: number) {
    this.directory = directory;
    this.random = new Random(seed);
    this.log = fs.openSync(path.join(directory, "log"), "ax");
    this.blocks = fs.openSync(path.join(directory, "blocks"), "wx");
    fs.mkdirSync(path.join(directory, "place-0"));
    fs.writeFileSync(path.join(directory, "place-0", "inside"), "inside");
    this.directoryFd = fs.openSync(directory, "r");
    fs.fsyncSync(this.log);
    fs.fsyncSync(this.blocks);
    this.syncFile(path.join(directory, "place-0", "inside"));
    this.syncFile(path.join(directory, "place-0"));
    fs.fsyncSync(this.directoryFd);
  }

  run(): void {
    for (;;) {
      const step = this.choose();
      say({ at: "begin", step });
      this.take(step);
      say({ at: "ack", step });
    }
  }

  private choose(): Step {
    switch (this.random.below(6)) {
      case 0: {
        const file = this.random.below(REPLACED);
        return { kind: "replace", file, version: ++this.versions[file]! };
      }
      case 1:
        return { kind: "append", version: ++this.appended };
      case 2: {
        const file = this.random.below(TOGGLED);
        return { kind: "toggle", file, exists: !this.exists[file] };
      }
      case 3:
        return { kind: "move", to: 1 - this.place };
      default: {
        const first = this.random.below(BLOCKS);
        const end = Math.min(BLOCKS, first + 1 + this.random.below(8));
        return { kind: "overwrite", first, end, version: ++this.overwritten };
      }
    }
  }

  private take(step: Step): void {
    switch (step.kind) {
      case "replace":
        return this.replace(step.file, step.version);
      case "append":
        writeAll(this.log, logRecord(step.version), null);
        return fs.fdatasyncSync(this.log);
      case "overwrite":
        for (let block = step.first; block < step.end; block++) {
          writeAll(this.blocks, blockContent(block, step.version), block * BLOCK_SIZE);
        }
        return fs.fsyncSync(this.blocks);
      case "toggle":
        return this.toggle(step.file, step.exists);
      case "move":
        fs.renameSync(this.at(`place-${this.place}`), this.at(`place-${step.to}`));
        this.place = step.to;
        return fs.fsyncSync(this.directoryFd);
    }
  }

  private replace(file: number, version: number): void {
    const temporary = this.at(`replaced-${file}.new`);
    const fd = fs.openSync(temporary, "w");
    writeAll(fd, replacedContent(file, version), null);
    fs.fsyncSync(fd);
    fs.closeSync(fd);
    fs.renameSync(temporary, this.at(`replaced-${file}`));
    fs.fsyncSync(this.directoryFd);
  }

  private toggle(file: number, exists: boolean): void {
    const name = this.at(`toggled-${file}`);
    if (exists) fs.closeSync(fs.openSync(name, "wx"));
    else fs.unlinkSync(name);
    this.exists[file] = exists;
    fs.fsyncSync(this.directoryFd);
  }

  private syncFile(file: string): void {
    const fd = fs.openSync(file, "r");
    fs.fsyncSync(fd);
    fs.closeSync(fd);
  }

  private at(name: string): string {
    return path.join(this.directory, name);
  }
}

function writeAll(fd: number, bytes: Uint8Array, position: number | null): void {
  for (let at = 0; at < bytes.length;) {
    const pos = position === null ? null : position + at;
    at += fs.writeSync(fd, bytes, at, bytes.length - at, pos);
  }
}

function say(line: Line): void {
  fs.writeSync(1, `${JSON.stringify(line)}\n`);
}

const [directory, seed] = process.argv.slice(2);
try {
  new Load(directory!, Number(seed)).run();
} catch (error) {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined || !GONE.has(code)) throw error;
  process.stderr.write(`${String(error)}\n`);
}
