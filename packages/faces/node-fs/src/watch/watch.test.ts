/**
 * Watchers: what happens is done to Node's own file system and to ours, and both must tell the same
 * events, names and order. That all were told shows in the event of a last file, which comes after
 * them: watchers of one process have one queue.
 */
import { createPmem, mkfs, mount } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { once } from "node:events";
import type * as nodeFs from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { subjects, type World } from "../callback/testing.ts";
import { createFs } from "../index.ts";

const real = subjects.find(({ name }) => name === "node:fs")!;
const ours = subjects.find(({ name }) => name === "ext4")!;

interface Scene {
  readonly fs: typeof nodeFs;
  readonly at: (name: string) => string;
  readonly put: (name: string, content?: string) => void;
}

function sceneOf({ fs, root }: World): Scene {
  const at = (name: string): string => join(root, "w", name);
  fs.mkdirSync(at(""));
  fs.mkdirSync(join(root, "end"));
  return { fs, at, put: (name, content = "") => fs.writeFileSync(at(name), content) };
}

/** The events of everything that `act` does, told by a watcher of `target`. */
async function eventsOf(
  world: World,
  prepare: (scene: Scene) => void,
  act: (scene: Scene) => void,
  target = "",
  options: { recursive?: boolean } = {},
): Promise<string[]> {
  const scene = sceneOf(world);
  const { fs } = world;
  prepare(scene);
  const events: string[] = [];
  const watcher = fs.watch(scene.at(target), options, (event, name) => {
    events.push(`${event} ${name}`);
  });
  const end = fs.watch(join(world.root, "end"));
  act(scene);
  fs.writeFileSync(join(world.root, "end/last"), "");
  await once(end, "change");
  watcher.close();
  end.close();
  await once(end, "close");
  return events;
}

const nothing = (): void => undefined;
const nextOf = <T>(events: AsyncIterable<T>): Promise<IteratorResult<T>> =>
  events[Symbol.asyncIterator]().next();
const a = ({ put }: Scene): void => put("a", "x");
const ab = ({ put }: Scene): void => {
  put("a");
  put("b");
};
const linked = ({ fs, at, put }: Scene): void => {
  put("a");
  fs.linkSync(at("a"), at("b"));
};
const directory = ({ fs, at }: Scene): void => fs.mkdirSync(at("s"));
const aAndDirectory = (scene: Scene): void => {
  a(scene);
  directory(scene);
};

type Case = [
  name: string,
  prepare: (scene: Scene) => void,
  act: (scene: Scene) => void,
  target?: string,
];

