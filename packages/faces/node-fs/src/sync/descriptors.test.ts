/** Descriptors: numbers of the instance, lowest first, good until they are closed. */
import { expect, test } from "vitest";
import { codeOf, openImage } from "./testing.ts";

test("the lowest free number is given out, from 3 on", () => {
  using image = openImage();
  const { fs } = image;
  const open = (): number => fs.openSync("/file", "w");
  expect([open(), open(), open(), open()]).toEqual([3, 4, 5, 6]);
  fs.closeSync(5);
  fs.closeSync(4);
  expect([open(), open(), open()]).toEqual([4, 5, 7]);
});

test("0 to 2 and closed numbers are bad descriptors", () => {
  using image = openImage();
  const { fs } = image;
  const fd = fs.openSync("/file", "w");
  fs.closeSync(fd);
  for (const bad of [0, 1, 2, fd, 99]) {
    expect(codeOf(() => fs.closeSync(bad))).toBe("EBADF");
    expect(codeOf(() => fs.fstatSync(bad))).toBe("EBADF");
    expect(codeOf(() => fs.readSync(bad, Buffer.alloc(1)))).toBe("EBADF");
    expect(codeOf(() => fs.writeSync(bad, "x"))).toBe("EBADF");
  }
});

test("two instances over one mount share files and no descriptors", () => {
  using image = openImage();
  const { fs } = image;
  const other = image.another();
  const fd = fs.openSync("/file", "w");
  expect(codeOf(() => other.fstatSync(fd))).toBe("EBADF");
  expect(other.openSync("/file", "r")).toBe(fd);
  fs.writeSync(fd, "seen");
  expect(other.readFileSync("/file", "utf8")).toBe("seen");
});

test("relative paths start at the cwd of the instance", () => {
  using image = openImage();
  image.fs.mkdirSync("/a/b", { recursive: true });
  image.fs.symlinkSync("a", "/link");
  const inside = image.another({ cwd: "/link/b" });
  inside.writeFileSync("file", "x");
  expect(image.fs.readFileSync("/a/b/file", "utf8")).toBe("x");
  expect(inside.realpathSync("file")).toBe("/a/b/file");
  expect(inside.realpathSync.native("../b/file")).toBe("/a/b/file");
  expect(codeOf(() => image.another({ cwd: "/missing" }))).toBe("ENOENT");
});
