/**
 * Plain node:fs, require() and import() on an ext4 image through Node's own node:vfs. Each case is a
 * program in a process of its own with --experimental-vfs; e2fsck judges what is left.
 */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { mkfs, openHostFile } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { e2fsck, requireOracle } from "@xiplab/oracles";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const IMAGE_SIZE = 32 * 1024 * 1024;
const hasNodeVfs = process.allowedNodeEnvironmentFlags.has("--experimental-vfs");
const here = import.meta.dirname;
/** A child starts Node and strips the types of core and ext4. */
const TIMEOUT_MS = 60_000;

let directory: string;
let image: string;

beforeAll(() => {
  directory = fs.mkdtempSync(`${tmpdir()}/xiplab-provider-`);
  image = path.join(directory, "disk.img");
  const file = openHostFile(fs, image, { create: true, size: IMAGE_SIZE });
  mkfs(ext4, file.device);
  file.close();
});
afterAll(() => fs.rmSync(directory, { recursive: true }));

function node(...values: string[]): string {
  const flags = ["--experimental-vfs", "--disable-warning=ExperimentalWarning", ...values];
  // What the first child compiled of us need not be compiled by the others.
  const env = { ...process.env, NODE_COMPILE_CACHE: path.join(directory, "compiled") };
  const child = spawnSync(process.execPath, flags, { encoding: "utf8", timeout: TIMEOUT_MS, env });
  if (child.status !== 0) throw new Error(`${values.join(" ")}: ${child.stderr}`);
  return child.stdout;
}

/** What `body` (of a function of `root` and `fs`) answers. */
function onMount(body: string): unknown {
  const program = path.join(directory, "program.mjs");
  fs.writeFileSync(program, `export default async (root, fs) => {${body}\n}`);
  return JSON.parse(node(path.join(here, "testing/program.ts"), image, program));
}

/** The outcome of each call: its value, or code, syscall, path and message of its error. */
const outcomes = (calls: string): unknown =>
  onMount(`
    const results = [];
    for (const call of [${calls}]) {
      try {
        results.push((await call()) ?? null);
      } catch ({ code, syscall, path, message }) {
        results.push([code, syscall, path, message].join(" | ").replaceAll(root, "ROOT"));
      }
    }
    return results;`);

