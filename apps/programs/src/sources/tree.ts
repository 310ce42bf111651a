/** A directory tree with everything in it that a tree can have. */
import fs from "node:fs";
import path from "node:path";
import type { Mounted } from "../harness/on-mount.ts";
import { Random } from "../harness/random.ts";
import { run } from "../harness/running.ts";

const SIZES = [0, 1, 100, 4095, 4096, 4097, 20_000, 70_000];
const MODES = [0o644, 0o755, 0o600, 0o444, 0o4755, 0o2711];
/** Seconds since the epoch. */
const LONG_AGO = 1_000_000_000;
const SPARSE_SIZE = 64 * 2 ** 20;
const NAME_MAX = 255;
const REGULAR_FILES_PER_DIRECTORY = 12;

/** Make the tree `root`, which is not there yet, with about `count` files. */
export function writeTree(root: string, seed: number, count: number): void {
  const random = new Random(seed);
  const files: string[] = [];
  const directories = [root];
  fs.mkdirSync(root);
  for (let index = 0; index < count; index++) {
    if (index % REGULAR_FILES_PER_DIRECTORY === 0) {
      const directory = path.join(random.pick(directories), `dir-${index}`);
      fs.mkdirSync(directory);
      directories.push(directory);
    }
    const name = path.join(random.pick(directories), `file-${index}`);
    fs.writeFileSync(name, random.bytes(random.pick(SIZES)));
    fs.chownSync(name, random.below(3) * 1000, random.below(3) * 1000);
    fs.chmodSync(name, random.pick(MODES));
    files.push(name);
  }
  for (let index = 0; index < count / 10; index++) {
    const target = random.pick(files);
    fs.linkSync(target, path.join(random.pick(directories), `link-${index}`));
    const symlink = path.join(random.pick(directories), `symlink-${index}`);
    fs.symlinkSync(path.relative(path.dirname(symlink), target), symlink);
  }
  writeOddities(root, random);
  // Last, from the leaves to the root: whatever is made in a directory changes its time.
  for (const name of [...files, ...directories.toReversed()]) {
    const seconds = LONG_AGO + random.below(500_000_000);
    fs.utimesSync(name, seconds, seconds + random.below(1_000_000) / 1e6);
  }
}

function writeOddities(root: string, random: Random): void {
  fs.writeFileSync(path.join(root, "n".repeat(NAME_MAX)), "a long name");
  fs.symlinkSync("t".repeat(4000), path.join(root, "long-symlink"));
  fs.symlinkSync("nowhere", path.join(root, "dangling"));
  const bytes = Buffer.concat([
    Buffer.from(`${root}/`),
    Buffer.from([0xff, 0x0a, 0x20, 0xc3, 0x5c]),
  ]);
  fs.writeFileSync(bytes, "bytes that are no text");
  const fd = fs.openSync(path.join(root, "sparse"), "w");
  for (let index = 0; index < 12; index++) {
    fs.writeSync(fd, random.bytes(9000), 0, 9000, random.below(SPARSE_SIZE));
  }
  fs.ftruncateSync(fd, SPARSE_SIZE);
  fs.closeSync(fd);
}

/** What the host's temporary directory may not have: attributes, lists, devices, fifos. */
export async function decorateTree(mounted: Mounted, tree: string): Promise<void> {
  await mounted.shell(
    `cd ${tree}
    mkfifo fifo; mknod null c 1 3; mknod loop b 7 200; mkdir inherited
    setfacl -m u:1234:rw,g:55:r,m::rwx file-0 2>/dev/null || setfacl -m u:1234:rw "$(find . -name file-0)"
    setfacl -m u:1000:rwx,d:u:1000:rwx,d:g:2000:r-x inherited
    echo a > inherited/child; mkdir inherited/below; echo b > inherited/below/child
    for n in 1 2 3 4 5 6; do setfattr -n user.name-$n -v "value $n" inherited/child; done
    setfattr -n user.long -v "$(head -c 3000 /dev/zero | tr '\\0' x)" inherited/below/child
    setfattr -n user.empty inherited; setfattr -n trusted.of-root -v 0x00ff00 inherited
    setfattr -h -n trusted.of-link -v here dangling`,
  );
  await run("getfattr", ["-d", "inherited"], { cwd: mounted.path(tree) });
}
