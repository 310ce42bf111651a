/**
 * Proven here: a directory of the host that goes through an image comes back the same, in every
 * respect that the host lets us see, and the commands that look at it tell the truth.
 */
import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Sandbox } from "./testing.ts";

const sandbox = new Sandbox();
const { path } = { path: sandbox.path.bind(sandbox) };
const root = process.geteuid?.() === 0;

beforeAll(() => {
  mkdirSync(path("tree/sub/empty"), { recursive: true });
  writeFileSync(path("tree/hello.txt"), "hello, world\n");
  writeFileSync(path("tree/run.sh"), "#!/bin/sh\n");
  chmodSync(path("tree/run.sh"), 0o4755);
  writeFileSync(path("tree/sub/big"), Buffer.alloc(3_000_000, "0123456789"));
  writeFileSync(path("tree/sparse"), "head");
  truncateSync(path("tree/sparse"), 5_000_000);
  symlinkSync("../nowhere", path("tree/sub/dangling"));
  linkSync(path("tree/hello.txt"), path("tree/sub/hard"));
  writeFileSync(raw("tree/", [0xff, 0xfe]), "bytes");
  writeFileSync(path("tree/.hidden"), "");
  utimesSync(path("tree/hello.txt"), 1_000_000, 1_000_000.123456);
  lutimesSync(path("tree/sub/dangling"), 2_000_000, 2_000_000);
  utimesSync(path("tree/sub"), 3_000_000, 3_000_000);
  sandbox.ok("mkfs", "plain", "disk.img", "--size", "64M", "-o", "unwritten=zero");
  sandbox.ok("copy-in", "disk.img", "tree", "/");
});
afterAll(() => sandbox.remove());

const raw = (directory: string, name: number[]): Buffer =>
  Buffer.concat([Buffer.from(path(directory)), Buffer.from("/"), Buffer.from(name)]);

/** Everything about a tree that can be compared, by path. */
function describeTree(directory: Buffer, below = ""): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const name of readdirSync(directory, { encoding: "buffer" }).sort(Buffer.compare)) {
    const full = Buffer.concat([directory, Buffer.from("/"), name]);
    const label = `${below}/${name.toString("latin1")}`;
    const stat = lstatSync(full);
    const mtime = Math.round(stat.mtimeMs);
    const mode = stat.isSymbolicLink() ? "link" : stat.mode.toString(8);
    if (stat.isDirectory()) Object.assign(result, describeTree(full, label));
    const contents = stat.isFile() ? readFileSync(full).toString("latin1") : null;
    const target = stat.isSymbolicLink() ? readlinkSync(full) : null;
    result[label] = { mode, mtime, contents, target, links: stat.isFile() ? stat.nlink : 0 };
  }
  return result;
}

