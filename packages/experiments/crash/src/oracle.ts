/**
 * The set of legal states, from an independent model: what a power cut may leave of a run.
 *
 * The oracle replays the operations on the model file system, and keeps for each file its history
 * (`history.ts`) and for the names those moments that may still be what is on the medium:
 *
 *   begin(op)   the names before and after op are legal, and so are the bytes before and after it
 *   end()       op has returned: names that the design promises are durable now, and so is what op
 *               itself synced (fsync, sync, msync, a write through O_SYNC)
 *
 * A recovered tree is legal if its names are those of one of these moments, and the content of each
 * file is legal for the file that has the name then. What is promised is declared, never observed:
 * `promises.ts`.
 */
import { O_APPEND, O_DSYNC, O_SYNC, assert } from "@xiplab/core";
import {
  type ModelFs,
  type ModelNode,
  type Operation,
  applyToModel,
  type FileRef,
} from "@xiplab/testkit";
import { type ContentFinding, FileHistory, type IllegalRange } from "./history.ts";
import { type FoundTree, type Names, equalNames, namesOf, renameMidways } from "./tree.ts";
import { CONTENT_MAX, CrashCaseError, type Promises, type VerdictName } from "./types.ts";

/** One thing that is wrong with a recovered file system. */
export interface Finding {
  readonly verdict: VerdictName;
  /** The file, or null where it is about the whole file system. */
  readonly path: string | null;
  /** What is wrong, in words. */
  readonly what: string;
  readonly expected?: string;
  readonly found?: string;
}

export class Oracle {
  /** Grows whenever the set of legal states changes. */
  version = 0;
  readonly model: ModelFs;
  private readonly promises: Promises;
  private readonly histories = new Map<ModelNode, FileHistory>();
  /** Legal moments of the name space, the newest last. */
  private moments: Names[];
  /** States in the midst of the operation in progress, where it is not atomic. */
  private midways: Names[] = [];
  private current: Operation | null = null;
  /** It gave an error, so it changed nothing. (A store may fault after its first page.) */
  private refused = false;

  constructor(model: ModelFs, promises: Promises) {
    this.model = model;
    this.promises = promises;
    this.moments = [namesOf(model)];
  }

  /** `operation` is in progress. */
  begin(operation: Operation): void {
    assert(this.current === null, "one operation at a time");
    const before = this.newestNames();
    const result = applyToModel(this.model, operation);
    this.current = operation;
    this.refused = "error" in result;
    this.version++;
    if (!this.refused || operation.op === "store") this.noteContent(operation);
    const after = namesOf(this.model);
    if (equalNames(before, after)) return;
    this.moments.push(after);
    if (operation.op === "rename" && !this.promises.atomicRename) {
      this.midways = renameMidways(before, after);
    }
  }

  /** The operation in progress has returned. */
  end(): void {
    const operation = this.current;
    assert(operation !== null, "an operation is in progress");
    this.current = null;
    this.midways = [];
    this.version++;
    if (this.promises.synchronousMetadata) this.moments = [this.newestNames()];
    if (!this.refused) this.noteSync(operation);
  }

  /** Everything so far is durable. */
  syncAll(): void {
    this.version++;
    this.moments = [this.newestNames()];
    for (const history of this.histories.values()) history.sync();
  }

  /** The legal contents of a file of the model. */
  historyOf(node: ModelNode): FileHistory {
    let history = this.histories.get(node);
    if (history === undefined) this.histories.set(node, (history = new FileHistory()));
    return history;
  }

  /** What is wrong with `found`; empty if it is legal. */
  judge(found: FoundTree): Finding[] {
    let best: Finding[] | null = null;
    let bestCost = Infinity;
    for (const names of [...this.moments, ...this.midways].toReversed()) {
      const findings = [...compareNames(names, found)];
      // A name that differs weighs more than any content: contents belong to names.
      const cost = findings.length * 2 ** 20;
      if (cost >= bestCost) continue;
      for (const finding of this.compareContents(names, found)) findings.push(finding);
      if (findings.length === 0) return findings;
      const total = cost + findings.length;
      if (total < bestCost) [best, bestCost] = [findings, total];
    }
    assert(best !== null, "some moment is always legal");
    return best;
  }

  private newestNames(): Names {
    return this.moments[this.moments.length - 1]!;
  }

  private *compareContents(names: Names, found: FoundTree): Iterable<Finding> {
    for (const [path, { content }] of found) {
      const name = names.get(path);
      if (content === null || name === undefined || !name.node.isRegular) continue;
      const history = this.historyOf(name.node);
      const finding = history.judge(content);
      if (finding !== null) yield* contentFindings(path, content, history, finding);
    }
  }

