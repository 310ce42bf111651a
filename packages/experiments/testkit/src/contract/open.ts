/** Step 5: opening files. */
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TRUNC,
  O_WRONLY,
} from "@xiplab/core";
import { pattern } from "../pattern.ts";
import type { Case, Group } from "./cases.ts";
import { bytesEqual, equal, fails } from "./expect.ts";
import { BLOCK, type Fixture, n } from "./fixture.ts";

export const openCases: Group<Case> = {
  title: "open",
  cases: [
    {
      name: "O_CREAT, O_EXCL, O_DIRECTORY, O_NOFOLLOW",
      run(f) {
        const advice = "core checks this: lookup must answer truly";
        fails("ENOENT", () => f.open("/f"), advice);
        f.open("/f", O_RDWR | O_CREAT);
        fails("EEXIST", () => f.open("/f", O_RDWR | O_CREAT | O_EXCL), advice);
        fails("ENOTDIR", () => f.open("/f", O_RDONLY | O_DIRECTORY), advice);
        f.mkdir("/d");
        fails("EISDIR", () => f.open("/d", O_RDWR), advice);
        f.open("/d", O_RDONLY | O_DIRECTORY);
      },
    },
    {
      name: "O_NOFOLLOW",
      needs: ["symlinks"],
      run(f) {
        f.create("/f");
        f.task.symlink(n("f"), n("/l"));
        fails("ELOOP", () => f.open("/l", O_RDONLY | O_NOFOLLOW), "the type is in the mode");
      },
    },
    {
      name: "O_TRUNC empties the file",
      run(f) {
        f.create("/f", pattern(1, 0, 10 * BLOCK));
        f.open("/f", O_RDWR | O_TRUNC);
        equal([f.stat("/f").size, f.stat("/f").blocks], [0, 0], "truncate(0) frees all blocks");
      },
    },
    {
      name: "the access mode binds",
      run(f) {
        f.create("/f", pattern(1, 0, 10));
        const [reader, writer] = [f.open("/f", O_RDONLY), f.open("/f", O_WRONLY)];
        fails("EBADF", () => f.put(reader, 0, pattern(1, 0, 1)), "core checks this");
        fails("EBADF", () => f.get(writer, 0, 1), "core checks this");
      },
    },
    { name: "two open files of one file", run: twoFiles },
    { name: "O_SYNC and O_DSYNC: durable when write returns", run: synchronous },
  ],
};

function twoFiles(f: Fixture): void {
  f.create("/f");
  const [a, b] = [f.open("/f"), f.open("/f", O_RDWR | O_APPEND)];
  f.task.write(a, pattern(1, 0, 100));
  f.task.write(b, pattern(2, 100, 100));
  f.task.write(a, pattern(3, 100, 50));
  equal([a.position, b.position], [150, 200], "each has a position of its own");
  bytesEqual(f.get(b, 100, 50), pattern(3, 100, 50), "both see one content");
  bytesEqual(f.get(a, 150, 50), pattern(2, 100, 100).subarray(50), "O_APPEND writes at the end");
}

function synchronous(f: Fixture): void {
  for (const [name, flag] of [
    ["/dsync", O_DSYNC],
    ["/sync", O_SYNC],
  ] as const) {
    const file = f.open(name, O_RDWR | O_CREAT | flag);
    const expected = f.putPattern(file, 1, 0, 5000);
    const found = f.afterPowerCut((task) => {
      const again = task.open(n(name), O_RDONLY);
      const bytes = new Uint8Array(6000);
      const got = task.pread(again, bytes, 0, bytes.length, 0);
      task.close(again);
      return bytes.subarray(0, got);
    });
    bytesEqual(found, expected, "fsync makes durable what reading the data needs: size, extents");
  }
}
