/** readdir: sorted, fresh after every change, and the caller's to change. */
import { expect, test } from "vitest";
import { openImage } from "./testing.ts";

test("a listing that was kept follows every kind of change", () => {
  using image = openImage();
  const { fs } = image;
  fs.mkdirSync("/d");
  const changes: readonly (() => unknown)[] = [
    () => fs.writeFileSync("/d/b", ""),
    () => fs.mkdirSync("/d/a"),
    () => fs.symlinkSync("b", "/d/c"),
    () => fs.linkSync("/d/b", "/d/e"),
    () => fs.renameSync("/d/c", "/d/Z"),
    () => fs.renameSync("/d/e", "/out"),
    () => fs.unlinkSync("/d/b"),
    () => fs.renameSync("/out", "/d/é"),
    () => fs.rmdirSync("/d/a"),
  ];
  const seen = changes.map((change) => {
    change();
    const [one, two, three] = [0, 1, 2].map(() => fs.readdirSync("/d"));
    expect(two).toEqual(one);
    expect(three).toEqual(one);
    return one!.join(" ");
  });
  const all = ["b", "a b", "a b c", "a b c e", "Z a b e", "Z a b", "Z a", "Z a é", "Z é"];
  expect(seen).toEqual(all);
});

test("the array is the caller's", () => {
  using image = openImage();
  const { fs } = image;
  fs.writeFileSync("/a", "");
  for (let round = 0; round < 4; round++) {
    const names = fs.readdirSync("/");
    expect(names).toEqual(["a", "lost+found"]);
    names.length = 0;
  }
});

test("types come with the names, recursion goes breadth first and enters links", () => {
  using image = openImage();
  const { fs } = image;
  fs.mkdirSync("/d/x/y", { recursive: true });
  fs.writeFileSync("/d/x/file", "");
  fs.symlinkSync("x", "/d/link");
  fs.symlinkSync("nowhere", "/d/dangling");
  const entries = fs.readdirSync("/d", { withFileTypes: true });
  expect(entries.map((one) => [one.name, one.parentPath, one.isSymbolicLink()])).toEqual([
    ["dangling", "/d", true],
    ["link", "/d", true],
    ["x", "/d", false],
  ]);
  expect(entries[2]!.isDirectory()).toBe(true);
  expect(fs.readdirSync("/d", { recursive: true })).toEqual([
    "dangling",
    "link",
    "x",
    "link/file",
    "link/y",
    "x/file",
    "x/y",
  ]);
  const deep = fs.readdirSync("/d", { recursive: true, withFileTypes: true });
  const parents = "/d /d /d /d/link /d/link /d/x /d/x";
  expect(deep.map((one) => one.parentPath).join(" ")).toBe(parents);
});
