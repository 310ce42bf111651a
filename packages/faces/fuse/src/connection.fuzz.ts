/**
 * Proves that no request whatever stops the server: random and mutated requests of every opcode, on
 * a real file system. Each has its one answer in the form that the kernel insists on, or none where
 * there is none; nothing but FsError comes out; in the end the image is sound, and what the kernel
 * was told of and had open is given back to the last reference.
 *
 * A run is a seed: `seed=7` in a failure is all that is needed to see it again.
 */
import { createPmem, layoutOf, mkfs, mount, type Personality, type Struct } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { describe, expect, test } from "vitest";
import type { CacheMode } from "./connection.ts";
import { type Part, RequestParts } from "./debug-tables.ts";
import { ENTRY_HEAD } from "./protocol/attributes.ts";
import { OPEN_OUT } from "./protocol/file-structs.ts";
import { FORGET_IN } from "./protocol/names.ts";
import * as opcodes from "./protocol/opcodes.ts";
import { Handlers } from "./requests/handlers.ts";
import { checkAnswer, named, OFFERED, OFFERED2, record, TestKernel } from "./testing.ts";

const STEPS = 3000;
const SEEDS = [1, 2, 3];
/** More than the image has. */
const INODES_MAX = 4096;
const NAMES = ["a", "b", "c", "d", "e\xff", ".", "..", "", "x/y", "n".repeat(255), "n".repeat(256)];
const XATTRS = ["user.a", "trusted.b", "security.capability", "system.posix_acl_access", "user."];
const UNANSWERED = new Set([
  opcodes.FUSE_FORGET,
  opcodes.FUSE_BATCH_FORGET,
  opcodes.FUSE_INTERRUPT,
]);

