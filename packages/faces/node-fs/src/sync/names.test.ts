/** Names and trees: what is refused, what is returned, and bytes that stay what they are. */
import { expect, test } from "vitest";
import { codeOf, openImage } from "./testing.ts";

test("names are bytes: what is no UTF-8 is kept, and told apart from what looks alike", () => {
  using image = openImage();
  const { fs } = image;
  const raw = Buffer.from([0x2f, 0xff, 0xe9]);
  fs.mkdirSync("/d");
  const path = Buffer.concat([Buffer.from("/d"), raw]);
  fs.writeFileSync(path, "raw");
  fs.writeFileSync("/d/é", "text");
  const names = fs.readdirSync("/d", "buffer");
  expect(names).toEqual([Buffer.from("é"), raw.subarray(1)]);
  expect(fs.readdirSync("/d")).toEqual(["é", "\ufffd\ufffd"]);
  expect(fs.readdirSync("/d", "latin1")).toEqual(["Ã©", "ÿé"]);
  expect(fs.readFileSync(path, "utf8")).toBe("raw");
  expect(fs.existsSync("/d/\ufffd\ufffd")).toBe(false);
  fs.symlinkSync(path, "/link");
  expect(fs.readlinkSync("/link", "buffer")).toEqual(path);
  expect(fs.readFileSync("/link", "utf8")).toBe("raw");
});

test("a URL is a path", () => {
  using image = openImage();
  const { fs } = image;
  fs.writeFileSync(new URL("file:///a%20b"), "x");
  expect(fs.readdirSync("/")).toContain("a b");
  expect(codeOf(() => fs.statSync(new URL("http://x/a")))).toBe("ERR_INVALID_URL_SCHEME");
});

test("mkdir gives the first directory that it made", () => {
  using image = openImage();
  const { fs } = image;
  fs.mkdirSync("/a");
  expect(fs.mkdirSync("/a/b/c/d", { recursive: true })).toBe("/a/b");
  expect(fs.mkdirSync("/a/b/c/d", { recursive: true })).toBeUndefined();
  expect(fs.mkdirSync("/a/b/e/", { recursive: true, mode: 0o700 })).toBe("/a/b/e/");
  expect(fs.statSync("/a/b/e").mode & 0o777).toBe(0o700);
  fs.writeFileSync("/file", "");
  expect(codeOf(() => fs.mkdirSync("/file", { recursive: true }))).toBe("EEXIST");
  expect(codeOf(() => fs.mkdirSync("/file/x", { recursive: true }))).toBe("ENOTDIR");
});

test("rename refuses what would break the tree", () => {
  using image = openImage();
  const { fs } = image;
  fs.mkdirSync("/a/b", { recursive: true });
  fs.mkdirSync("/empty");
  fs.writeFileSync("/file", "");
  const refused = (from: string, to: string): unknown => codeOf(() => fs.renameSync(from, to));
  expect(refused("/a", "/a/b/c")).toBe("EINVAL");
  expect(refused("/empty", "/a")).toBe("ENOTEMPTY");
  expect(refused("/file", "/empty")).toBe("EISDIR");
  expect(refused("/empty", "/file")).toBe("ENOTDIR");
  fs.renameSync("/empty", "/a/b");
  expect(fs.readdirSync("/a")).toEqual(["b"]);
});

test("a rename between two names of one file leaves both", () => {
  using image = openImage();
  const { fs } = image;
  fs.writeFileSync("/one", "x");
  fs.linkSync("/one", "/two");
  fs.renameSync("/one", "/two");
  expect([fs.statSync("/one").ino, fs.statSync("/one").nlink]).toEqual([
    fs.statSync("/two").ino,
    2,
  ]);
});

test("links, slashes and long names are refused as on Linux", () => {
  using image = openImage();
  const { fs } = image;
  fs.mkdirSync("/d");
  fs.writeFileSync("/file", "");
  fs.symlinkSync("loop", "/loop");
  expect(codeOf(() => fs.linkSync("/d", "/e"))).toBe("EPERM");
  expect(codeOf(() => fs.unlinkSync("/d"))).toBe("EISDIR");
  expect(codeOf(() => fs.statSync("/file/"))).toBe("ENOTDIR");
  expect(codeOf(() => fs.statSync("/loop"))).toBe("ELOOP");
  expect(codeOf(() => fs.writeFileSync(`/${"x".repeat(256)}`, ""))).toBe("ENAMETOOLONG");
  expect(codeOf(() => fs.statSync("/x".repeat(2500)))).toBe("ENAMETOOLONG");
  expect(fs.lstatSync("/loop").size).toBe("loop".length);
});