const CASES: Case[] = [
  ["an empty file", nothing, ({ put }) => put("a")],
  ["a file with data", nothing, ({ put }) => put("a", "x")],
  ["a file written anew", a, ({ put }) => put("a", "y")],
  ["an empty file written", ({ put }) => put("a"), ({ put }) => put("a", "y")],
  ["a file appended to", a, ({ fs, at }) => fs.appendFileSync(at("a"), "y")],
  [
    "two writes and a third later",
    ab,
    ({ fs, at }) => {
      const fd = fs.openSync(at("a"), "r+");
      fs.writeSync(fd, "x");
      fs.writeSync(fd, "y");
      fs.writeFileSync(at("b"), "z");
      fs.writeSync(fd, "z");
      fs.closeSync(fd);
    },
  ],
  ["a mode", a, ({ fs, at }) => fs.chmodSync(at("a"), 0o600)],
  ["times", a, ({ fs, at }) => fs.utimesSync(at("a"), 1, 1)],
  ["an owner", a, ({ fs, at }) => fs.chownSync(at("a"), 1, 1)],
  ["a mode of a directory", directory, ({ fs, at }) => fs.chmodSync(at("s"), 0o700)],
  ["a size", a, ({ fs, at }) => fs.truncateSync(at("a"), 9)],
  ["a new name", a, ({ fs, at }) => fs.renameSync(at("a"), at("b"))],
  ["a new name that was taken", ab, ({ fs, at }) => fs.renameSync(at("a"), at("b"))],
  ["a removal", a, ({ fs, at }) => fs.unlinkSync(at("a"))],
  [
    "a directory made and removed",
    nothing,
    ({ fs, at }) => {
      fs.mkdirSync(at("d"));
      fs.rmdirSync(at("d"));
    },
  ],
  ["a link", a, ({ fs, at }) => fs.linkSync(at("a"), at("b"))],
  ["a symbolic link", nothing, ({ fs, at }) => fs.symlinkSync("x", at("l"))],
  ["data by a second link", linked, ({ put }) => put("b", "z")],
  ["a link removed", linked, ({ fs, at }) => fs.unlinkSync(at("b"))],
  [
    "data after a new name",
    a,
    ({ fs, at }) => {
      const fd = fs.openSync(at("a"), "r+");
      fs.renameSync(at("a"), at("b"));
      fs.writeSync(fd, "x");
      fs.closeSync(fd);
    },
  ],
  [
    "data after removal",
    a,
    ({ fs, at }) => {
      const fd = fs.openSync(at("a"), "r+");
      fs.unlinkSync(at("a"));
      fs.writeSync(fd, "x");
      fs.closeSync(fd);
    },
  ],
  ["a mode of itself", nothing, ({ fs, at }) => fs.chmodSync(at(""), 0o700)],
  ["what happens further below", directory, ({ put }) => put("s/x", "x")],
  ["its own removal", directory, ({ fs, at }) => fs.rmdirSync(at("s")), "s"],
  ["its own new name", directory, ({ fs, at }) => fs.renameSync(at("s"), at("t")), "s"],
  [
    "moves out and in",
    aAndDirectory,
    ({ fs, at }) => {
      fs.renameSync(at("a"), at("s/a"));
      fs.renameSync(at("s/a"), at("b"));
    },
  ],
  [
    "a move into it, data and removal",
    aAndDirectory,
    ({ fs, at, put }) => {
      fs.renameSync(at("a"), at("s/a"));
      put("s/a", "q");
      fs.unlinkSync(at("s/a"));
    },
    "s",
  ],
  ["of a file its data", a, ({ put }) => put("a", "y"), "a"],
  ["of a file its mode", a, ({ fs, at }) => fs.chmodSync(at("a"), 0o600), "a"],
  ["of a file its removal", a, ({ fs, at }) => fs.unlinkSync(at("a")), "a"],
  ["of a file a second link", a, ({ fs, at }) => fs.linkSync(at("a"), at("b")), "a"],
  ["of a file a link less", linked, ({ fs, at }) => fs.unlinkSync(at("b")), "a"],
  [
    "of a file its new name, and what comes then",
    a,
    ({ fs, at, put }) => {
      fs.renameSync(at("a"), at("b"));
      put("b", "y");
    },
    "a",
  ],
  ["of a file that it was replaced", ab, ({ fs, at }) => fs.renameSync(at("b"), at("a")), "a"],
];

describe("watch tells as inotify does", () => {
  test.each(CASES)("%s", async (_name, prepare, act, target) => {
    using theirs = real.open();
    using world = ours.open();
    const expected = await eventsOf(theirs, prepare, act, target);
    expect(await eventsOf(world, prepare, act, target)).toEqual(expected);
  });

  const TREES: Case[] = [
    ["files at every depth", directory, ({ put }) => (put("a", "x"), put("s/b", "x"))],
    ["data further below", (s) => (directory(s), s.put("s/b")), ({ put }) => put("s/b", "y")],
    ["a removal below", (s) => (directory(s), s.put("s/b")), ({ fs, at }) => fs.rmSync(at("s/b"))],
    [
      "a tree that is made",
      nothing,
      ({ fs, at, put }) => {
        fs.mkdirSync(at("d/e"), { recursive: true });
        put("d/e/f", "x");
      },
    ],
    [
      "a tree that is removed",
      (s) => (directory(s), s.put("s/b")),
      ({ fs, at }) => fs.rmSync(at("s"), { recursive: true }),
    ],
    ["one file", a, ({ put }) => put("a", "y"), "a"],
  ];
  test.each(TREES)("of a whole tree: %s", async (_name, prepare, act, target) => {
    using theirs = real.open();
    using world = ours.open();
    const options = { recursive: true };
    const expected = await eventsOf(theirs, prepare, act, target, options);
    expect(await eventsOf(world, prepare, act, target, options)).toEqual(expected);
    expect(expected.length).toBeGreaterThan(0);
  });
});

