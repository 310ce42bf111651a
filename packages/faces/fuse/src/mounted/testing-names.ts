/**
 * For tests: `node testing-names.ts DIRECTORY` does what programs do with names, attributes, lists and
 * attributes of their own, and says of each step what came of it, one line each: the same lines on
 * every file system that is one. Needs root, as it takes on other users.
 */
import { spawnSync } from "node:child_process";
import ffi from "node:ffi";
import fs from "node:fs";
import { ERRNO } from "@xiplab/core";

const AT_FDCWD = -100;
const USER = 1001;
const { functions: libc } = ffi.dlopen("libc.so.6", {
  __errno_location: { arguments: [], return: "pointer" },
  renameat2: { arguments: ["int32", "buffer", "int32", "buffer", "uint32"], return: "int32" },
});
const ErrnoNames = new Map<number, string>(Object.entries(ERRNO).map(([name, no]) => [no, name]));

/** Say what `step` gives, or the name of its errno. */
function say(label: string, step: () => unknown): void {
  let outcome: unknown;
  try {
    outcome = step() ?? "ok";
  } catch (error) {
    outcome = (error as NodeJS.ErrnoException).code ?? String(error);
  }
  process.stdout.write(`${label}: ${JSON.stringify(outcome)}\n`);
}

/** What a program says, its own name and place left out. */
function run(program: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return `${stdout}${stderr}`.replace(`${program}: `, "").trim();
}

function renameat2(from: string, to: string, flags: number): string {
  const cString = (text: string): Buffer => Buffer.from(`${text}\0`);
  if (libc.renameat2(AT_FDCWD, cString(from), AT_FDCWD, cString(to), flags) === 0) return "ok";
  return ErrnoNames.get(ffi.getInt32(libc.__errno_location())) ?? "?";
}

/** As another user, who is in no group but his own. */
function asUser<T>(step: () => T): T {
  process.setegid!(USER);
  process.seteuid!(USER);
  try {
    return step();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
  }
}

const modeOf = (file: string): string => fs.lstatSync(file).mode.toString(8);
const write = (file: string): void => fs.writeFileSync(file, "x");

function names(): void {
  fs.mkdirSync("bytes");
  const made: Buffer[] = [];
  for (let byte = 1; byte < 256; byte++) {
    const name = Buffer.concat([
      Buffer.from("bytes/"),
      Buffer.of(byte),
      Buffer.from("\xff", "latin1"),
    ]);
    if (byte !== 0x2f) made.push(name);
  }
  for (const name of made) fs.writeFileSync(name, "");
  const listed = fs
    .readdirSync("bytes", { encoding: "buffer" })
    .map((name) => name.toString("hex"));
  say("names of any bytes", () => listed.toSorted().join(""));
  for (const name of made) fs.unlinkSync(name);
  say("all of them removed", () => fs.rmdirSync("bytes"));
  for (const length of [255, 256, 1024, 4095, 4096]) {
    const name = "n".repeat(length);
    say(`${length} bytes: make`, () => write(name));
    say(`${length} bytes: stat`, () => fs.statSync(name).size);
    say(`${length} bytes: rename`, () => fs.renameSync("none", name));
    say(`${length} bytes: target`, () => fs.symlinkSync(name, `to ${length}`));
  }
  say("a path of 5000 bytes", () => fs.statSync("x/".repeat(2500)));
  say("as it was", () => fs.readlinkSync("to 4095").length);
  fs.symlinkSync("loop", "loop");
  say("a link to itself", () => fs.readFileSync("loop"));
  say("made by its link only if it is not there", () => fs.openSync("loop", "wx"));
}

function moves(): void {
  fs.mkdirSync("full/sub", { recursive: true });
  fs.mkdirSync("empty");
  write("full/file");
  write("file");
  for (const [from, to] of [
    ["file", "empty"],
    ["empty", "file"],
    ["empty", "full"],
    ["full", "full/sub/below"],
    ["none", "file"],
    ["file", "none/x"],
    ["full/sub", "empty"],
    ["file", "file/x"],
    [".", "dot"],
    ["full", "."],
  ] as const) {
    say(`${from} to ${to}`, () => fs.renameSync(from, to));
  }
  write("a");
  fs.mkdirSync("b");
  say("no replacement", () => renameat2("a", "b", 1));
  say("exchange", () => renameat2("a", "b", 2));
  say("what is what", () => [fs.statSync("a").isDirectory(), fs.statSync("b").isFile()]);
  say("exchange with nothing", () => renameat2("a", "none", 2));
  say("both", () => renameat2("a", "b", 3));
  fs.linkSync("b", "c");
  say("links", () => [fs.statSync("b").nlink, fs.statSync("full").nlink]);
  say("two names of one file", () => fs.renameSync("b", "c"));
  say("and both are there", () => [fs.existsSync("b"), fs.existsSync("c")]);
  say("link to a directory", () => fs.linkSync("full", "again"));
  say("link over a file", () => fs.linkSync("b", "c"));
  say("unlink a directory", () => fs.unlinkSync("full"));
  say("rmdir a file", () => fs.rmdirSync("b"));
  say("rmdir what is not empty", () => fs.rmdirSync("full"));
}

