/** Trees: rm, cp, mkdtemp, Dir and blobs, the same bodies over Node's own file system and over ours. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { subjects, type World } from "../callback/testing.ts";

interface Failure {
  readonly code?: string | undefined;
  readonly message: string;
  readonly name: string;
  readonly syscall?: string | undefined;
  readonly errno?: number | undefined;
  readonly path?: string | undefined;
  readonly info?: unknown;
}

describe.each(subjects)("trees over $name", ({ open, isReal }) => {
  let world: World;
  const at = (...names: string[]): string => join(world.root, ...names);
  beforeEach(() => {
    world = open();
    plant();
  });
  afterEach(() => world[Symbol.dispose]());

  /** What a call fails with, without what is different in every world. */
  async function failure(call: () => unknown): Promise<Failure | null> {
    try {
      await call();
      return null;
    } catch (error) {
      const { code, message, name, syscall, errno, path, info } = error as Failure;
      const text = JSON.stringify({ code, message, name, syscall, errno, path, info });
      return JSON.parse(text.replaceAll(world.root, "ROOT")) as Failure;
    }
  }

  test("rm refuses what it should", async () => {
    const { fs } = world;
    const directory = {
      code: "ERR_FS_EISDIR",
      errno: 21,
      info: {
        code: "EISDIR",
        errno: 21,
        message: "is a directory",
        path: "ROOT/dir",
        syscall: "rm",
      },
      message: "Path is a directory: rm returned EISDIR (is a directory) ROOT/dir",
      name: "SystemError",
      path: "ROOT/dir",
      syscall: "rm",
    };
    const absent = { code: "ENOENT", syscall: "lstat", path: "ROOT/absent", errno: -2 };
    expect(await failure(() => fs.rmSync(at("dir")))).toEqual(directory);
    expect(await failure(() => fs.promises.rm(at("dir")))).toEqual(directory);
    expect(await failure(() => fs.rmSync(at("absent")))).toMatchObject(absent);
    expect(await failure(() => fs.promises.rm(at("absent")))).toMatchObject(absent);
    expect(await failure(() => fs.rmSync(at("absent"), { force: true }))).toBeNull();
    expect(await failure(() => fs.promises.rm(at("absent"), { force: true }))).toBeNull();
    const below = { force: true, recursive: true };
    expect(await failure(() => fs.rmSync(at("file/x"), below))).toBeNull();
    expect(await failure(() => fs.promises.rm(at("file/x"), below))).toMatchObject({
      code: "ENOTDIR",
    });
    for (const options of [1, { force: 1 }, { recursive: "" }, { maxRetries: -1 }]) {
      const codes = [
        await failure(() => fs.rmSync(at("file"), options as never)),
        await failure(() => fs.promises.rm(at("file"), options as never)),
      ];
      for (const each of codes) expect(each?.code).toMatch(/^ERR_(INVALID_ARG_TYPE|OUT_OF_RANGE)$/);
    }
    expect(fs.readdirSync(world.root)).toHaveLength(6);
  });

  test("rm removes files, links as such, and trees with any name", async () => {
    const { fs } = world;
    fs.writeFileSync(Buffer.from(`${at("dir/sub")}/\xff`, "latin1"), "");
    fs.symlinkSync("../../full", at("dir/sub/away"));
    fs.rmSync(at("lf"));
    await fs.promises.rm(at("ld"), { recursive: true });
    const told = await new Promise((resolve) => {
      fs.rm(at("dir"), { recursive: true }, (...values) => resolve(values));
    });
    expect(told).toEqual([null]);
    fs.rmSync(at("file"), { recursive: true });
    expect(fs.readdirSync(world.root)).toEqual(["full", "other"]);
    expect(fs.readdirSync(at("full"))).toEqual(["sub"]);
    fs.rmSync(at("full"), { recursive: true });
    expect(fs.existsSync(at("full"))).toBe(false);
  });

  const REFUSALS: [name: string, source: string, target: string, options?: object][] = [
    ["missing", "none", "t"],
    ["a directory, not recursive", "dir", "t"],
    ["a directory onto a file", "dir", "file", { recursive: true }],
    ["a file onto a directory", "file", "dir"],
    ["a file onto itself", "file", "file"],
    ["a directory into itself", "dir", "dir/sub/t", { recursive: true }],
    ["a directory into itself by a link", "dir", "ld/t", { recursive: true }],
    ["onto what exists", "file", "other", { force: false, errorOnExist: true }],
    [
      "a tree onto what exists",
      "dir",
      "full",
      { recursive: true, force: false, errorOnExist: true },
    ],
    ["a link onto a file", "lf", "other"],
    ["below a file", "file", "other/t"],
    ["with a mode that is none", "file", "t", { mode: 99 }],
    [
      "with options that exclude each other",
      "file",
      "t",
      { dereference: true, verbatimSymlinks: true },
    ],
    ["with a filter that is none", "file", "t", { filter: 1 }],
    ["with options that are none", "file", "t", 7 as never],
  ];
  test.each(REFUSALS)("cp refuses %s as Node's does", async (_name, source, target, options) => {
    if (isReal) return;
    using real = subjects[0]!.open();
    const ours = world;
    const failures: unknown[] = [];
    for (const each of [real, ours]) {
      world = each;
      if (each === real) plant();
      const { fs } = each;
      failures.push([
        await failure(() => fs.cpSync(at(source), at(target), options as never)),
        await failure(() => fs.promises.cp(at(source), at(target), options as never)),
        await failure(
          () =>
            new Promise<void>((resolve, reject) => {
              const told = (error: unknown): void => (error ? reject(error as Error) : resolve());
              fs.cp(at(source), at(target), options as never, told);
            }),
        ),
      ]);
    }
    expect(failures[1]).toEqual(failures[0]);
    expect(failures[0]).not.toEqual([null, null, null]);
  });

  function plant(): void {
    const { fs } = world;
    fs.mkdirSync(at("dir/sub"), { recursive: true });
    for (const name of ["x", "y", "f", "o"]) {
      const path = { x: "dir/sub/x", y: "dir/y", f: "file", o: "other" }[name]!;
      fs.writeFileSync(at(path), name);
    }
    fs.symlinkSync("file", at("lf"));
    fs.symlinkSync("dir", at("ld"));
    fs.mkdirSync(at("full/sub"), { recursive: true });
    fs.writeFileSync(at("full/sub/x"), "old");
  }

  /** Everything below a path: type, mode, content or target, and whether the times are those given. */
  function shown(path: string): string[] {
    const { fs } = world;
    return fs
      .readdirSync(path, { recursive: true, withFileTypes: true })
      .map((entry) => {
        const full = join(entry.parentPath, entry.name);
        const stat = fs.lstatSync(full);
        const content = stat.isSymbolicLink()
          ? fs.readlinkSync(full).replace(world.root, "ROOT")
          : stat.isFile()
            ? fs.readFileSync(full, "utf8")
            : "";
        const isOld = stat.mtimeMs < Date.UTC(2010, 0);
        return `${full.slice(path.length)} ${stat.mode.toString(8)} ${content} ${isOld}`;
      })
      .toSorted();
  }

  const COPIES: [name: string, options: object][] = [
    ["plainly", {}],
    ["verbatim", { verbatimSymlinks: true }],
    ["following links", { dereference: true }],
    ["with times", { preserveTimestamps: true }],
    ["filtered", { filter: (source: string) => !source.endsWith("x") }],
    ["unforced", { force: false }],
  ];
  /** Three copies, one for each form, onto nothing and onto a tree: what is there then. */
  async function copies(options: object): Promise<string[][]> {
    const { fs } = world;
    fs.chmodSync(at("dir/y"), 0o751);
    fs.chmodSync(at("dir/sub"), 0o711);
    fs.symlinkSync("sub/x", at("dir/l"));
    fs.utimesSync(at("dir/y"), 1e9, 1e9);
    const all = { recursive: true, ...options };
    const seen: string[][] = [];
    for (const target of ["new", "s/new", "full"]) {
      for (const run of ["sync", "later", "told"] as const) {
        const to = at(`${run}-${target}`);
        if (target === "full") fs.cpSync(at("full"), to, { recursive: true });
        if (run === "sync") fs.cpSync(at("dir"), to, all);
        else if (run === "later") await fs.promises.cp(at("dir"), to, all);
        else await new Promise((resolve) => fs.cp(at("dir"), to, all, resolve));
        seen.push(shown(to));
      }
    }
    return seen;
  }

  test.each(COPIES)("cp copies a tree %s as Node's does", async (_name, options) => {
    if (isReal) return;
    const ours = await copies(options);
    using real = subjects[0]!.open();
    world[Symbol.dispose]();
    world = real;
    plant();
    expect(ours).toEqual(await copies(options));
    expect(ours.flat().length).toBeGreaterThan(20);
    world = open();
  });

  test("cp waits for a filter, and cpSync refuses one that would have to be waited for", async () => {
    const { fs } = world;
    const filter = async (source: string): Promise<boolean> => !source.endsWith("y");
    await fs.promises.cp(at("dir"), at("t"), { recursive: true, filter });
    expect(fs.readdirSync(at("t"))).toEqual(["sub"]);
    expect(await failure(() => fs.cpSync(at("dir"), at("u"), { filter: filter as never }))).toEqual(
      {
        code: "ERR_INVALID_RETURN_VALUE",
        message:
          'Expected boolean to be returned from the "filter" function but got an instance of Promise.',
        name: "TypeError",
      },
    );
  });

  test("mkdtemp makes directories for their owner alone, and disposes of them", async () => {
    const { fs } = world;
    const sync = fs.mkdtempSync(at("t-"));
    expect(sync.replace(world.root, "")).toMatch(/^\/t-[A-Za-z0-9]{6}$/);
    expect(fs.statSync(sync).mode).toBe(0o40700);
    const later = await fs.promises.mkdtemp(at("t-"));
    expect(later).not.toBe(sync);
    const told = await new Promise((resolve) => {
      fs.mkdtemp(at("t-"), "buffer", (...values) => resolve(values[1]));
    });
    expect(Buffer.isBuffer(told)).toBe(true);
    const failed = await failure(() => fs.mkdtempSync(at("no/t-")));
    expect(failed).toMatchObject({
      code: "ENOENT",
      syscall: "mkdtemp",
      path: "ROOT/no/t-XXXXXX",
      message: "ENOENT: no such file or directory, mkdtemp 'ROOT/no/t-XXXXXX'",
    });
    let path: string;
    {
      using made = fs.mkdtempDisposableSync(at("d-"));
      ({ path } = made);
      fs.writeFileSync(join(path, "x"), "");
    }
    expect(fs.existsSync(path)).toBe(false);
    {
      await using made = await fs.promises.mkdtempDisposable(at("d-"));
      ({ path } = made);
      fs.writeFileSync(join(path, "x"), "");
      expect(fs.existsSync(path)).toBe(true);
    }
    expect(fs.existsSync(path)).toBe(false);
  });

  test("Dir gives every entry once, in every way", async () => {
    const { fs } = world;
    const names = fs.readdirSync(world.root);
    const gather = async (dir: AsyncIterable<{ name: string }>): Promise<string[]> => {
      const seen: string[] = [];
      for await (const { name } of dir) seen.push(name);
      return seen.toSorted();
    };
    for (const bufferSize of [1, 2, 100]) {
      const dir = fs.opendirSync(world.root, { bufferSize });
      expect(dir.path).toBe(world.root);
      const seen: string[] = [];
      for (let entry = dir.readSync(); entry !== null; entry = dir.readSync()) {
        seen.push(entry.name);
        expect(entry.parentPath).toBe(world.root);
      }
      expect(seen.toSorted()).toEqual(names);
      expect(dir.readSync()).toBeNull();
      dir.closeSync();
      expect(await gather(await fs.promises.opendir(world.root, { bufferSize }))).toEqual(names);
    }
    const deep = await gather(await fs.promises.opendir(at("."), { recursive: true }));
    const all = fs.readdirSync(world.root, { recursive: true }) as string[];
    // Links to directories are entered by readdir, not by Dir.
    const own = all.filter((name) => !name.startsWith("ld/"));
    expect(deep).toEqual(own.map((name) => name.split("/").at(-1)).toSorted());
    const told = await new Promise<string[]>((resolve) => {
      fs.opendir(at("dir"), async (error, dir) => {
        expect(error).toBeNull();
        resolve(await gather(dir));
      });
    });
    expect(told).toEqual(["sub", "y"]);
  });

  test("Dir tells callbacks later, one operation after the other, and refuses when closed", async () => {
    const { fs } = world;
    const dir = fs.opendirSync(world.root, { bufferSize: 2 });
    const order: unknown[] = [];
    const first = new Promise((resolve) => {
      dir.read((error, entry) => resolve(order.push(error, typeof entry?.name)));
    });
    expect(() => dir.readSync()).toThrow(
      expect.objectContaining({ code: "ERR_DIR_CONCURRENT_OPERATION" }),
    );
    expect(() => dir.closeSync()).toThrow(
      expect.objectContaining({ code: "ERR_DIR_CONCURRENT_OPERATION" }),
    );
    const second = dir.read();
    expect(order).toEqual([]);
    await first;
    expect(order).toEqual([null, "string"]);
    expect((await second)?.name).toEqual(expect.any(String));
    expect(() => dir.read(1 as never)).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }),
    );
    await dir.close();
    const closed = { code: "ERR_DIR_CLOSED", message: "Directory handle was closed" };
    await expect(dir.read()).rejects.toMatchObject(closed);
    await expect(dir.close()).rejects.toMatchObject(closed);
    expect(() => dir.readSync()).toThrow(expect.objectContaining(closed));
    expect(() => dir.closeSync()).toThrow(expect.objectContaining(closed));
    const told = await new Promise((resolve) => dir.close(resolve as never));
    expect(told).toMatchObject(closed);
    dir[Symbol.dispose]();
    await dir[Symbol.asyncDispose]();
    {
      using open = fs.opendirSync(world.root);
      expect(open.readSync()).not.toBeNull();
    }
    const broken = await fs.promises.opendir(world.root);
    for await (const _entry of broken) break;
    await expect(broken.close()).rejects.toMatchObject(closed);
    const { entries } = broken as unknown as { entries: unknown };
    expect(entries).toBe(broken[Symbol.asyncIterator]);
  });

  test("opendir refuses what it should, by its own name", async () => {
    const { fs } = world;
    const absent = { code: "ENOENT", syscall: "opendir", path: "ROOT/no" };
    const message = "ENOENT: no such file or directory, opendir 'ROOT/no'";
    // Node 26.10 does not say where its opendirSync failed; ours does.
    const { path: _path, ...less } = absent;
    const expected = isReal ? less : { ...absent, message };
    expect(await failure(() => fs.opendirSync(at("no")))).toMatchObject(expected);
    expect(await failure(() => fs.promises.opendir(at("no")))).toMatchObject({
      ...absent,
      message,
    });
    const file = await failure(() => fs.opendirSync(at("file")));
    expect(file).toMatchObject({ code: "ENOTDIR", syscall: "opendir" });
    const size = await failure(() => fs.opendirSync(world.root, { bufferSize: 0 }));
    expect(size?.code).toBe("ERR_OUT_OF_RANGE");
    expect(() => new (fs.Dir as new () => object)()).toThrow(
      expect.objectContaining({ code: "ERR_MISSING_ARGS" }),
    );
  });

  test("openAsBlob gives the file until it changes", async () => {
    const { fs } = world;
    const blob = await fs.openAsBlob(at("file"), { type: "text/plain" });
    expect([blob.size, blob.type, await blob.text()]).toEqual([1, "text/plain", "f"]);
    expect(Buffer.from(await blob.arrayBuffer()).toString()).toBe("f");
    expect(await blob.slice(1).text()).toBe("");
    expect(await new Blob(["<", blob, ">"]).text()).toBe("<f>");
    let streamed = "";
    for await (const chunk of blob.stream())
      streamed += Buffer.from(chunk as Uint8Array).toString();
    expect(streamed).toBe("f");
    fs.writeFileSync(at("file"), "longer");
    await expect(blob.text()).rejects.toMatchObject({ name: "NotReadableError" });
    await expect(blob.slice(0, 1).arrayBuffer()).rejects.toMatchObject({
      name: "NotReadableError",
    });
    expect(() => void fs.openAsBlob(at("file"), 1 as never)).toThrow(
      expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }),
    );
  });
});