  private noteContent(operation: Operation): void {
    const node = this.writtenNode(operation);
    if (node === null || !node.isRegular) return;
    const { size } = node.content;
    if (size > CONTENT_MAX) {
      throw new CrashCaseError(
        `a file of ${size} bytes: contents up to ${CONTENT_MAX} are compared`,
      );
    }
    const content = node.content.read(0, size);
    const atomic = operation.op === "write" && this.promises.atomicWrite;
    this.historyOf(node).change(content, operation.op === "write" && !atomic, atomic);
  }

  private writtenNode(operation: Operation): ModelNode | null {
    switch (operation.op) {
      case "open":
      case "create":
        return this.nodeOf(operation.path);
      case "write":
      case "truncate":
      case "fallocate":
        return this.nodeOf(operation.file);
      case "store":
        return this.model.regions.get(operation.region)?.node ?? null;
      default:
        return null;
    }
  }

  private noteSync(operation: Operation): void {
    if (operation.op === "sync" || operation.op === "remount") {
      this.syncAll();
    } else if (operation.op === "fsync") {
      const node = this.nodeOf(operation.file);
      if (node?.isRegular) this.historyOf(node).sync();
    } else if (operation.op === "msync") {
      const region = this.model.regions.get(operation.region);
      if (region === undefined) return;
      const history = this.historyOf(region.node);
      history.syncRange(region.pos + operation.offset, operation.length);
    } else if (operation.op === "write" && typeof operation.file === "number") {
      this.noteSynchronousWrite(operation.file, operation.pos, operation.length);
    }
  }

  /** O_SYNC and O_DSYNC: the bytes of this write, as fdatasync of the range would. */
  private noteSynchronousWrite(slot: number, pos: number | null, length: number): void {
    const file = this.model.files.get(slot);
    if (file === undefined || (file.flags & (O_SYNC | O_DSYNC)) === 0) return;
    const appended = (file.flags & O_APPEND) !== 0;
    const end = appended ? file.node.content.size : pos === null ? file.pos : pos + length;
    this.historyOf(file.node).syncRange(end - length, length);
  }

  private nodeOf(file: FileRef): ModelNode | null {
    if (typeof file === "number") return this.model.files.get(file)?.node ?? null;
    const { node } = this.model.walk(file, "follow");
    return node;
  }
}

function* compareNames(names: Names, found: FoundTree): Iterable<Finding> {
  for (const [path, name] of names) {
    const there = found.get(path);
    if (there === undefined) {
      const [expected] = name.attributes;
      yield { verdict: "lost", path, what: "is not there", expected: expected!, found: "nothing" };
    } else if (!name.attributes.includes(there.attributes)) {
      const expected = name.attributes.join(" or ");
      const what = "has other attributes";
      yield { verdict: "lost", path, what, expected, found: there.attributes };
    }
  }
  for (const [path, there] of found) {
    if (names.has(path)) continue;
    const what = "is there, but should not be";
    yield { verdict: "lost", path, what, expected: "nothing", found: there.attributes };
  }
}

function* contentFindings(
  path: string,
  content: Uint8Array,
  history: FileHistory,
  { badSize, ranges }: ContentFinding,
): Iterable<Finding> {
  if (badSize) {
    const expected = `size ${history.describeSizes()}`;
    const found = `size ${content.length}`;
    yield { verdict: "lost", path, what: "has a wrong size", expected, found };
  }
  for (const verdict of ["stale", "lost"] as const) {
    const mine = ranges.filter(({ kind }) => kind === verdict);
    const [first] = mine;
    if (first === undefined) continue;
    const says = verdict === "stale" ? "shows bytes that it never held" : "lacks what was promised";
    const what = `${says}: ${rangesText(mine)}`;
    const row = { start: first.pos, end: Math.min(first.pos + ROW, content.length) };
    const expected = expectedRow(history, row.start, row.end);
    const found = `${row.start}: ${hexRow(content.subarray(row.start, row.end))}`;
    yield { verdict, path, what, expected, found };
  }
}

const ROW = 16;
const RANGES_SHOWN = 4;

function rangesText(ranges: readonly IllegalRange[]): string {
  const words = ranges.slice(0, RANGES_SHOWN).map(({ pos, end }) => `${pos} to ${end - 1}`);
  const more = ranges.length - RANGES_SHOWN;
  return `bytes ${words.join(", ")}${more > 0 ? ` and ${more} more ranges` : ""}`;
}

/** The newest bytes, and below them what may stand there as well, if anything. */
function expectedRow(history: FileHistory, start: number, end: number): string {
  const legal = Array.from({ length: end - start }, (_, at) => history.legalAt(start + at));
  const newest = hexRow(legal.map((values) => values[values.length - 1]!));
  const oldest = hexRow(legal.map((values) => values[0]!));
  return `${start}: ${newest}${oldest === newest ? "" : ` or older, such as ${oldest}`}`;
}

const hexRow = (values: Iterable<number>): string =>
  Array.from(values, (value) => value.toString(16).padStart(2, "0")).join(" ");
