/** Step 3: directories and names. */
import {
  type DirBatch,
  direntType,
  isDirectory,
  type Name,
  NAME_MAX,
  nameFromBytes,
  newDirBatch,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  S_IFDIR,
  S_IFMT,
} from "@xiplab/core";
import { pattern } from "../pattern.ts";
import type { Case, Group } from "./cases.ts";
import { bytesEqual, equal, fails, holds } from "./expect.ts";
import { type Fixture, n } from "./fixture.ts";

const MANY = 1000;

export const nameCases: Group<Case> = {
  title: "names",
  cases: [
    {
      name: "the root is a directory, empty but for what mkfs left and rmdir removes",
      run(f) {
        equal(f.names("/"), [], "mkfs makes a root without entries; readdir leaves out . and ..");
        const { mode, nlink, uid, gid } = f.stat("/");
        equal(mode, S_IFDIR | 0o755, "the root is a directory with permissions 0755");
        equal(
          [nlink, uid, gid],
          [2, 0, 0],
          "the root has two links (. and ..) and belongs to root",
        );
        equal(f.stat("/..").ino, f.stat("/").ino, "parentOf of the root is the root");
      },
    },
    { name: "create, lookup, readdir, unlink", run: createToUnlink },
    { name: "create is refused where it cannot be", run: createRefused },
    { name: "directories: mkdir, rmdir, link counts", run: directories },
    {
      name: "a hundred directories inside one another",
      run(f) {
        let path = "";
        for (let depth = 0; depth < 100; depth++) f.mkdir((path += "/d"));
        f.create(`${path}/f`, pattern(1, 0, 10));
        f.remount();
        bytesEqual(f.content(`${path}/f`), pattern(1, 0, 10), "lookup works at any depth");
        equal(f.stat(`${path}/../..`).ino, f.stat(path.slice(0, -4)).ino, "parentOf after a mount");
      },
    },
    { name: "names of every byte", run: everyByte },
    { name: "names of 255 bytes, not of 256", run: longNames },
    { name: "a thousand names in a directory", run: thousandNames },
    { name: "readdir cookies stay good while names come and go", run: stableCookies },
    { name: "readdir in batches of one", run: singleBatches },
    {
      name: "readdir tells inode numbers and types",
      run(f) {
        f.mkdir("/d");
        f.create("/f");
        const { names, inos, types } = f.task.scandir(n("/"));
        const found = names.map((name, index) => [name, inos[index], types[index]]);
        const expected = ["d", "f"].map((name) => {
          const { ino, mode } = f.stat(`/${name}`);
          return [name, ino, direntType(mode)];
        });
        equal(found.sort(), expected, "inos and types (DT_*) go with the names of the batch");
      },
    },
  ],
};

function createToUnlink(f: Fixture): void {
  f.create("/a");
  f.create("/b");
  equal(f.names("/"), ["a", "b"], "readdir lists what create made");
  holds(f.stat("/a").ino !== f.stat("/b").ino, "two files share an inode", "create allocates one");
  f.remount();
  equal(f.names("/"), ["a", "b"], "names are on the medium");
  f.task.unlink(n("/a"));
  equal(f.names("/"), ["b"], "unlink removes the name, and that one only");
  fails("ENOENT", () => f.stat("/a"), "lookup answers NO_INO for a name that is gone");
  f.create("/a");
  equal(f.names("/"), ["a", "b"], "a name can be used again");
}

function createRefused(f: Fixture): void {
  f.create("/f");
  fails("EEXIST", () => f.create("/f"), "lookup finds the name");
  fails("ENOTDIR", () => f.create("/f/x"), "the type of an inode is in its mode");
  fails("ENOENT", () => f.create("/no/x"), "lookup answers NO_INO for a missing name");
  fails("ENOENT", () => f.task.unlink(n("/no")), "lookup answers NO_INO for a missing name");
  equal(f.names("/"), ["f"], "a refused operation changes nothing");
}

