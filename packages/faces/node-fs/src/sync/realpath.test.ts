/** realpath: by text, where ".." goes first, and as the walk goes. */
import { expect, test } from "vitest";
import { codeOf, openImage } from "./testing.ts";

test("the two ways differ where a link is followed by dot dot", () => {
  using image = openImage();
  const { fs } = image;
  fs.mkdirSync("/a/b", { recursive: true });
  fs.writeFileSync("/a/file", "");
  fs.writeFileSync("/file", "");
  fs.symlinkSync("a/b", "/link");
  fs.symlinkSync("/link/../file", "/chain");
  expect(fs.realpathSync("/link/../file")).toBe("/file");
  expect(fs.realpathSync.native("/link/../file")).toBe("/a/file");
  expect(fs.realpathSync.native("/chain")).toBe("/a/file");
  expect(fs.realpathSync("/./link//")).toBe("/a/b");
  expect(fs.realpathSync("/")).toBe("/");
  expect(fs.realpathSync.native("/../..")).toBe("/");
  expect(fs.realpathSync("/link", "buffer")).toEqual(Buffer.from("/a/b"));
});

test("errors name the call and the place", () => {
  using image = openImage();
  const { fs } = image;
  fs.symlinkSync("loop", "/loop");
  expect(() => fs.realpathSync("/x/y")).toThrow("ENOENT: no such file or directory, lstat '/x'");
  expect(() => fs.realpathSync.native("/x/y")).toThrow("realpath '/x/y'");
  expect(codeOf(() => fs.realpathSync("/loop"))).toBe("ELOOP");
  expect(codeOf(() => fs.realpathSync.native("/loop"))).toBe("ELOOP");
});