describe("copying", () => {
  test("what comes out is what went in", () => {
    sandbox.ok("copy-out", "disk.img", "/tree", "back");
    const before = describeTree(Buffer.from(path("tree")));
    expect(Object.keys(before)).toContain("/\u00ff\u00fe");
    expect(describeTree(Buffer.from(path("back")))).toEqual(before);
  });

  test("hard links stay one file, and holes stay holes", () => {
    sandbox.ok("copy-out", "disk.img", "/tree", "links");
    expect(lstatSync(path("links/hello.txt")).ino).toBe(lstatSync(path("links/sub/hard")).ino);
    const sparse = lstatSync(path("links/sparse"));
    expect(sparse.size).toBe(5_000_000);
    expect(sparse.blocks * 512).toBeLessThan(100_000);
  });

  test("an existing destination directory takes the source in under its name", () => {
    mkdirSync(path("into"));
    sandbox.ok("copy-out", "disk.img", "tree/sub", "into");
    expect(readdirSync(path("into/sub")).sort()).toEqual(["big", "dangling", "empty", "hard"]);
  });

  test("nothing is replaced unless --force says so, and then as a whole", () => {
    const args = ["copy-in", "disk.img", "tree/hello.txt", "/tree/run.sh"];
    const refused = sandbox.xip(args);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/run\.sh: exists already.*\n.*--force/);
    expect(sandbox.ok("cat", "disk.img", "/tree/run.sh")).toBe("#!/bin/sh\n");
    writeFileSync(path("replacement"), "new");
    sandbox.ok("copy-in", "--force", "disk.img", "replacement", "/tree/sub/empty/f");
    writeFileSync(path("replacement"), "newer");
    sandbox.ok("copy-in", "--force", "disk.img", "replacement", "/tree/sub/empty/f");
    expect(sandbox.ok("cat", "disk.img", "/tree/sub/empty/f")).toBe("newer");
    expect(sandbox.ok("ls", "-a", "disk.img", "/tree/sub/empty")).toBe("f\n");

    const out = sandbox.xip(["copy-out", "disk.img", "/tree/hello.txt", "replacement"]);
    expect(out.code).toBe(1);
    expect(readFileSync(path("replacement"), "utf8")).toBe("newer");
    sandbox.ok("copy-out", "-f", "disk.img", "/tree/hello.txt", "replacement");
    expect(readFileSync(path("replacement"), "utf8")).toBe("hello, world\n");
  });

  test("several sources need a directory to go into", () => {
    const wrong = sandbox.xip(["copy-in", "disk.img", "tree/hello.txt", "tree/run.sh", "/nowhere"]);
    expect(wrong.code).toBe(1);
    expect(wrong.err).toMatch(/\/nowhere: no such directory/);
  });

  test("an image does not go into itself", () => {
    sandbox.ok("mkfs", "plain", "self.img", "--size", "16M");
    mkdirSync(path("holder"));
    writeFileSync(path("holder/x"), "x");
    const image = path("holder/own.img");
    sandbox.ok("mkfs", "plain", image, "--size", "16M");
    sandbox.ok("copy-in", image, "holder", "/");
    expect(sandbox.ok("ls", image, "/holder")).toBe("x\n");
  });

  test.runIf(root)("special files and owners, where the user is root", () => {
    sandbox.ok("mkfs", "plain", "special.img", "--size", "16M");
    const made = sandbox.xip(["copy-in", "special.img", "/dev/null", "/null"]);
    expect(made.err).toBe("");
    expect(sandbox.ok("stat", "special.img", "/null")).toMatch(/character device[^]*device: 1, 3/);
    sandbox.ok("copy-out", "special.img", "/null", "null");
    const back = lstatSync(path("null"));
    expect(back.isCharacterDevice()).toBe(true);
    expect(back.rdev).toBe(lstatSync("/dev/null").rdev);
  });

  test("JSON says what was copied", () => {
    sandbox.ok("mkfs", "plain", "json.img", "--size", "16M");
    const done = JSON.parse(sandbox.ok("copy-in", "--json", "json.img", "tree/sub", "/"));
    expect(done).toEqual({ files: 2, directories: 2, others: 1, bytes: 3_000_013, skipped: [] });
  });
});