function directories(f: Fixture): void {
  f.mkdir("/d");
  equal([f.stat("/d").nlink, f.stat("/").nlink], [2, 3], "a directory adds a link to its parent");
  f.mkdir("/d/e");
  equal([f.stat("/d").nlink, f.stat("/").nlink], [3, 3], "the parent alone gains a link");
  fails("ENOTEMPTY", () => f.task.rmdir(n("/d")), "isEmpty is false while there are names");
  fails("EISDIR", () => f.task.unlink(n("/d")), "the type of an inode is in its mode");
  f.create("/f");
  fails("ENOTDIR", () => f.task.rmdir(n("/f")), "the type of an inode is in its mode");
  equal(f.stat("/d/e/..").ino, f.stat("/d").ino, "parentOf tells where a directory stands");
  f.task.rmdir(n("/d/e"));
  equal(f.stat("/d").nlink, 2, "unlink of a directory takes the link of its .. away");
  f.task.rmdir(n("/d"));
  equal([f.stat("/").nlink, f.names("/")], [2, ["f"]], "and the name");
}

function everyByte(f: Fixture): void {
  const names: string[] = [];
  for (let byte = 1; byte < 256; byte++) {
    const name = nameFromBytes(Uint8Array.of(byte));
    if (name === "/" || name === ".") continue;
    names.push(name, `${name}${name}x`);
  }
  f.mkdir("/d");
  const at = (name: string): Name => `/d/${name}` as Name;
  for (const name of names) f.task.close(f.task.open(at(name), O_CREAT | O_RDWR));
  const advice = "a name is bytes: any but / and NUL, and not UTF-8; compare and store it as it is";
  equal(f.task.readdir(n("/d")).sort(), names.sort(), advice);
  f.remount();
  equal(f.task.readdir(n("/d")).sort(), names.sort(), advice);
  for (const name of names) f.task.unlink(at(name));
  equal(f.names("/d"), [], advice);
}

function longNames(f: Fixture): void {
  const long = "n".repeat(NAME_MAX);
  f.create(`/${long}`);
  f.create(`/${long.slice(1)}m`);
  fails("ENAMETOOLONG", () => f.create(`/${long}n`), "nameMax is 255");
  f.remount();
  equal(f.names("/"), [`${long.slice(1)}m`, long], "names of 255 bytes fit, and differ at the end");
  equal(f.task.statfs().nameMax, NAME_MAX, "statfs tells nameMax");
}

function thousandNames(f: Fixture): void {
  f.mkdir("/d");
  const names = Array.from({ length: MANY }, (_, index) => `name-${index}`.padEnd(12, "."));
  for (const name of names) f.create(`/d/${name}`);
  equal(f.names("/d"), names.toSorted(), "directories grow");
  const kept = names.filter((_, index) => index % 3 === 0);
  for (const [index, name] of names.entries()) if (index % 3 !== 0) f.task.unlink(n(`/d/${name}`));
  equal(f.names("/d"), kept.toSorted(), "unlink leaves the other names alone");
  f.remount();
  equal(f.names("/d"), kept.toSorted(), "and so on the medium");
  for (const name of names) if (!kept.includes(name)) f.create(`/d/${name}`);
  equal(f.names("/d"), names.toSorted(), "the room of removed names is used again");
}

function stableCookies(f: Fixture): void {
  f.mkdir("/d");
  for (let index = 0; index < 200; index++) {
    f.create(`/d/goes-${index}`);
    f.create(`/d/stays-${index}`);
  }
  const file = f.open("/d", O_RDONLY | O_DIRECTORY);
  const batch = newDirBatch();
  let more = true;
  for (let round = 0; more; round++) {
    more = f.task.getdents(file, batch, 7);
    // Before and behind the place where the listing stands.
    for (const index of [round, 199 - round]) {
      if (f.names("/d").includes(`goes-${index}`)) f.task.unlink(n(`/d/goes-${index}`));
    }
    if (round < 30) f.create(`/d/new-${round}`);
  }
  const seen = batch.names.filter((name) => name.startsWith("stays-")).sort();
  const expected = Array.from({ length: 200 }, (_, index) => `stays-${index}`).sort();
  const advice =
    "a name that is there all the time is listed exactly once: a cookie is a place that does not " +
    "move when other names come and go, such as an offset or a hash, not a count of entries";
  equal(seen, expected, advice);
}