describe.each([real, ours])("watchers over $name", ({ open }) => {
  let world: World;
  let scene: Scene;
  beforeEach(() => {
    world = open();
    scene = sceneOf(world);
    scene.put("a", "x");
  });
  afterEach(() => world[Symbol.dispose]());

  test("a watcher is an emitter that closes once", async () => {
    const { fs, at, put } = scene;
    const watcher = fs.watch(at(""), { encoding: "buffer" } as never);
    expect(watcher.unref().ref()).toBe(watcher);
    put("ä");
    const [event, name] = (await once(watcher, "change")) as [string, Buffer];
    expect([event, name]).toEqual(["rename", Buffer.from("ä")]);
    let closes = 0;
    watcher.on("close", () => closes++);
    watcher.close();
    watcher.close();
    expect(closes).toBe(0);
    await new Promise(setImmediate);
    expect(closes).toBe(1);
  });

  test("a signal closes it", async () => {
    const { fs, at } = scene;
    const controller = new AbortController();
    const watcher = fs.watch(at(""), { signal: controller.signal });
    const closed = once(watcher, "close");
    controller.abort();
    await closed;
    const late = fs.watch(at(""), { signal: AbortSignal.abort() });
    expect(await once(late, "close")).toEqual([]);
  });

  test("names that are ignored are not told", async () => {
    const { fs, at, put } = scene;
    const ignore = ["*.log", /^tmp/, (name: string) => name === "no"];
    const watcher = fs.watch(at(""), { ignore } as never);
    for (const name of ["x.log", "tmp1", "no", "yes"]) put(name);
    const [, name] = (await once(watcher, "change")) as [string, string];
    expect(name).toBe("yes");
    watcher.close();
    for (const wrong of [1, "", [1]]) {
      expect(() => fs.watch(at(""), { ignore: wrong } as never)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^ERR_INVALID_ARG_/) }),
      );
    }
  });

  test("what cannot be watched is refused", () => {
    const { fs, at } = scene;
    for (const options of [{}, { recursive: true }]) {
      expect(() => fs.watch(at("no"), options)).toThrow(
        expect.objectContaining({ code: "ENOENT", filename: at("no"), path: at("no") }),
      );
    }
    expect(() => fs.watch(at("no"))).toThrow(
      expect.objectContaining({
        message: `ENOENT: no such file or directory, watch '${at("no")}'`,
        syscall: "watch",
      }),
    );
    expect(() => fs.watch(at("a/b"))).toThrow(expect.objectContaining({ code: "ENOTDIR" }));
    expect(() => fs.watch(1 as never)).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }),
    );
    fs.watch(at("no"), { throwIfNoEntry: false } as never).close();
  });

  test("promises.watch gives events, queues them, and ends by a signal", async () => {
    const { fs, at, put } = scene;
    const controller = new AbortController();
    const { signal } = controller;
    const iterator = fs.promises.watch(at(""), { signal })[Symbol.asyncIterator]();
    const first = iterator.next();
    put("b");
    put("c");
    expect((await first).value).toEqual({ eventType: "rename", filename: "b" });
    expect((await iterator.next()).value).toEqual({ eventType: "rename", filename: "c" });
    const last = iterator.next();
    controller.abort();
    await expect(last).rejects.toMatchObject({ name: "AbortError", code: "ABORT_ERR" });
    await expect(nextOf(fs.promises.watch(at(""), { signal }))).rejects.toMatchObject({
      name: "AbortError",
    });

    const queue = fs.promises.watch(at(""), {
      maxQueue: 1,
      overflow: "error",
    } as never) as AsyncIterable<unknown>;
    const next = queue[Symbol.asyncIterator]().next();
    for (const name of ["d", "e", "f"]) put(name);
    const outcome = next.then(({ value }) => value as unknown).catch((error: unknown) => error);
    const told = await outcome;
    const isOverflow = (told as { code?: string }).code === "ERR_FS_WATCH_QUEUE_OVERFLOW";
    expect(isOverflow || (told as { filename: string }).filename === "d").toBe(true);

    for (const wrong of [
      { maxQueue: "1" },
      { overflow: "x" },
      { persistent: 1 },
      { recursive: 1 },
      { encoding: "x" },
      { signal: 1 },
    ]) {
      const refused = nextOf(fs.promises.watch(at(""), wrong as never));
      await expect(refused, JSON.stringify(wrong)).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_(INVALID_ARG|OUT_OF)/) as string,
      });
    }
    await expect(nextOf(fs.promises.watch(at("no")))).rejects.toMatchObject({
      code: "ENOENT",
      syscall: "watch",
    });
  });

  test("promises.watch watches trees", async () => {
    const { fs, at, put } = scene;
    fs.mkdirSync(at("s"));
    const iterator = fs.promises.watch(at(""), { recursive: true })[Symbol.asyncIterator]();
    const first = iterator.next();
    put("s/b");
    expect((await first).value).toEqual({ eventType: "rename", filename: "s/b" });
    await iterator.return?.();
  });

  test("watchFile calls when stat has changed, with both", async () => {
    const { fs, at } = scene;
    type Both = [now: nodeFs.Stats, before: nodeFs.Stats];
    let told: (both: Both) => void = nothing;
    const next = (): Promise<Both> => new Promise((resolve) => (told = resolve));
    const listener = (...both: Both): void => told(both);
    const absent = next();
    // The first look comes before the interval is over, and tells only of what is not there.
    const watcher = fs.watchFile(at("b"), { interval: 5 }, listener);
    expect(watcher.unref().ref()).toBe(watcher);
    const [none, neither] = await absent;
    expect([none.size, none.nlink, neither.mtimeMs]).toEqual([0, 0, 0]);
    const created = next();
    fs.writeFileSync(at("b"), "abc");
    const [now, before] = await created;
    expect([now.size, before.nlink]).toEqual([3, 0]);
    const changed = next();
    fs.appendFileSync(at("b"), "d");
    expect((await changed).map(({ size }) => size)).toEqual([4, 3]);
    const removed = next();
    fs.unlinkSync(at("b"));
    expect((await removed).map(({ size }) => size)).toEqual([0, 4]);
    const other = (): void => expect.unreachable();
    expect(fs.watchFile(at("b"), other)).toBe(watcher);
    fs.unwatchFile(at("b"), other);
    expect(watcher.listenerCount("change")).toBe(1);
    const stopped = once(watcher as unknown as NodeJS.EventEmitter, "stop");
    fs.unwatchFile(at("b"));
    await stopped;
    expect(watcher.listenerCount("change")).toBe(0);
    fs.unwatchFile(at("nobody"));
    for (const call of [
      () => fs.watchFile(at("b"), { interval: "1" } as never, nothing),
      () => fs.watchFile(at("b"), undefined as never),
      () => fs.watchFile(1 as never, nothing),
    ]) {
      expect(call).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }));
    }
  });

  test("watchFile gives bigints where they are asked for", async () => {
    const { fs, at } = scene;
    const stats = await new Promise<nodeFs.BigIntStats>((resolve) => {
      fs.watchFile(at("no"), { bigint: true, interval: 5 }, (now) => resolve(now));
    });
    expect(stats.size).toBe(0n);
    fs.unwatchFile(at("no"));
  });
});

test("nobody listens to the mount when all watchers are closed", async () => {
  const device = createPmem({ size: 8 * 1024 * 1024 });
  mkfs(ext4, device);
  const vfs = mount(ext4, device);
  const fs = createFs(vfs) as unknown as typeof nodeFs;
  const isHeard = (): boolean => vfs.superblock.listeners.active;
  fs.mkdirSync("/d/e", { recursive: true });
  const watcher = fs.watch("/d", { recursive: true });
  const other = fs.watch("/d");
  fs.watchFile("/f", nothing);
  const iterator = fs.promises.watch("/d")[Symbol.asyncIterator]();
  const next = iterator.next();
  fs.writeFileSync("/d/f", "");
  await next;
  expect(isHeard()).toBe(true);
  await iterator.return?.();
  fs.unwatchFile("/f");
  watcher.close();
  expect(isHeard()).toBe(true);
  fs.rmSync("/d", { recursive: true });
  other.close();
  expect(isHeard()).toBe(false);
  vfs.unmount();
});
