/**
 * fs.promises and FileHandle: the same bodies over Node's own file system, over forms derived from its
 * synchronous functions, and over ours.
 */
import { once } from "node:events";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { subjects, type World } from "../callback/testing.ts";

describe.each(subjects)("promises over $name", ({ open }) => {
  let world: World;
  const at = (name: string): string => join(world.root, name);
  beforeEach(() => {
    world = open();
  });
  afterEach(() => world[Symbol.dispose]());

  test("do what the synchronous forms do", async () => {
    const { fs } = world;
    const { promises } = fs;
    expect(await promises.mkdir(at("d"))).toBeUndefined();
    expect(await promises.mkdir(at("d/e/f"), { recursive: true })).toBe(at("d/e"));
    await promises.writeFile(at("d/a"), "abc", { mode: 0o640 });
    await promises.appendFile(at("d/a"), Buffer.from("def"));
    expect(await promises.readFile(at("d/a"), "utf8")).toBe("abcdef");
    await promises.copyFile(at("d/a"), at("d/b"), fs.constants.COPYFILE_EXCL);
    await promises.truncate(at("d/b"), 2);
    await promises.rename(at("d/b"), at("d/c"));
    await promises.link(at("d/c"), at("d/h"));
    await promises.symlink("c", at("d/s"));
    expect(await promises.readlink(at("d/s"))).toBe("c");
    expect(await promises.realpath(at("d/s"))).toBe(at("d/c"));
    expect(await promises.readdir(at("d"))).toEqual(["a", "c", "e", "h", "s"]);
    await promises.chmod(at("d/c"), 0o600);
    await promises.chown(at("d/c"), 1, 2);
    await promises.lchown(at("d/s"), 3, 4);
    await promises.utimes(at("d/c"), 1, 2);
    await promises.lutimes(at("d/s"), 3, 4);
    const stat = await promises.stat(at("d/s"));
    expect(stat).toMatchObject({ size: 2, nlink: 2, uid: 1, gid: 2, atimeMs: 1000, mtimeMs: 2000 });
    const link = await promises.lstat(at("d/s"), { bigint: true });
    expect(link).toMatchObject({ uid: 3n, gid: 4n, mtimeMs: 4000n });
    expect(await promises.stat(at("no"), { throwIfNoEntry: false } as never)).toBeUndefined();
    expect((await promises.statfs(world.root)).bsize).toBeGreaterThan(0);
    await promises.access(at("d/a"), fs.constants.R_OK);
    await promises.unlink(at("d/h"));
    await promises.rmdir(at("d/e/f"));
    expect(promises.constants.O_CREAT).toBe(fs.constants.O_CREAT);
    await expect(promises.lchmod(at("d/a"), 0o600)).rejects.toMatchObject({
      code: "ERR_METHOD_NOT_IMPLEMENTED",
      message: "The lchmod() method is not implemented",
    });
  });

  test("reject, and never throw, for wrong arguments and for failures", async () => {
    const { promises } = world.fs;
    const wrong = { code: "ERR_INVALID_ARG_TYPE" };
    await expect(promises.stat(1 as never)).rejects.toMatchObject(wrong);
    await expect(promises.stat("/", 1 as never)).rejects.toMatchObject(wrong);
    await expect(promises.readFile(1 as never)).rejects.toMatchObject(wrong);
    await expect(promises.writeFile(1 as never, "")).rejects.toMatchObject(wrong);
    await expect(promises.writeFile(at("a"), 1 as never)).rejects.toMatchObject(wrong);
    await expect(promises.appendFile(2 as never, "")).rejects.toMatchObject(wrong);
    await expect(promises.open(at("a"), "wrong")).rejects.toMatchObject({
      code: "ERR_INVALID_ARG_VALUE",
    });
    await expect(promises.readFile(at("no"))).rejects.toMatchObject({
      code: "ENOENT",
      syscall: "open",
      path: at("no"),
    });
    await expect(promises.realpath(at("no"))).rejects.toMatchObject({ syscall: "realpath" });
    await expect(promises.lstat(at("no"))).rejects.toMatchObject({ syscall: "lstat" });
  });

  test("write what comes in pieces", async () => {
    const { promises } = world.fs;
    async function* later(): AsyncGenerator<string | Uint8Array> {
      yield "a";
      yield Buffer.from("b");
      yield new Uint16Array([0x4443]) as never;
    }
    await promises.writeFile(at("a"), later());
    expect(await promises.readFile(at("a"), "utf8")).toBe("abCD");
    await promises.writeFile(at("a"), ["x", "ÿ"], { encoding: "latin1", flag: "a" });
    expect(await promises.readFile(at("a"), "latin1")).toBe("abCDxÿ");
    await promises.writeFile(at("a"), Readable.from(["s", "t"]), { flush: true });
    expect(await promises.readFile(at("a"), "utf8")).toBe("st");
    await using handle = await promises.open(at("a"), "r+");
    await handle.writeFile(["u", "v", "w"]);
    await handle.appendFile("!");
    expect(await promises.readFile(at("a"), "utf8")).toBe("uvw!");
    const wrong = promises.writeFile(at("b"), [1] as never);
    await expect(wrong).rejects.toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
  });

  test("let timers run while a program awaits in a loop", async () => {
    const { promises } = world.fs;
    const timer = { isOver: false };
    setTimeout(() => {
      timer.isOver = true;
    }, 5);
    let rounds = 0;
    while (!timer.isOver && rounds < 1_000_000) {
      await promises.stat(world.root);
      rounds++;
    }
    expect(timer.isOver).toBe(true);
    expect(rounds).toBeGreaterThan(0);
  });

  test("are aborted by a signal until they are told", async () => {
    const { fs } = world;
    const { promises } = fs;
    await promises.writeFile(at("a"), "abc");
    await using handle = await promises.open(at("a"), "r+");
    const calls: ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => promises.readFile(at("a"), { signal }),
      (signal) => promises.writeFile(at("b"), "x", { signal }),
      (signal) => promises.appendFile(at("b"), "x", { signal } as never),
      (signal) => promises.stat(at("a"), { signal } as never),
      (signal) => promises.lstat(at("a"), { signal } as never),
      (signal) => promises.writeFile(at("b"), ["x"], { signal }),
      (signal) => handle.readFile({ signal }),
      // What is written at once is not aborted any more.
      (signal) => handle.writeFile("x".repeat(1_000_000), { signal } as never),
      (signal) => handle.stat({ signal } as never),
    ];
    const aborted = { name: "AbortError", code: "ABORT_ERR", message: "The operation was aborted" };
    for (const [index, call] of calls.entries()) {
      await expect(call(AbortSignal.abort()), `${index} before`).rejects.toMatchObject(aborted);
      const controller = new AbortController();
      const outcome = call(controller.signal);
      process.nextTick(() => controller.abort());
      await expect(outcome, `${index} after`).rejects.toMatchObject(aborted);
      const wrong = call(1 as never);
      await expect(wrong).rejects.toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
    }
    await promises.writeFile(at("c"), "abc");
    const { signal } = new AbortController();
    expect(await promises.readFile(at("c"), { signal })).toHaveLength(3);
  });

  test("FileHandle does what the file system does with a descriptor", async () => {
    const { fs } = world;
    const handle = await fs.promises.open(at("f"), "w+");
    expect(handle.constructor.name).toBe("FileHandle");
    expect(handle.fd).toBeGreaterThanOrEqual(0);
    const { getAsyncId } = handle as unknown as { getAsyncId: () => number };
    expect(getAsyncId.call(handle)).toEqual(expect.any(Number));
    const bytes = Buffer.from("0123456789");
    expect(await handle.write(bytes)).toEqual({ bytesWritten: 10, buffer: bytes });
    expect(await handle.write(bytes, 8)).toEqual({ bytesWritten: 2, buffer: bytes });
    expect(await handle.write(bytes, 1, 2, 0)).toEqual({ bytesWritten: 2, buffer: bytes });
    expect(await handle.write(bytes, { offset: 9, position: 5 })).toMatchObject({
      bytesWritten: 1,
    });
    expect(await handle.write("x", 3)).toEqual({ bytesWritten: 1, buffer: "x" });
    expect(await handle.write("79", 4, "hex")).toMatchObject({ bytesWritten: 1 });
    expect(await handle.write(new Uint8Array(0))).toMatchObject({ bytesWritten: 0 });
    expect(await handle.writev([bytes.subarray(0, 1), bytes.subarray(1, 2)], 10)).toMatchObject({
      bytesWritten: 2,
    });
    expect(fs.readFileSync(at("f"), "latin1")).toBe("122xy9678901");

    const into = Buffer.alloc(3);
    expect(await handle.read(into, 0, 3, 0)).toEqual({ bytesRead: 3, buffer: into });
    expect(await handle.read({ buffer: into, position: 1, length: 2 })).toMatchObject({
      bytesRead: 2,
    });
    expect(into.toString()).toBe("222");
    expect(await handle.read(into, { position: 9, offset: 1 })).toMatchObject({ bytesRead: 2 });
    const { bytesRead, buffer } = await handle.read();
    expect([bytesRead, buffer.length]).toEqual([0, 16384]);
    expect(await handle.read(into, 0, 0)).toMatchObject({ bytesRead: 0 });
    const parts = [Buffer.alloc(1), Buffer.alloc(2)];
    expect(await handle.readv(parts, 0)).toEqual({ bytesRead: 3, buffers: parts });
    expect(Object.getPrototypeOf(await handle.readv(parts, 0))).toBeNull();

    await handle.truncate(4);
    await handle.chmod(0o600);
    await handle.chown(5, 6);
    await handle.utimes(7, 8);
    await handle.sync();
    await handle.datasync();
    expect(await handle.stat()).toMatchObject({ size: 4, uid: 5, gid: 6, mtimeMs: 8000 });
    expect((await handle.stat({ bigint: true })).mode & 0o777n).toBe(0o600n);
    await handle.truncate();
    expect((await handle.stat()).size).toBe(0);
    await expect(handle.read(into, 4, 1)).rejects.toMatchObject({ code: "ERR_OUT_OF_RANGE" });
    await expect(handle.read(1 as never)).rejects.toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
    await expect(handle.read({ buffer: 1 as never })).rejects.toMatchObject({
      code: "ERR_INVALID_ARG_TYPE",
    });
    await handle.close();
  });

  test("FileHandle reads and writes from where it is", async () => {
    const { promises } = world.fs;
    await promises.writeFile(at("f"), "0123456789");
    await using handle = await promises.open(at("f"), "r+");
    await handle.read(Buffer.alloc(4), 0, 4);
    expect(await handle.readFile("utf8")).toBe("456789");
    expect(await promises.readFile(handle, "utf8")).toBe("");
    await promises.writeFile(handle, "ab");
    await promises.appendFile(handle, "cd");
    expect(await promises.readFile(at("f"), "utf8")).toBe("0123456789abcd");
  });

  test("FileHandle closes once, tells of it, and refuses afterwards", async () => {
    const { fs } = world;
    const handle = await fs.promises.open(at("f"), "w");
    const { fd, close } = handle;
    let told = 0;
    (handle as unknown as NodeJS.EventEmitter).on("close", () => told++);
    const closing = close();
    expect(handle.fd).toBe(-1);
    expect(told).toBe(1);
    await Promise.all([closing, handle.close()]);
    expect(told).toBe(1);
    expect(() => fs.fstatSync(fd)).toThrow(expect.objectContaining({ code: "EBADF" }));
    const calls: [call: Promise<unknown>, syscall: string][] = [
      [handle.read(), "read"],
      [handle.stat(), "fstat"],
      [handle.sync(), "fsync"],
      [handle.datasync(), "fdatasync"],
      [handle.chmod(0), "fchmod"],
      [handle.truncate(), "ftruncate"],
      [handle.readFile(), "readFile"],
      [handle.writeFile(""), "writeFile"],
      [handle.appendFile(""), "writeFile"],
      [handle.writev([]), "writev"],
    ];
    for (const [call, syscall] of calls) {
      await expect(call).rejects.toMatchObject({ code: "EBADF", syscall, message: "file closed" });
    }
    expect(() => handle.readableWebStream()).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_STATE" }),
    );
    let kept: typeof handle;
    {
      await using other = await fs.promises.open(at("f"));
      kept = other;
    }
    expect(kept.fd).toBe(-1);
  });

  test("FileHandle is no thing to copy", async () => {
    await using handle = await world.fs.promises.open(at("f"), "w");
    expect(() => structuredClone(handle)).toThrow(
      expect.objectContaining({ name: "DataCloneError" }),
    );
  });

  test("FileHandle gives its lines, streams, and bytes of the web", async () => {
    const { promises } = world.fs;
    await promises.writeFile(at("f"), "one\r\ntwo\nthree");
    let handle = await promises.open(at("f"));
    const lines: string[] = [];
    for await (const line of handle.readLines()) lines.push(line);
    expect(lines).toEqual(["one", "two", "three"]);
    expect(handle.fd).toBe(-1);

    handle = await promises.open(at("f"));
    const input = handle.createReadStream({ start: 1, end: 7, encoding: "utf8", highWaterMark: 3 });
    const chunks: unknown[] = [];
    for await (const chunk of input) chunks.push(chunk);
    expect(chunks).toEqual(["ne\r", "\ntw", "o"]);
    expect(handle.fd).toBe(-1);

    handle = await promises.open(at("g"), "w");
    const output = handle.createWriteStream({ start: 2, flush: true });
    output.write("a");
    output.end("b");
    await once(output, "close");
    expect(handle.fd).toBe(-1);
    expect(await promises.readFile(at("g"), "latin1")).toBe("\0\0ab");

    handle = await promises.open(at("f"));
    const web = handle.readableWebStream({ autoClose: true });
    expect(() => handle.readableWebStream()).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_STATE" }),
    );
    const told = once(handle as unknown as NodeJS.EventEmitter, "close");
    let text = "";
    for await (const chunk of web) text += Buffer.from(chunk as Uint8Array).toString();
    expect(text).toBe("one\r\ntwo\nthree");
    await told;
    expect(handle.fd).toBe(-1);
  });

  test("closing a FileHandle ends what reads it, and waits for it", async () => {
    const { promises } = world.fs;
    await promises.writeFile(at("f"), "x".repeat(100_000));
    let handle = await promises.open(at("f"));
    const stream = handle.createReadStream();
    await once(stream, "readable");
    const ended = once(stream, "close");
    await handle.close();
    await ended;
    expect(stream.destroyed).toBe(true);

    handle = await promises.open(at("f"));
    const reader = handle.readableWebStream().getReader();
    expect((await reader.read()).done).toBe(false);
    await handle.close();
    expect(await reader.read()).toMatchObject({ done: true });

    handle = await promises.open(at("f"));
    const kept = handle.createReadStream({ autoClose: false, end: 9 });
    for await (const _chunk of kept);
    expect(handle.fd).toBeGreaterThanOrEqual(0);
    kept.destroy();
    await once(kept, "close");
    await handle.close();
  });
});