function singleBatches(f: Fixture): void {
  for (const name of ["a", "b", "c"]) f.create(`/${name}`);
  const file = f.open("/", O_RDONLY | O_DIRECTORY);
  const batch: DirBatch = newDirBatch();
  let rounds = 0;
  while (f.task.getdents(file, batch, 1)) rounds++;
  const advice = "readdir appends at most `max` entries, and goes on after the cookie";
  equal(batch.names.toSorted(), [".", "..", "a", "b", "c"], advice);
  holds(rounds <= 5, `${rounds} rounds for 5 entries`, advice);
  equal(new Set(batch.cookies).size, 5, "each entry has a cookie of its own");
}

export const renameCases: Group<Case> = {
  title: "rename",
  cases: [
    { name: "a file to a new name", run: renameToNew },
    { name: "over a file", run: renameOver },
    { name: "over an open file, which lives on", run: renameOverOpen },
    { name: "a directory to another directory", run: renameDirectory },
    { name: "a directory over an empty one", run: renameOverDirectory },
    { name: "is refused where types do not fit", run: renameRefused },
    {
      name: "NOREPLACE",
      run(f) {
        f.create("/a");
        f.create("/b");
        const advice = "core handles RENAME_NOREPLACE: lookup must find the name";
        fails("EEXIST", () => f.task.rename(n("/a"), n("/b"), RENAME_NOREPLACE), advice);
        f.task.rename(n("/a"), n("/c"), RENAME_NOREPLACE);
        equal(f.names("/"), ["b", "c"], "rename with displaced = null makes the new name");
      },
    },
    { name: "EXCHANGE of files", needs: ["renameExchange"], run: exchangeFiles },
    {
      name: "EXCHANGE of a file and a directory",
      needs: ["renameExchange"],
      run: exchangeFileAndDirectory,
    },
    {
      name: "onto another name of the same file does nothing",
      needs: ["hardLinks"],
      run(f) {
        f.create("/a");
        f.task.link(n("/a"), n("/b"));
        f.task.rename(n("/a"), n("/b"));
        equal([f.names("/"), f.stat("/a").nlink], [["a", "b"], 2], "POSIX: both names stay");
      },
    },
  ],
};

function renameToNew(f: Fixture): void {
  f.create("/a", pattern(1, 0, 100));
  f.mkdir("/d");
  const { ino } = f.stat("/a");
  f.task.rename(n("/a"), n("/b"));
  f.task.rename(n("/b"), n("/d/c"));
  equal([f.names("/"), f.names("/d")], [["d"], ["c"]], "one name goes, the other comes");
  equal(f.stat("/d/c").ino, ino, "the inode stays the same");
  bytesEqual(f.content("/d/c"), pattern(1, 0, 100), "and its content");
}

function renameOver(f: Fixture): void {
  f.create("/a", pattern(1, 0, 10_000));
  f.create("/b", pattern(2, 0, 20_000));
  f.task.rename(n("/a"), n("/b"));
  equal(f.names("/"), ["b"], "the displaced file loses its name");
  bytesEqual(f.content("/b"), pattern(1, 0, 10_000), "the name leads to the file that moved");
}

function renameOverOpen(f: Fixture): void {
  f.create("/a", pattern(1, 0, 5000));
  f.create("/b", pattern(2, 0, 5000));
  const file = f.open("/b");
  f.task.rename(n("/a"), n("/b"));
  equal(f.task.fstat(file).nlink, 0, "rename takes a link of `displaced`");
  bytesEqual(f.get(file, 0, 5000), pattern(2, 0, 5000), "its blocks stay until evict");
}