describe("looking", () => {
  test("ls", () => {
    expect(sandbox.ok("ls", "disk.img")).toBe("tree\n");
    const names = sandbox.ok("ls", "disk.img", "/tree").split("\n");
    expect(names).toEqual(["hello.txt", "run.sh", "sparse", "sub", "\\xff\\xfe", ""]);
    expect(sandbox.ok("ls", "-a", "disk.img", "/tree")).toContain(".hidden");
    expect(sandbox.ok("ls", "-l", "disk.img", "/tree")).toMatch(
      /^-rw-r--r-- 2 +\d+ +\d+ +13 1970-01-12 13:46 hello\.txt$/m,
    );
    expect(sandbox.ok("ls", "-l", "disk.img", "/tree/sub")).toMatch(/dangling -> \.\.\/nowhere$/m);
    const all = sandbox.ok("ls", "-R", "disk.img");
    expect(all).toMatch(/^\/:\ntree\n\n\/tree:\n/);
    expect(all).toContain("/tree/sub:\nbig\n");
    const json = JSON.parse(sandbox.ok("ls", "--json", "disk.img", "/tree/sub"));
    expect(json.map((entry: { name: string }) => entry.name)).toContain("/tree/sub/big");
  });

  test("stat", () => {
    const text = sandbox.ok("stat", "disk.img", "/tree/hello.txt");
    expect(text).toContain("size: 13 bytes");
    expect(text).toMatch(/modify: 1970-01-12T13:46:40\.12345\d+Z/);
    const json = JSON.parse(sandbox.ok("stat", "--json", "disk.img", "/tree/sub/dangling"));
    expect(json).toMatchObject({ type: "symbolic link", target: "../nowhere" });
  });

  test("cat writes bytes, of several files", () => {
    const ran = sandbox.xip(["cat", "disk.img", "/tree/sub/big", "/tree/hello.txt"]);
    expect(ran.bytes.length).toBe(3_000_013);
    expect(ran.bytes.subarray(3_000_000).toString()).toBe("hello, world\n");
  });

  test("fiemap tells holes from data", () => {
    const json = JSON.parse(sandbox.ok("fiemap", "--json", "disk.img", "/tree/sparse"));
    expect(json.size).toBe(5_000_000);
    expect(json.extents).toHaveLength(1);
    expect(json.extents[0]).toMatchObject({ logical: 0, length: 4096, flagNames: ["last"] });
    expect(sandbox.ok("fiemap", "disk.img", "/tree/sub/big")).toMatch(
      /3000000 bytes in \d+ extent/,
    );
  });

  test("info names the format and what mounts start from", () => {
    const text = sandbox.ok("info", "disk.img");
    expect(text).toMatch(/personality +plain/);
    expect(text).toContain("67108864 bytes");
    expect(text).toContain("unwritten=zero");
    expect(JSON.parse(sandbox.ok("info", "--json", "disk.img")).personality).toBe("plain");
  });

  test("check finds the image sound and unmounted", () => {
    expect(sandbox.ok("check", "disk.img")).toMatch(/^disk\.img: sound, cleanly unmounted/);
    const json = JSON.parse(sandbox.ok("check", "--json", "disk.img"));
    expect(json).toMatchObject({ sound: true, clean: true, findings: [] });
  });

  test("looking changes no byte of the image", () => {
    const before = readFileSync(path("disk.img"));
    sandbox.ok("ls", "-lR", "disk.img");
    sandbox.ok("cat", "disk.img", "/tree/hello.txt");
    sandbox.ok("stat", "disk.img", "/");
    sandbox.ok("check", "disk.img");
    expect(readFileSync(path("disk.img")).equals(before)).toBe(true);
  });
});

test("a name of any bytes can be typed", () => {
  // spawn takes text alone: a shell has to make the bytes.
  const typed = sandbox.shell(`xip cat disk.img "$(printf '/tree/\\377\\376')"`);
  expect(typed.err).toBe("");
  expect(typed.out).toBe("bytes");
  const copied = sandbox.shell(
    `xip copy-out disk.img "$(printf 'tree/\\377\\376')" "$(printf '\\374')"`,
  );
  expect(copied.err).toBe("");
  expect(readFileSync(raw(".", [0xfc]), "utf8")).toBe("bytes");
});

test("paths are relative to where the user stands", () => {
  const ran = sandbox.xipIn(join(sandbox.directory, "tree"), ["ls", "../disk.img"]);
  expect(ran.out).toBe("tree\n");
});

test("colour only where it is wanted", () => {
  const forced = { FORCE_COLOR: "1" };
  expect(sandbox.xip(["ls", "disk.img"], forced).out).toContain("\u001b[");
  expect(sandbox.xip(["ls", "disk.img"]).out).not.toContain("\u001b");
  expect(sandbox.xip(["ls", "disk.img"], { NO_COLOR: "1" }).out).not.toContain("\u001b");
});

test("an image of 8 GiB is made and opened at once, and stays sparse", () => {
  sandbox.ok("mkfs", "plain", "large.img", "--size", "8G");
  const begun = performance.now();
  sandbox.ok("copy-in", "large.img", "tree/hello.txt", "/");
  expect(sandbox.ok("cat", "large.img", "/hello.txt")).toBe("hello, world\n");
  // Two processes; a read of 8 GiB would take far longer, whatever the machine does besides.
  expect(performance.now() - begun).toBeLessThan(20_000);
  const stat = lstatSync(path("large.img"));
  expect(stat.size).toBe(8 * 2 ** 30);
  expect(stat.blocks * 512).toBeLessThan(64 * 2 ** 20);
});
