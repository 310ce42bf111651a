/** The names of ours are those of Node's: fs, fs.promises, FileHandle, Dir. */
import * as nodeFs from "node:fs";
import { expect, test } from "vitest";
import { subjects } from "./testing.ts";

const ext4 = subjects.find(({ name }) => name === "ext4")!;
const named = (object: object): string[] =>
  Object.getOwnPropertyNames(object).filter((name) => !/^(constructor|length|name)$/.test(name));

test("fs has every name of Node's", () => {
  using world = ext4.open();
  // Of the namespace of a module.
  const internal = ["default", "module.exports"];
  const theirs = named(nodeFs).filter((name) => !internal.includes(name));
  // Node leaves out what Linux has no use for; as in CommonJS, ours has the name and no value.
  const ours = named(world.fs).filter((name) => !/^lchmod(Sync)?$/.test(name));
  const expected = theirs.filter((name) => !/^lchmod(Sync)?$/.test(name));
  expect(ours.toSorted()).toEqual(expected.toSorted());
  for (const name of expected as (keyof typeof nodeFs)[]) {
    expect(typeof world.fs[name], name).toBe(typeof nodeFs[name]);
  }
});

test("fs.promises has every name of Node's", () => {
  using world = ext4.open();
  expect(named(world.fs.promises).toSorted()).toEqual(named(nodeFs.promises).toSorted());
});

test("FileHandle and Dir have every name of Node's", async () => {
  using world = ext4.open();
  world.fs.writeFileSync("/root/f", "");
  await using ours = await world.fs.promises.open("/root/f");
  await using theirs = await nodeFs.promises.open(import.meta.filename);
  const prototype = (object: object): object => Object.getPrototypeOf(object) as object;
  expect(named(prototype(ours)).toSorted()).toEqual(named(prototype(theirs)).toSorted());
  expect(Object.hasOwn(ours, "close")).toBe(Object.hasOwn(theirs, "close"));
  expect(Symbol.asyncDispose in ours).toBe(true);
  expect(named(world.fs.Dir.prototype).toSorted()).toEqual(named(nodeFs.Dir.prototype).toSorted());
});
