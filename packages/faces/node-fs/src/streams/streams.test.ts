/** Streams: the same bodies over Node's own file system and over ours. */
import { once } from "node:events";
import * as nodeFs from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { subjects, type World } from "../callback/testing.ts";

describe.each(subjects)("streams over $name", ({ open }) => {
  let world: World;
  const at = (name: string): string => join(world.root, name);
  beforeEach(() => {
    world = open();
    world.fs.writeFileSync(at("f"), "0123456789");
  });
  afterEach(() => world[Symbol.dispose]());

  async function gather(stream: AsyncIterable<unknown>): Promise<string[]> {
    const chunks: string[] = [];
    for await (const chunk of stream) chunks.push(String(chunk));
    return chunks;
  }

  test("read with every option", async () => {
    const { fs } = world;
    const stream = fs.createReadStream(at("f"), { start: 2, end: 8, highWaterMark: 3 });
    expect(stream).toBeInstanceOf(fs.ReadStream);
    expect([stream.path, stream.pending, stream.bytesRead]).toEqual([at("f"), true, 0]);
    const events: string[] = [];
    for (const name of ["open", "ready", "end", "close"]) stream.on(name, () => events.push(name));
    expect(await gather(stream)).toEqual(["234", "567", "8"]);
    if (!stream.closed) await once(stream, "close");
    expect(events).toEqual(["open", "ready", "end", "close"]);
    expect(stream.bytesRead).toBe(7);

    expect(await gather(fs.createReadStream(pathToFileURL(at("f")), "hex"))).toEqual([
      "30313233343536373839",
    ]);
    const fd = fs.openSync(at("f"), "r");
    expect(await gather(fs.createReadStream("", { fd, autoClose: false, end: 1 }))).toEqual(["01"]);
    expect(await gather(fs.createReadStream("", { fd, start: 8 }))).toEqual(["89"]);
    expect(() => fs.fstatSync(fd)).toThrow(expect.objectContaining({ code: "EBADF" }));
    const inherited = Object.create({ start: 9 }) as { start: number };
    expect(await gather(fs.createReadStream(at("f"), inherited))).toEqual(["9"]);
  });

  test("write with every option", async () => {
    const { fs } = world;
    const stream = fs.createWriteStream(at("g"), { mode: 0o600, flush: true });
    expect(stream).toBeInstanceOf(fs.WriteStream);
    expect([stream.path, stream.pending]).toEqual([at("g"), true]);
    stream.cork();
    stream.write("a");
    stream.write("b");
    stream.uncork();
    stream.end("c");
    await once(stream, "close");
    expect(stream.bytesWritten).toBe(3);
    expect(fs.readFileSync(at("g"), "utf8")).toBe("abc");
    expect(fs.statSync(at("g")).mode & 0o777).toBe(0o600);
    await pipeline(["d"], fs.createWriteStream(at("g"), { flags: "a" }));
    await pipeline(["Z"], fs.createWriteStream(at("g"), { flags: "r+", start: 1 }));
    await pipeline(["ff"], fs.createWriteStream(at("h"), { encoding: "hex" }));
    expect(fs.readFileSync(at("g"), "utf8")).toBe("aZcd");
    const fd = fs.openSync(at("i"), "w");
    const kept = fs.createWriteStream("", { fd, autoClose: false });
    kept.end("x");
    await once(kept, "finish");
    fs.writeSync(fd, "y");
    fs.closeSync(fd);
    expect(fs.readFileSync(at("i"), "utf8")).toBe("xy");
  });

  test("copy a large file through a pipeline", async () => {
    const { fs } = world;
    const large = Buffer.alloc(1_000_003, "abcdefg");
    fs.writeFileSync(at("large"), large);
    await pipeline(fs.createReadStream(at("large")), fs.createWriteStream(at("copy")));
    expect(fs.readFileSync(at("copy")).equals(large)).toBe(true);
    await using source = await fs.promises.open(at("large"));
    await using target = await fs.promises.open(at("again"), "w");
    await pipeline(source.createReadStream(), target.createWriteStream());
    expect(fs.readFileSync(at("again")).equals(large)).toBe(true);
  });

  test("tell failures, and do not close what was not opened", async () => {
    const { fs } = world;
    const absent = fs.createReadStream(at("no"));
    expect((await once(absent, "error"))[0]).toMatchObject({ code: "ENOENT", syscall: "open" });
    const silent = fs.createReadStream(at("no"), { emitClose: false });
    silent.on("close", () => expect.unreachable());
    await once(silent, "error");
    const directory = fs.createWriteStream(world.root);
    expect((await once(directory, "error"))[0]).toMatchObject({ code: "EISDIR" });
    for (const call of [
      () => fs.createReadStream(1 as never),
      () => fs.createReadStream(at("f"), 1 as never),
      () => fs.createReadStream(at("f"), { start: "1" as never }),
      () => fs.createReadStream("", { fd: {} as never }),
    ]) {
      expect(call).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }));
    }
    expect(() => fs.createReadStream(at("f"), { start: 2, end: 1 })).toThrow(
      expect.objectContaining({ code: "ERR_OUT_OF_RANGE" }),
    );
  });

  test("are aborted by a signal", async () => {
    const { fs } = world;
    const controller = new AbortController();
    const stream = fs.createReadStream(at("f"), { signal: controller.signal });
    const failed = once(stream, "error");
    controller.abort();
    expect((await failed)[0]).toMatchObject({ name: "AbortError" });
    const late = fs.createWriteStream(at("g"), { signal: AbortSignal.abort() } as never);
    expect((await once(late, "error"))[0]).toMatchObject({ name: "AbortError" });
  });

  test("work with the functions that they are given", async () => {
    const { fs } = world;
    const calls: string[] = [];
    const spy = {
      open: (...values: Parameters<typeof fs.open>) => {
        calls.push("open");
        Reflect.apply(fs.open, fs, values);
      },
      read: (...values: Parameters<typeof fs.read>) => {
        calls.push("read");
        Reflect.apply(fs.read, fs, values);
      },
      close: (...values: Parameters<typeof fs.close>) => {
        calls.push("close");
        Reflect.apply(fs.close, fs, values);
      },
    };
    const stream = fs.createReadStream(at("f"), { fs: spy as never });
    expect(await gather(stream)).toEqual(["0123456789"]);
    expect(calls).toEqual(["open", "read", "read", "close"]);
    await using handle = await fs.promises.open(at("f"));
    expect(() => fs.createReadStream("", { fd: handle, fs: spy as never })).toThrow(
      expect.objectContaining({ code: "ERR_METHOD_NOT_IMPLEMENTED" }),
    );
  });

  test("can be made without new, and subclassed", async () => {
    const { fs } = world;
    const make = fs.ReadStream as unknown as (path: string) => nodeFs.ReadStream;
    const stream = make(at("f"));
    expect(stream).toBeInstanceOf(fs.ReadStream);
    expect(stream).toBeInstanceOf(nodeFs.ReadStream);
    expect(await gather(stream)).toEqual(["0123456789"]);
    class Mine extends fs.ReadStream {
      readonly mine = true;
    }
    const own = new (Mine as unknown as new (path: string) => Mine)(at("f"));
    expect([own.mine, own instanceof fs.ReadStream]).toEqual([true, true]);
    expect(await gather(own)).toEqual(["0123456789"]);
  });

  test("Utf8Stream writes to this file system", async () => {
    const { fs } = world;
    const log = new fs.Utf8Stream({ dest: at("log"), sync: false });
    await once(log as unknown as NodeJS.EventEmitter, "ready");
    log.write("one\n");
    log.write("two\n");
    log.end();
    await once(log as unknown as NodeJS.EventEmitter, "close");
    expect(fs.readFileSync(at("log"), "utf8")).toBe("one\ntwo\n");
    // Functions that are not given are this file system's, too.
    const partly = { fsyncSync: fs.fsyncSync } as typeof nodeFs;
    const sync = new fs.Utf8Stream({ dest: at("log"), sync: true, fs: partly });
    sync.write("three\n");
    sync.end();
    await once(sync as unknown as NodeJS.EventEmitter, "close");
    expect(fs.readFileSync(at("log"), "utf8")).toBe("one\ntwo\nthree\n");
  });
});
