/**
 * The callback forms: the same bodies over Node's own file system, over forms derived from its
 * synchronous functions, and over ours.
 */
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { subjects, type World } from "./testing.ts";

type Told = [error: NodeJS.ErrnoException | null, ...results: unknown[]];

/** What a call tells its callback. */
function told(call: (callback: (...values: Told) => void) => void): Promise<Told> {
  return new Promise((resolve) => call((...values) => resolve(values)));
}

describe.each(subjects)("callback forms over $name", ({ open }) => {
  let world: World;
  const at = (name: string): string => join(world.root, name);
  beforeEach(() => {
    world = open();
  });
  afterEach(() => world[Symbol.dispose]());

  test("tell null alone, or null and a result, or an error alone", async () => {
    const { fs } = world;
    expect(await told((cb) => fs.writeFile(at("a"), "abc", cb))).toEqual([null]);
    expect(await told((cb) => fs.readFile(at("a"), "utf8", cb))).toEqual([null, "abc"]);
    expect(await told((cb) => fs.access(at("a"), cb))).toEqual([null]);
    const [error, ...rest] = await told((cb) => fs.readFile(at("absent"), cb));
    expect(rest).toEqual([]);
    expect(error).toMatchObject({ code: "ENOENT", syscall: "open", path: at("absent") });
    expect(await told((cb) => fs.mkdir(at("d"), cb))).toEqual([null]);
    expect(await told((cb) => fs.mkdir(at("e/f"), { recursive: true }, cb))).toEqual([
      null,
      at("e"),
    ]);
    expect(await told((cb) => fs.mkdir(at("e/f"), { recursive: true }, cb))).toEqual([null]);
  });

  test("tell after ticks and promise jobs, one turn for each", async () => {
    const { fs } = world;
    const order: string[] = [];
    const done = Promise.all([
      told((cb) => fs.stat(world.root, cb)).then(() => order.push("first told")),
      told((cb) => fs.stat(world.root, cb)).then(() => order.push("second told")),
    ]);
    process.nextTick(() => order.push("tick"));
    void Promise.resolve().then(() => order.push("job"));
    order.push("return");
    await done;
    expect(order.slice(0, 3).toSorted()).toEqual(["job", "return", "tick"]);
    expect(order).toHaveLength(5);
  });

  test("throw wrong arguments at the call", () => {
    const { fs } = world;
    const never = (): void => expect.unreachable();
    const calls: [call: () => unknown, code: string, message: RegExp][] = [
      [() => fs.stat(7 as never, never), "ERR_INVALID_ARG_TYPE", /"path" argument/],
      [() => fs.stat("/\0", never), "ERR_INVALID_ARG_VALUE", /null bytes/],
      [() => fs.open("/a", "no" as never, never), "ERR_INVALID_ARG_VALUE", /'flags' is invalid/],
      [() => fs.chmod("/a", "9", never), "ERR_INVALID_ARG_VALUE", /'mode'/],
      [() => fs.read("1" as never, never), "ERR_INVALID_ARG_TYPE", /"fd" argument/],
      [() => fs.fsync(-1, never), "ERR_OUT_OF_RANGE", /"fd" is out of range/],
      [() => fs.readFile("/a", "no" as never, never), "ERR_INVALID_ARG_VALUE", /'encoding'/],
      [() => fs.utimes("/a", "x", 1, never), "ERR_INVALID_ARG_TYPE", /"time" argument/],
    ];
    for (const [call, code, message] of calls) {
      expect(call).toThrow(
        expect.objectContaining({ code, message: expect.stringMatching(message) }),
      );
    }
  });

  test("throw a missing callback at the call, having done nothing", () => {
    const { fs } = world;
    const calls = fs as unknown as Record<string, (...values: unknown[]) => unknown>;
    const forms: [name: string, ...values: unknown[]][] = [
      ["mkdir", at("d")],
      ["mkdir", at("d"), {}],
      ["writeFile", at("a"), "x"],
      ["symlink", "x", at("l")],
      ["access", world.root],
      ["rename", world.root, at("x")],
      ["exists", world.root],
      ["read", 1],
      ["write", 1, "x"],
      ["readv", 1, []],
      ["realpath", world.root],
    ];
    for (const [name, ...values] of forms) {
      expect(() => calls[name]!(...values), name).toThrow(
        expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE", name: "TypeError" }),
      );
    }
    expect(fs.readdirSync(world.root)).toEqual([]);
  });

  test("read and write in every form of their arguments", async () => {
    const { fs } = world;
    const fd = fs.openSync(at("f"), "w+");
    const bytes = Buffer.from("0123456789");
    expect(await told((cb) => fs.write(fd, bytes, cb))).toEqual([null, 10, bytes]);
    expect(await told((cb) => fs.write(fd, bytes, 8, cb))).toEqual([null, 2, bytes]);
    expect(await told((cb) => fs.write(fd, bytes, 0, 1, cb))).toEqual([null, 1, bytes]);
    expect(await told((cb) => fs.write(fd, bytes, 0, 1, 3, cb))).toEqual([null, 1, bytes]);
    const range = { offset: 4, length: 2, position: 0 };
    expect(await told((cb) => fs.write(fd, bytes, range, cb))).toEqual([null, 2, bytes]);
    expect(await told((cb) => fs.write(fd, "x", cb))).toEqual([null, 1, "x"]);
    expect(await told((cb) => fs.write(fd, "y", 5, cb))).toEqual([null, 1, "y"]);
    expect(await told((cb) => fs.write(fd, "7a", 6, "hex", cb))).toEqual([null, 1, "7a"]);
    expect(fs.readFileSync(at("f"), "latin1")).toBe("45204yz789890x");

    const into = Buffer.alloc(4);
    expect(await told((cb) => fs.read(fd, into, 0, 4, 2, cb))).toEqual([null, 4, into]);
    expect(into.toString()).toBe("204y");
    const options = { buffer: into, position: 0, offset: 1, length: 2 };
    expect(await told((cb) => fs.read(fd, options, cb))).toEqual([null, 2, into]);
    expect(into.toString()).toBe("245y");
    expect(await told((cb) => fs.read(fd, into, { position: 4 }, cb))).toEqual([null, 4, into]);
    expect(await told((cb) => fs.read(fd, into, cb))).toEqual([null, 0, into]);
    expect(await told((cb) => fs.read(fd, into, 0, 0, 0, cb))).toEqual([null, 0, into]);
    const [error, count, buffer] = await told((cb) => fs.read(fd, cb));
    expect([error, count, (buffer as Buffer).length]).toEqual([null, 0, 16384]);
    const parts = [Buffer.alloc(2), Buffer.alloc(3)];
    expect(await told((cb) => fs.readv(fd, parts, 0, cb))).toEqual([null, 5, parts]);
    expect(parts.map(String)).toEqual(["45", "204"]);
    expect(await told((cb) => fs.readv(fd, parts, cb))).toEqual([null, 0, parts]);
    expect(await told((cb) => fs.writev(fd, parts, cb))).toEqual([null, 5, parts]);
    expect(await told((cb) => fs.writev(fd, [], cb))).toEqual([null, 0, []]);
    fs.closeSync(fd);
    const [closed, none, same] = await told((cb) => fs.read(fd, into, 0, 4, 0, cb));
    expect([closed?.code, none, same]).toEqual(["EBADF", 0, into]);
  });

  test("promisify gives what Node's own gives", async () => {
    const { fs } = world;
    const fd = fs.openSync(at("f"), "w+");
    const buffer = Buffer.from("abc");
    expect(await promisify(fs.write)(fd, buffer)).toEqual({ bytesWritten: 3, buffer });
    const into = Buffer.alloc(3);
    expect(await promisify(fs.read)(fd, into, 0, 3, 0)).toEqual({ bytesRead: 3, buffer: into });
    const parts = [into];
    expect(await promisify(fs.readv)(fd, parts, 0)).toEqual({ bytesRead: 3, buffers: parts });
    expect(await promisify(fs.writev)(fd, parts)).toEqual({ bytesWritten: 3, buffer: parts });
    expect(await promisify(fs.exists)(at("f"))).toBe(true);
    expect(await promisify(fs.exists)(at("g"))).toBe(false);
    expect(await promisify(fs.exists)(7 as never)).toBe(false);
    expect((await promisify(fs.stat)(at("f"))).size).toBe(6);
    expect(await promisify(fs.close)(fd)).toBeUndefined();
  });

  test("an abort before the outcome is told wins", async () => {
    const { fs } = world;
    fs.writeFileSync(at("f"), "abc");
    const gone = AbortSignal.abort(new Error("why"));
    for (const when of ["before", "after"] as const) {
      const calls: ((signal: AbortSignal, cb: (...values: Told) => void) => void)[] = [
        (signal, cb) => fs.readFile(at("f"), { signal }, cb),
        (signal, cb) => fs.writeFile(at("g"), "x", { signal }, cb),
        (signal, cb) => fs.appendFile(at("h"), "x", { signal } as never, cb),
        (signal, cb) => fs.stat(at("f"), { signal } as never, cb as never),
      ];
      for (const call of calls) {
        const controller = new AbortController();
        const outcome = told((cb) => call(when === "before" ? gone : controller.signal, cb));
        controller.abort(gone.reason);
        const [error, ...rest] = await outcome;
        expect(rest).toEqual([]);
        expect(error).toMatchObject({ name: "AbortError", code: "ABORT_ERR", cause: gone.reason });
        expect(error!.message).toBe("The operation was aborted");
      }
    }
    expect(() => fs.readFile(at("f"), { signal: 1 as never }, () => {})).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }),
    );
  });

  test("of lstat and fstat absence is an error, of stat it may be none", async () => {
    const { fs } = world;
    const quiet = { throwIfNoEntry: false };
    const [error] = await told((cb) => fs.lstat(at("no"), quiet as never, cb as never));
    expect(error).toMatchObject({ code: "ENOENT", syscall: "lstat" });
    const [, big] = await told((cb) => fs.lstat(world.root, { bigint: true }, cb as never));
    expect(typeof (big as { ino: unknown }).ino).toBe("bigint");
  });

  test("close needs no callback", async () => {
    const { fs } = world;
    const fd = fs.openSync(at("f"), "w");
    fs.close(fd);
    expect(() => fs.close(fd, 1 as never)).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }),
    );
    const [error] = await told((cb) => fs.fstat(1_000_000, cb));
    expect(error).toMatchObject({ code: "EBADF", syscall: "fstat" });
  });

  test("realpath by text and as the kernel walks", async () => {
    const { fs } = world;
    fs.mkdirSync(at("d"));
    fs.symlinkSync("d", at("l"));
    expect(await told((cb) => fs.realpath(at("l"), cb))).toEqual([null, at("d")]);
    expect(await told((cb) => fs.realpath.native(at("l"), cb))).toEqual([null, at("d")]);
    const [error] = await told((cb) => fs.realpath.native(at("no"), cb));
    expect(error).toMatchObject({ code: "ENOENT", syscall: "realpath" });
    const [other] = await told((cb) => fs.realpath(at("no"), cb));
    expect(other).toMatchObject({ code: "ENOENT", syscall: "lstat" });
  });
});