function renameDirectory(f: Fixture): void {
  f.mkdir("/x");
  f.mkdir("/y");
  f.mkdir("/x/d");
  f.create("/x/d/f");
  f.task.rename(n("/x/d"), n("/y/e"));
  equal([f.stat("/x").nlink, f.stat("/y").nlink], [2, 3], "the .. of a directory moves a link");
  equal(f.stat("/y/e/..").ino, f.stat("/y").ino, "parentOf tells the new parent");
  const { ino } = f.stat("/y/e");
  f.remount();
  equal(f.parentOf(ino), f.stat("/y").ino, "parentOf an inode that is known by its number alone");
  equal([f.names("/x"), f.names("/y/e")], [[], ["f"]], "what is inside moves along");
}

function renameOverDirectory(f: Fixture): void {
  for (const path of ["/a", "/b", "/c", "/a/in", "/c/in"]) f.mkdir(path);
  f.task.rename(n("/a"), n("/b"));
  equal([f.names("/"), f.stat("/").nlink], [["b", "c"], 4], "the empty directory is displaced");
  equal(f.names("/b"), ["in"], "and the name leads to the one that moved");
  const advice = "isEmpty is false while there are names";
  fails("ENOTEMPTY", () => f.task.rename(n("/b"), n("/c")), advice);
}

function renameRefused(f: Fixture): void {
  f.mkdir("/d");
  f.mkdir("/d/e");
  f.create("/f");
  const advice = "core checks this: mode must tell the type, parentOf the parent";
  fails("EISDIR", () => f.task.rename(n("/f"), n("/d")), advice);
  fails("ENOTDIR", () => f.task.rename(n("/d"), n("/f")), advice);
  fails("EINVAL", () => f.task.rename(n("/d"), n("/d/e/x")), advice);
  fails("ENOTEMPTY", () => f.task.rename(n("/d/e"), n("/d")), advice);
  fails("ENOENT", () => f.task.rename(n("/no"), n("/x")), advice);
  equal([f.names("/"), f.names("/d")], [["d", "f"], ["e"]], "a refused rename changes nothing");
}

function exchangeFiles(f: Fixture): void {
  f.mkdir("/d");
  f.create("/a", pattern(1, 0, 100));
  f.create("/d/b", pattern(2, 0, 200));
  const before = [f.stat("/a").ino, f.stat("/d/b").ino];
  f.tick();
  f.task.rename(n("/a"), n("/d/b"), RENAME_EXCHANGE);
  equal([f.stat("/d/b").ino, f.stat("/a").ino], before, "both names stay, the inodes swap");
  const { sec } = f.volume.clock.time;
  const times = [f.stat("/a").ctimeSec, f.stat("/d/b").ctimeSec, f.stat("/d").mtimeSec];
  equal(times, [sec, sec, sec], "ctime of both files and mtime of both directories move");
  fails("ENOENT", () => f.task.rename(n("/a"), n("/no"), RENAME_EXCHANGE), "both must be there");
}

function exchangeFileAndDirectory(f: Fixture): void {
  f.mkdir("/x");
  f.mkdir("/x/d");
  f.create("/x/d/in");
  f.create("/f", pattern(1, 0, 10));
  f.task.rename(n("/f"), n("/x/d"), RENAME_EXCHANGE);
  equal([f.stat("/").nlink, f.stat("/x").nlink], [4, 2], "the .. of the directory moves a link");
  holds(isDirectory(f.stat("/f").mode), "no directory", "readdir and lookup tell the new type");
  const { ino } = f.stat("/f");
  f.remount();
  equal(f.parentOf(ino), f.stat("/").ino, "parentOf tells the new parent");
  equal([f.names("/f"), f.stat("/f").mode & S_IFMT], [["in"], S_IFDIR], "after a mount too");
}
