/** What observers are told, and that nobody is told what did not happen. */
import { expect, test } from "vitest";
import { O_CREAT, O_RDWR, RENAME_EXCHANGE } from "../spec/mode.ts";
import { Task } from "./task.ts";
import { codeOf, mountMemory, n } from "./testing.ts";

test("observers are told of every change, by directory and name", () => {
  const { vfs } = mountMemory();
  const task = new Task(vfs);
  const seen: string[] = [];
  const stop = vfs.onEvent(({ kind, directory, name, oldName }) => {
    seen.push([kind, directory?.ino ?? "-", oldName ?? "", name ?? "-"].join(" "));
  });
  task.mkdir(n("/d"));
  const file = task.open(n("/d/f"), O_CREAT | O_RDWR);
  task.write(file, new Uint8Array(1));
  task.ftruncate(file, 0);
  task.fchmod(file, 0o600);
  task.link(n("/d/f"), n("/g"));
  task.rename(n("/g"), n("/h"));
  task.rename(n("/d"), n("/h"), RENAME_EXCHANGE);
  task.setxattr(n("/d"), n("user.a"), new Uint8Array(1));
  task.unlink(n("/d"));
  expect(seen).toEqual([
    "create 1  d",
    "create 2  f",
    "modify 2  f",
    "modify 2  f",
    "attrib -  -",
    "create 1  g",
    "move 1 g h",
    "move 1 d h",
    "move 1 h d",
    "attrib -  -",
    "delete 1  d",
  ]);
  seen.length = 0;
  // From the second walk on the path is known, and open does not walk.
  for (let walks = 0; walks < 2; walks++) task.stat(n("/h/f"));
  const known = task.open(n("/h/f"), O_RDWR);
  task.write(known, new Uint8Array(1));
  task.rename(n("/h"), n("/k"));
  task.write(known, new Uint8Array(1));
  expect(seen).toEqual(["modify 2  f", "move 1 h k", "modify -  -"]);
  seen.length = 0;
  expect(codeOf(() => task.mkdir(n("/k")))).toBe("EEXIST");
  task.stat(n("/k"));
  expect(seen).toEqual([]);
  stop();
  task.mkdir(n("/e"));
  expect(seen).toEqual([]);
});
