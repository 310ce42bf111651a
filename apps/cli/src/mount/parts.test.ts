/** Proven here: the pure parts of a mount: options, the mount table, counting, and the medium's pace. */
import { CostMeter, FsError, MediaModels, OptionError } from "@xiplab/core";
import type { Channel } from "@xiplab/fuse";
import { describe, expect, test } from "vitest";
import { parseMountTable } from "./mount-table.ts";
import { mountOptionsArgument, splitMountOptions } from "./options.ts";
import { CountingChannel, PacedChannel, SyncChannel } from "./channels.ts";
import { leaksInWords } from "./stats.ts";

describe("options", () => {
  const split = (text: string) => splitMountOptions(mountOptionsArgument(text));

  test("go to whom they are for", () => {
    expect(
      split(
        "ro,noatime,nosuid,data=xip,media=cxl,cache=writeback,image=written,fsname=a,allow_other",
      ),
    ).toEqual({
      design: { ro: "1", noatime: "1", data: "xip" },
      kernel: ["ro", "noatime", "nosuid"],
      readOnly: true,
      media: "cxl",
      cache: "writeback",
      access: "written",
      allowOther: true,
      fsname: "a",
    });
  });

  test("have defaults: writable, no cache, no medium", () => {
    expect(split("defaults")).toMatchObject({ readOnly: false, cache: "direct", media: null });
    expect(split("").fsname).toBeNull();
  });

  test("what comes later wins, as in mount(8)", () => {
    expect(split("ro,rw").readOnly).toBe(false);
    expect(split("rw,ro").readOnly).toBe(true);
    expect(mountOptionsArgument("rw", mountOptionsArgument("ro,alloc=a"))).toEqual({
      alloc: "a",
      rw: "1",
    });
  });

  test("wrong values of ours are refused", () => {
    expect(() => split("cache=none")).toThrow(OptionError);
    expect(() => split("nosuid=yes")).toThrow(/nosuid is a flag/);
  });
});

test("the mount table tells directories, sources and numbers, blanks included", () => {
  const line = String.raw`42 27 0:39 / /mnt/a\040b rw,noatime shared:1 - fuse.xip /tmp/im\134age rw,user_id=0`;
  expect(parseMountTable(`${line}\n29 1 8:1 / / rw - ext4 /dev/sda1 rw\nrubbish\n`)).toEqual([
    { directory: "/mnt/a b", type: "fuse.xip", source: String.raw`/tmp/im\age`, minor: 39 },
    { directory: "/", type: "ext4", source: "/dev/sda1", minor: 1 },
  ]);
});

test("leaks are what is more than the root", () => {
  const none = { inodes: 9, referenced: 1, dentries: 4, openFiles: 0, nodes: 0, handles: 0 };
  expect(leaksInWords(none)).toBeNull();
  expect(leaksInWords({ ...none, referenced: 3, handles: 1 })).toBe(
    "2 referenced inodes, 1 handles",
  );
});

/** Gives requests of the opcodes, then the end. */
class FakeChannel implements Channel {
  readonly answers: Uint8Array[] = [];
  private readonly opcodes: number[];

  constructor(...opcodes: number[]) {
    this.opcodes = opcodes;
  }

  receive(target: Uint8Array): number {
    const opcode = this.opcodes.shift();
    if (opcode === undefined) return 0;
    new DataView(target.buffer).setUint32(4, opcode, true);
    return 40;
  }

  send(parts: readonly Uint8Array[]): boolean {
    this.answers.push(Buffer.concat(parts));
    return true;
  }
}

test("requests are counted by opcode, and the end is none", () => {
  const channel = new CountingChannel(new FakeChannel(15, 16, 15));
  const buffer = new Uint8Array(64);
  while (channel.receive(buffer) > 0);
  expect(channel.counts[15]).toBe(2);
  expect(channel.counts[16]).toBe(1);
  expect(channel.counts.reduce((sum, count) => sum + count)).toBe(3);
});

describe("sync and dirsync", () => {
  const [LOOKUP, MKDIR, WRITE] = [1, 9, 16];
  const answer = [new Uint8Array(16), new Uint8Array(8)];

  /** What is flushed when each of LOOKUP, MKDIR and WRITE is answered. */
  function flushes(what: "sync" | "dirsync"): number[] {
    const counts: number[] = [];
    const inner = new FakeChannel(LOOKUP, MKDIR, WRITE);
    let count = 0;
    const channel = new SyncChannel(inner, () => count++, what);
    while (channel.receive(new Uint8Array(64)) > 0) {
      channel.send(answer);
      // A notification that follows is no answer to it.
      channel.send(answer);
      counts.push(count);
    }
    expect(inner.answers.every(({ length }) => length === 24)).toBe(true);
    return counts;
  }

  test("flush what changed before it is answered", () => {
    expect(flushes("sync")).toEqual([0, 1, 2]);
    expect(flushes("dirsync")).toEqual([0, 1, 1]);
  });

  test("answer with the error of a flush that failed", () => {
    const inner = new FakeChannel(WRITE);
    const full = (): never => {
      throw new FsError("ENOSPC");
    };
    const channel = new SyncChannel(inner, full, "sync");
    channel.receive(new Uint8Array(64));
    channel.send(answer);
    const view = new DataView(inner.answers[0]!.buffer, inner.answers[0]!.byteOffset);
    expect(inner.answers[0]!.length).toBe(16);
    expect([view.getUint32(0, true), view.getInt32(4, true)]).toEqual([16, -28]);
  });
});

describe("the pace of a medium", () => {
  const SECOND_NS = 1e9;

  function setUp() {
    const meter = new CostMeter(MediaModels.optane);
    const inner = new FakeChannel(15, 15, 15);
    const clock = { nowNs: 0, sleeps: [] as number[] };
    const sleep = (durationNs: number): void => {
      clock.sleeps.push(durationNs);
      clock.nowNs += durationNs;
    };
    const channel = new PacedChannel(inner, meter, () => clock.nowNs, sleep);
    /** A request that takes `realNs`, and on the medium `modelNs`. */
    const request = (realNs: number, modelNs: number): void => {
      expect(channel.receive(new Uint8Array(64))).toBeGreaterThan(0);
      clock.nowNs += realNs;
      meter.modelledNs += modelNs;
      channel.send([]);
    };
    return { channel, clock, inner, request };
  }

  test("an answer comes no earlier than the medium has it", () => {
    const { channel, clock, inner, request } = setUp();
    request(0.25 * SECOND_NS, SECOND_NS);
    expect(clock.nowNs).toBe(SECOND_NS);
    expect(channel.waitedNs).toBe(0.75 * SECOND_NS);
    expect(inner.answers.length).toBe(1);
  });

  test("where we are slower than the medium, nobody waits", () => {
    const { clock, request } = setUp();
    request(SECOND_NS, 0.5 * SECOND_NS);
    expect(clock.sleeps).toEqual([]);
  });

  test("short waits add up until they are worth one", () => {
    const { clock, request } = setUp();
    request(0, 60_000);
    expect(clock.sleeps).toEqual([]);
    request(0, 60_000);
    expect(clock.sleeps).toEqual([120_000]);
  });
});