/** xorshift32. */
function randomOf(seed: number): (below: number) => number {
  let state = seed * 2654435761 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

class Fuzzer extends TestKernel {
  readonly random: (below: number) => number;
  /** Nodes that were ever told of, and how often; handles that were ever given out. */
  readonly lookups = new Map<number, number>([[1, 0]]);
  readonly handles: number[] = [0];
  private readonly opcodes = Object.keys(Handlers).map(Number);

  constructor(personality: Personality, seed: number, cache: CacheMode) {
    const device = createPmem({ size: 8 * 2 ** 20 });
    mkfs(personality, device);
    super(mount(personality, device), { cache, locks: seed % 2 === 0 ? "server" : "kernel" });
    this.random = randomOf(seed);
    this.start(OFFERED, OFFERED2);
  }

  pick<T>(list: readonly T[]): T {
    return list[this.random(list.length)]!;
  }

  /** One request, mostly sensible, sometimes with bytes changed or cut off: how many answers it
   * has, and how many it is to have. */
  step(): readonly [answers: number, expected: number] {
    const opcode = this.pick(this.opcodes);
    if (opcode === opcodes.FUSE_INIT) return [0, 0];
    const parts = (RequestParts[opcode] ?? []).map((part) => this.part(part, opcode));
    if (this.random(8) === 0) this.spoil(parts);
    const node = this.pick([...this.lookups.keys()]);
    const unique = this.tell(opcode, this.random(50) === 0 ? 4711 : node, parts);
    const sent = this.sent.splice(0);
    const own = sent.filter((bytes) => new DataView(bytes.buffer).getUint32(8, true) === unique);
    const isSilent = UNANSWERED.has(opcode) || (opcode === opcodes.FUSE_SETLKW && own.length === 0);
    const [answer] = own;
    if (answer !== undefined) this.learn(opcode, checkAnswer(answer, unique));
    return [own.length, isSilent ? 0 : 1];
  }

  private part(part: Part, opcode: number): Uint8Array {
    if (typeof part === "object") return this.structure(part);
    if (part === "name") {
      const isXattr = opcode >= opcodes.FUSE_SETXATTR && opcode <= opcodes.FUSE_REMOVEXATTR;
      return named(this.pick(isXattr ? XATTRS : NAMES));
    }
    return Uint8Array.from({ length: this.random(64) }, () => this.random(256));
  }

  private structure(structure: Struct<object>): Uint8Array {
    const values: Record<string, number> = {};
    for (const [name, field] of layoutOf(structure).fields) {
      if (field.type === "pad") continue;
      const max = 2 ** Math.min(field.size * 8, 53) - 1;
      values[name] = Math.min(max, this.value(name));
    }
    return record(structure, values);
  }

  private value(name: string): number {
    if (/handle$/i.test(name)) return this.pick(this.handles);
    if (/nodeid|newDirectory/i.test(name)) return this.pick([...this.lookups.keys()]);
    if (name === "size") return this.pick([0, 1, 64, 4096, 5000, 65536, 2 ** 32 - 1]);
    if (name === "flags" || name === "mode" || name === "valid") {
      return this.pick([
        0,
        1,
        2,
        0o102,
        0o1102,
        0o100644,
        0o20200002,
        this.random(4096),
        2 ** 32 - 1,
      ]);
    }
    return this.pick([0, 0, 1, 2, 7, 4096, this.random(2 ** 20), 2 ** 32 - 1, 2 ** 53 - 1]);
  }

  private spoil(parts: Uint8Array[]): void {
    const index = this.random(parts.length + 1);
    const part = parts[index];
    if (part === undefined || part.length === 0) return;
    if (this.random(2) === 0) parts[index] = part.subarray(0, this.random(part.length));
    else part[this.random(part.length)] = this.random(256);
  }

  /** What the answer tells of: entries are nodes, handles are to be given back. */
  private learn(opcode: number, { status, view }: ReturnType<typeof checkAnswer>): void {
    if (status !== "ok") return;
    const isEntry = [
      opcodes.FUSE_LOOKUP,
      opcodes.FUSE_MKNOD,
      opcodes.FUSE_MKDIR,
      opcodes.FUSE_SYMLINK,
      opcodes.FUSE_LINK,
      opcodes.FUSE_CREATE,
      opcodes.FUSE_TMPFILE,
    ].includes(opcode);
    if (isEntry) {
      const nodeid = ENTRY_HEAD.nodeid.get(view, 0);
      if (nodeid > 1) this.lookups.set(nodeid, (this.lookups.get(nodeid) ?? 0) + 1);
    }
    if (opcode === opcodes.FUSE_OPEN) this.handles.push(OPEN_OUT.handle.get(view, 0));
    if (opcode === opcodes.FUSE_CREATE) this.handles.push(OPEN_OUT.handle.get(view, 128));
  }
}

describe.each([plain, ext4])("$name", (personality) => {
  test.each(SEEDS)("requests of all kinds, seed=%i", (seed) => {
    const caches: CacheMode[] = ["direct", "writethrough", "writeback"];
    const fuzzer = new Fuzzer(personality, seed, caches[seed % 3]!);
    const { vfs } = fuzzer.connection;
    for (let step = 0; step < STEPS; step++) {
      const [answers, expected] = fuzzer.step();
      expect(answers).toBe(expected);
    }
    expect(vfs.superblock.corruption).toBe(null);
    // Every number there is: READDIRPLUS, which is not taken apart here, tells of nodes too.
    for (let node = 1; node <= INODES_MAX; node++) {
      fuzzer.tell(opcodes.FUSE_FORGET, node, [record(FORGET_IN, { lookups: 2 ** 40 })]);
    }
    expect(fuzzer.connection.nodes.count).toBe(0);
    fuzzer.connection.close();
    expect(vfs.census()).toMatchObject({ referenced: 1, openFiles: 0 });
    const { device } = vfs.superblock.fs;
    vfs.unmount();
    const { findings, clean } = personality.check(device);
    expect(findings).toEqual([]);
    expect(clean).toBe(true);
  });
});
