/** Mount options, and what a mount takes from its surroundings. */
import { describe, expect, test } from "vitest";
import { Pmem } from "../pmem/pmem.ts";
import { OptionError } from "../spec/errors.ts";
import { O_CREAT, O_WRONLY } from "../spec/mode.ts";
import { type OptionValues, splitOptions } from "../spec/options.ts";
import type { MountContext, Personality } from "../spec/personality.ts";
import { counterClock } from "./clock.ts";
import { mount } from "./mount.ts";
import { Task } from "./task.ts";
import { codeOf, EVERYTHING, MemoryFileSystem, n } from "./testing.ts";

function setUp(defaults: OptionValues = {}) {
  const contexts: MountContext[] = [];
  const unused = (): never => {
    throw new Error("not asked for here");
  };
  const personality: Personality = {
    name: "memory",
    capabilities: EVERYTHING,
    deviceSizeMin: 4096,
    mkfsOptions: {},
    mountOptions: { alloc: { values: ["first", "best"], default: "first", help: "" } },
    probe: () => true,
    defaultOptions: () => defaults,
    mkfs: unused,
    mount(_device, context) {
      contexts.push(context);
      return new MemoryFileSystem(context.clock, context.readOnly);
    },
    check: unused,
    isClean: unused,
    describe: unused,
  };
  const run = (text: string, environment = {}) =>
    mount(personality, new Pmem(4096), splitOptions(text), environment);
  return { contexts, run };
}

describe("mount", () => {
  test("gives the personality its own options, with defaults", () => {
    const { contexts, run } = setUp();
    run("");
    run("alloc=best,unwritten=own,data=delalloc");
    expect(contexts.map((context) => context.options)).toEqual([
      { alloc: "first" },
      { alloc: "best" },
    ]);
    expect(contexts[0]!.readOnly).toBe(false);
  });

  test("names an option that is not known, and lists those that are", () => {
    const { contexts, run } = setUp();
    const valid = "data, unwritten, ro, relatime, noatime, strictatime, alloc";
    expect(() => run("foo=1")).toThrow(
      new OptionError(`memory has no option 'foo'; valid options: ${valid}`),
    );
    expect(() => run("data=floppy")).toThrow("choose one of xip, delalloc, nodelalloc");
    expect(() => run("noatime,strictatime")).toThrow("noatime and strictatime exclude each other");
    expect(contexts).toEqual([]);
  });

  test("chooses the data path by its option", () => {
    const { run } = setUp();
    for (const data of ["xip", "delalloc", "nodelalloc"]) {
      expect(run(`data=${data}`).superblock.files.name).toBe(data);
    }
    expect(run("").superblock.files.name).toBe("xip");
  });

  test("starts from the options of the image, and lets the given ones win", () => {
    const { contexts, run } = setUp({ alloc: "best", data: "delalloc" });
    expect(run("").superblock.files.name).toBe("delalloc");
    expect(run("data=xip").superblock.files.name).toBe("xip");
    expect(contexts[1]!.options).toEqual({ alloc: "best" });
  });

  test("with ro changes nothing", () => {
    const { contexts, run } = setUp();
    const vfs = run("ro");
    const task = new Task(vfs);
    expect(contexts[0]!.readOnly).toBe(true);
    expect(vfs.readOnly).toBe(true);
    expect(codeOf(() => task.mkdir(n("/d")))).toBe("EROFS");
    expect(codeOf(() => task.open(n("/f"), O_CREAT | O_WRONLY))).toBe("EROFS");
    expect(codeOf(() => task.mkdir(n("/")))).toBe("EEXIST");
    expect(codeOf(() => task.unlink(n("/absent")))).toBe("EROFS");
    expect(codeOf(() => task.syncfs())).toBe("ok");
    vfs.unmount();
  });

  test("takes time from the clock that it is given; its own counts microseconds", () => {
    const { contexts, run } = setUp();
    const clock = { now: () => ({ sec: 5, nsec: 6 }) };
    const task = new Task(run("", { clock, dev: 9 }));
    task.mkdir(n("/d"));
    expect(task.stat(n("/d"))).toMatchObject({ dev: 9, btimeSec: 5, btimeNsec: 6 });
    expect(contexts[0]!.clock).toBe(clock);
    run("");
    const own = counterClock();
    expect({ ...own.now() }).toEqual({ sec: 1_386_288_000, nsec: 1000 });
    for (let index = 0; index < 999_999; index++) own.now();
    expect(own.now()).toEqual({ sec: 1_386_288_001, nsec: 1000 });
  });
});
