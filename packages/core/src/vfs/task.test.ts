/** Paths in, bytes out: the everyday use of a Task, small enough to read. */
import { describe, expect, test } from "vitest";
import { O_CREAT, O_RDWR } from "../spec/mode.ts";
import type { Name } from "../spec/units.ts";
import { Task } from "./task.ts";
import { mountMemory } from "./testing.ts";

const n = (text: string): Name => text as Name;

describe("a task", () => {
  test("writes a file, reads it back, renames and removes it", () => {
    const task = new Task(mountMemory().vfs);
    task.mkdir(n("/d"));
    const file = task.open(n("/d/f"), O_CREAT | O_RDWR);
    expect(task.write(file, new TextEncoder().encode("hello"))).toBe(5);
    const target = new Uint8Array(8);
    expect(task.pread(file, target, 0, 8, 1)).toBe(4);
    expect(new TextDecoder().decode(target.subarray(0, 4))).toBe("ello");
    task.close(file);
    expect(task.stat(n("/d/f"))).toMatchObject({ size: 5, mode: 0o100644, nlink: 1 });
    task.rename(n("/d/f"), n("/g"));
    expect(task.readdir(n("/"))).toEqual(["d", "g"]);
    task.unlink(n("/g"));
    task.rmdir(n("/d"));
    expect(task.readdir(n("/"))).toEqual([]);
  });
});