describe.skipIf(!hasNodeVfs && process.env["CI"] !== "true")("node:vfs on an ext4 image", () => {
  it("requires and imports what plain node:fs wrote, also after a remount", () => {
    const loaded = `
      const { createRequire } = await import("node:module");
      const { value } = createRequire(root + "/x.js")("pkg");
      const module = await import(root + "/app.mjs");
      return [value, module.default, module.url.replace(root, "")];`;
    const written = `
      fs.mkdirSync(root + "/node_modules/pkg/lib", { recursive: true });
      fs.writeFileSync(root + "/node_modules/pkg/package.json", '{"main":"lib/main.js"}');
      fs.writeFileSync(root + "/node_modules/pkg/lib/main.js", "exports.value = require('./two');");
      fs.writeFileSync(root + "/node_modules/pkg/lib/two.js", "module.exports = 2;");
      fs.writeFileSync(root + "/app.mjs",
        "import pkg from 'pkg'; export default pkg.value + 1; export const url = import.meta.url;");`;
    expect(onMount(written + loaded)).toEqual([2, 3, "file:///app.mjs"]);
    expect(onMount(loaded)).toEqual([2, 3, "file:///app.mjs"]);
  });

  it("streams in and out, and keeps what a handle wrote", () => {
    const body = `
      const { pipeline } = await import("node:stream/promises");
      const big = Buffer.alloc(300_000, "0123456789");
      await pipeline([big], fs.createWriteStream(root + "/big"));
      await pipeline(fs.createReadStream(root + "/big"), fs.createWriteStream(root + "/copy"));
      const handle = await fs.promises.open(root + "/copy", "r+");
      await handle.write("changed", 100);
      await handle.sync();
      const { size } = await handle.stat();
      await handle.close();
      return [size, fs.readFileSync(root + "/copy", "utf8").slice(98, 110)];`;
    expect(onMount(body)).toEqual([300_000, "89changed789"]);
    const reread = `return fs.readFileSync(root + "/copy", "utf8").slice(98, 110);`;
    expect(onMount(reread)).toBe("89changed789");
  });

  it("opens by every flag as the kernel does", () => {
    const calls = `
      () => fs.writeFileSync(root + "/f", "1234"),
      () => fs.symlinkSync("f", root + "/l"),
      () => fs.openSync(root + "/f", "wx"),
      () => fs.openSync(root + "/l", fs.constants.O_NOFOLLOW),
      () => fs.openSync(root + "/f", fs.constants.O_DIRECTORY),
      () => fs.writeSync(fs.openSync(root + "/f", "r"), "x"),
      () => fs.readSync(fs.openSync(root + "/f", "w"), Buffer.alloc(1)),
      () => fs.statSync(root + "/f").size,`;
    expect(outcomes(calls)).toEqual([
      null,
      null,
      "EEXIST | open | ROOT/f | EEXIST: file already exists, open 'ROOT/f'",
      "ELOOP | open | ROOT/l | ELOOP: too many symbolic links encountered, open 'ROOT/l'",
      "ENOTDIR | open | ROOT/f | ENOTDIR: not a directory, open 'ROOT/f'",
      "EBADF | write |  | EBADF: bad file descriptor, write",
      "EBADF | read |  | EBADF: bad file descriptor, read",
      0,
    ]);
  });

  it("keeps links, inodes and open files that were removed", () => {
    const calls = `
      () => fs.writeFileSync(root + "/one", "shared"),
      () => fs.linkSync(root + "/one", root + "/two"),
      () => fs.statSync(root + "/one").ino === fs.statSync(root + "/two").ino,
      () => fs.statSync(root + "/two").nlink,
      () => fs.renameSync(root + "/one", root + "/two"),
      () => fs.existsSync(root + "/one"),
      () => { globalThis.fd = fs.openSync(root + "/two", "r+"); fs.unlinkSync(root + "/two"); },
      () => fs.unlinkSync(root + "/one"),
      () => fs.readFileSync(globalThis.fd, "utf8"),
      () => fs.fstatSync(globalThis.fd).nlink,
      () => fs.closeSync(globalThis.fd),`;
    const answers = [null, null, true, 2, null, true, null, null, "shared", 0, null];
    expect(outcomes(calls)).toEqual(answers);
  });

  it("tells errors with the paths of the mount", () => {
    const calls = `
      () => fs.mkdirSync(root + "/d/e", { recursive: true }) === root + "/d",
      () => fs.rmdirSync(root + "/d"),
      () => fs.renameSync(root + "/d", root + "/d/e/f"),
      () => fs.promises.rename(root + "/missing", root + "/x"),
      () => fs.promises.readFile(root + "/d"),
      () => fs.mkdirSync(root + "/d"),`;
    expect(outcomes(calls)).toEqual([
      true,
      "ENOTEMPTY | rmdir | ROOT/d | ENOTEMPTY: directory not empty, rmdir 'ROOT/d'",
      expect.stringContaining("EINVAL: invalid argument, rename 'ROOT/d' -> 'ROOT/d/e/f'"),
      expect.stringContaining(
        "ENOENT: no such file or directory, rename 'ROOT/missing' -> 'ROOT/x'",
      ),
      expect.stringContaining("EISDIR: illegal operation on a directory, read"),
      "EEXIST | mkdir | ROOT/d | EEXIST: file already exists, mkdir 'ROOT/d'",
    ]);
  });

  it("mounts an image by --vfs-mount and runs it by --vfs-load, and leaves it clean", ({
    skip,
  }) => {
    requireOracle(["e2fsck"], skip);
    const register = path.join(here, "testing/register.ts");
    const script = `
      import fs from "node:fs";
      fs.writeFileSync(new URL("left", import.meta.url), "by the program");
      console.log(import.meta.url);`;
    onMount(`
      fs.writeFileSync(root + "/main.mjs", ${JSON.stringify(script)});
      fs.writeFileSync(root + "/package.json", '{"main":"main.mjs","type":"module"}');
      return 0;`);
    const mounted = node("--import", register, `--vfs-mount=${image}`, "/dev/null/vfs/0/main.mjs");
    expect(mounted.trim()).toBe("file:///dev/null/vfs/0/main.mjs");
    const loaded = node("--import", register, `--vfs-load=${image}`);
    expect(loaded.trim()).toBe("file:///dev/null/vfs/0/main.mjs");
    expect(onMount(`return fs.readFileSync(root + "/left", "utf8");`)).toBe("by the program");
    expect(e2fsck(image)).toMatchObject({ clean: true });
  });
});
