/** What one load process was told to keep, and what is legal after its server was killed. */
import fs from "node:fs";
import path from "node:path";
import {
  BLOCK_SIZE,
  BLOCKS,
  type Line,
  logRecord,
  REPLACED,
  replacedContent,
  TOGGLED,
} from "./record.ts";

/** The part of node:fs that looking at the result takes. */
export type Reader = Pick<typeof fs, "existsSync" | "readFileSync" | "readdirSync">;

/** The last version that was acknowledged, and the last that was begun. */
interface Versions {
  acked: number;
  begun: number;
}
const newVersions = (): Versions => ({ acked: 0, begun: 0 });

export class Ledger {
  private readonly replaced = Array.from({ length: REPLACED }, newVersions);
  private readonly log = newVersions();
  private readonly blocks = Array.from({ length: BLOCKS }, newVersions);
  /** Odd: it is there. */
  private readonly toggled = Array.from({ length: TOGGLED }, newVersions);
  private readonly place = newVersions();
  /** Steps that were acknowledged. */
  acknowledged = 0;

  /** A line of the load; an unfinished last line is no line. */
  take({ at, step }: Line): void {
    const key = at === "begin" ? "begun" : "acked";
    if (at === "ack") this.acknowledged++;
    switch (step.kind) {
      case "replace":
        this.replaced[step.file]![key] = step.version;
        break;
      case "append":
        this.log[key] = step.version;
        break;
      case "overwrite":
        for (let block = step.first; block < step.end; block++) {
          this.blocks[block]![key] = step.version;
        }
        break;
      case "toggle":
        this.toggled[step.file]![key]++;
        break;
      case "move":
        this.place[key]++;
        break;
    }
  }

  /** What is wrong in `directory`, in words; empty: everything acknowledged is there. */
  judge(reader: Reader, directory: string): string[] {
    return [
      ...this.judgeReplaced(reader, directory),
      ...this.judgeLog(reader, directory),
      ...this.judgeBlocks(reader, directory),
      ...this.judgeNames(reader, directory),
    ];
  }

  private judgeReplaced(reader: Reader, directory: string): string[] {
    return this.replaced.flatMap(({ acked, begun }, file) => {
      const name = path.join(directory, `replaced-${file}`);
      if (!reader.existsSync(name)) return acked === 0 ? [] : [`${name} is gone`];
      const found = reader.readFileSync(name);
      for (let version = Math.max(acked, 1); version <= begun; version++) {
        if (Buffer.compare(found, replacedContent(file, version)) === 0) return [];
      }
      const head = found.subarray(0, 40).toString("latin1");
      return [`${name} has ${found.length} bytes, ${head}: no version ${acked} to ${begun}`];
    });
  }

  private judgeLog(reader: Reader, directory: string): string[] {
    const { acked, begun } = this.log;
    const records = Array.from({ length: begun }, (_, index) => logRecord(index + 1));
    const least = records.slice(0, acked).reduce((sum, record) => sum + record.length, 0);
    const expected = Buffer.concat(records);
    const found = reader.readFileSync(path.join(directory, "log"));
    if (found.length < least) return [`log has ${found.length} bytes, ${least} were acknowledged`];
    if (found.length > expected.length) return [`log has ${found.length} bytes, too many`];
    if (found.equals(expected.subarray(0, found.length))) return [];
    const at = found.findIndex((byte, index) => byte !== expected[index]);
    return [`log is wrong at byte ${at} of ${found.length}, ${least} of them acknowledged`];
  }

  private judgeBlocks(reader: Reader, directory: string): string[] {
    const bytes = reader.readFileSync(path.join(directory, "blocks"));
    return this.blocks.flatMap(({ acked, begun }, block) => {
      const from = block * BLOCK_SIZE;
      if (bytes.length < from + BLOCK_SIZE && acked > 0) return [`block ${block} is cut off`];
      for (let at = from; at + 8 <= Math.min(bytes.length, from + BLOCK_SIZE); at += 8) {
        const version = bytes.readUInt32LE(at + 4);
        const isOurs = bytes.readUInt32LE(at) === (version === 0 ? 0 : block + 1);
        if (isOurs && version >= acked && version <= begun) continue;
        return [`block ${block}, byte ${at - from}: version ${version}, not ${acked} to ${begun}`];
      }
      return [];
    });
  }

  private judgeNames(reader: Reader, directory: string): string[] {
    const names = new Set(reader.readdirSync(directory));
    const wrong = this.toggled.flatMap(({ acked, begun }, file) => {
      const name = `toggled-${file}`;
      if (acked < begun || names.has(name) === (acked % 2 === 1)) return [];
      return [`${name} ${names.has(name) ? "is there again" : "is gone"}`];
    });
    const places = [0, 1].filter((place) => names.has(`place-${place}`));
    const { acked, begun } = this.place;
    const isRight = places.length === 1 && (acked < begun || places[0] === acked % 2);
    if (!isRight) wrong.push(`the directory is at ${places.join(" and ") || "no place"}`);
    const inside = path.join(directory, `place-${places[0] ?? 0}`, "inside");
    if (!reader.existsSync(inside)) wrong.push("what stood in the directory is gone");
    return wrong;
  }
}