function trees(): void {
  const top = process.cwd();
  for (let level = 0; level < 120; level++) {
    fs.mkdirSync("d".repeat(100));
    process.chdir("d".repeat(100));
  }
  say("deeper than a path is long", () => fs.writeFileSync("leaf", "x"));
  process.chdir(top);
  say("and removed", () => run("rm", "-r", "d".repeat(100)));
  fs.mkdirSync("many");
  for (let index = 0; index < 3000; index++) fs.writeFileSync(`many/${index}`, "");
  const directory = fs.opendirSync("many", { bufferSize: 64 });
  let count = 0;
  for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) {
    fs.unlinkSync(`many/${entry.name}`);
    count++;
  }
  directory.closeSync();
  say("every entry once while they go", () => [count, fs.readdirSync("many").length]);
  process.chdir("many");
  say("remove the directory one is in", () => fs.rmdirSync("../many"));
  say("list it", () => fs.readdirSync("."));
  say("make something in it", () => write("x"));
  process.chdir(top);
}

function attributes(): void {
  write("f");
  say("times", () => {
    fs.utimesSync("f", new Date(-5000), 3_000_000_000.5);
    const { atimeNs, mtimeNs } = fs.statSync("f", { bigint: true });
    return [String(atimeNs), String(mtimeNs)];
  });
  fs.chmodSync("f", 0o6755);
  say("chown takes set-id bits", () => (fs.chownSync("f", USER, USER), modeOf("f")));
  fs.chmodSync("f", 0o6777);
  say("writing takes them", () => (asUser(() => fs.appendFileSync("f", "y")), modeOf("f")));
  fs.chmodSync("f", 0o6777);
  say("truncating takes them", () => (asUser(() => fs.truncateSync("f", 1)), modeOf("f")));
  fs.chmodSync("f", 0o6777);
  say("root keeps them", () => (fs.appendFileSync("f", "y"), modeOf("f")));
  process.umask(0o027);
  for (const type of ["p", "c 5 1", "b 259 74565"]) {
    say(`mknod ${type}`, () => {
      const [kind, ...numbers] = type.split(" ") as [string, ...string[]];
      run("mknod", `node ${kind}`, kind, ...numbers);
      return [modeOf(`node ${kind}`), fs.statSync(`node ${kind}`).rdev];
    });
  }
  fs.mkdirSync("setgid");
  fs.chownSync("setgid", 0, 77);
  fs.chmodSync("setgid", 0o2777);
  asUser(() => fs.mkdirSync("setgid/d"));
  asUser(() => write("setgid/f"));
  const owners = (file: string) => [modeOf(file), fs.statSync(file).uid, fs.statSync(file).gid];
  say("in a set-gid directory", () => [owners("setgid/d"), owners("setgid/f")]);
  fs.mkdirSync("sticky");
  fs.chmodSync("sticky", 0o1777);
  write("sticky/root's");
  say("sticky: unlink", () => asUser(() => fs.unlinkSync("sticky/root's")));
  say("sticky: rename", () => asUser(() => fs.renameSync("sticky/root's", "sticky/mine")));
  fs.mkdirSync("closed", 0o700);
  write("closed/f");
  say("closed: stat", () => asUser(() => fs.statSync("closed/f")));
  say("closed: list", () => asUser(() => fs.readdirSync("closed")));
  say("not mine: chmod", () => asUser(() => fs.chmodSync("closed", 0o777)));
  say("not mine: utimes", () => asUser(() => fs.utimesSync("closed", 1, 1)));
  process.umask(0o022);
}

function lists(): void {
  fs.mkdirSync("acl");
  fs.chmodSync("acl", 0o755);
  const get = (file: string): string => run("getfacl", "-n", "-c", file);
  run("setfacl", "-m", `u:${USER}:rwx,g:77:r,d:u:${USER}:rwx,d:g::r`, "acl");
  say("list", () => get("acl"));
  process.umask(0o077);
  write("acl/f");
  fs.mkdirSync("acl/d", 0o770);
  process.umask(0o022);
  say("inherited by a file", () => get("acl/f"));
  say("inherited by a directory", () => get("acl/d"));
  fs.chmodSync("acl/d", 0o640);
  say("after chmod", () => get("acl/d"));
  say("used", () => asUser(() => write("acl/by user")));
  run("setfacl", "-m", `u:${USER}:r`, "acl");
  say("used no more", () => asUser(() => write("acl/by user again")));
  run("setfacl", "-b", "acl");
  say("removed", () => [get("acl"), modeOf("acl")]);
  say("a default list of a file", () => run("setfacl", "-m", "d:u::rwx", "acl/f"));
}

function xattrs(): void {
  write("x");
  fs.symlinkSync("x", "x link");
  const set = (name: string, value: string, file = "x") =>
    run("setfattr", "-h", "-n", name, "-v", value, file);
  say("set", () => [set("user.a", "1"), set("user.b", "2"), set("trusted.c", "3")]);
  say("got", () => run("getfattr", "-d", "-m", "-", "x").split("\n").toSorted());
  say("as a user", () => asUser(() => fs.readFileSync("x", "latin1")));
  say("replaced", () => [set("user.a", "longer"), run("getfattr", "-n", "user.a", "x")]);
  say("removed", () => [
    run("setfattr", "-x", "user.a", "x"),
    run("setfattr", "-x", "user.a", "x"),
  ]);
  say("strange", () => [
    set("other.a", "1"),
    set("user.", "1"),
    set(`user.${"n".repeat(251)}`, "1"),
  ]);
  say("of a link", () => [set("user.a", "1", "x link"), set("trusted.a", "1", "x link")]);
  say("of a link, got", () => run("getfattr", "-h", "-d", "-m", "-", "x link"));
}

process.chdir(process.argv[2]!);
process.umask(0o022);
for (const part of [names, moves, trees, attributes, lists, xattrs]) {
  const home = process.cwd();
  fs.mkdirSync(part.name);
  fs.chmodSync(part.name, 0o777);
  process.chdir(part.name);
  part();
  process.chdir(home);
}
