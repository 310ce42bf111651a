/** Images that mkfs.ext4 makes and the kernel fills with a bit of everything that a check reads. */
import { mkfsExt4, run, runOrThrow, withLoopMount } from "@xiplab/oracles";

/** What the tests need of the machine. */
export const RICH_NEEDS = ["mkfs.ext4", "e2fsck", "loop", "setfattr", "setfacl", "xfs_io"];

/** In the mounted directory. Fails only where it says so: old formats lack this or that. */
const FILL = `
mkdir -p a/b/c/d/e/f
for i in 1 2 3 4 5 6 7 8; do head -c $((i * 1777)) /dev/zero | tr '\\0' x > a/b/file$i; done
ln -s short fast; ln -s $(printf 'y%.0s' $(seq 200)) slow
ln -s $(printf 'z%.0s' $(seq 59)) fast59; ln -s $(printf 'z%.0s' $(seq 60)) slow60
echo 1 > h1; ln h1 h2; ln h1 a/h3
mknod chr c 5 1; mknod blk b 259 70000; mkfifo fifo
for i in 0 2 4 9 40 300 301 302; do echo x | dd of=sparse bs=4096 seek=$i conv=notrunc 2>&1; done
fallocate -l 200K unwritten && echo x | dd of=unwritten bs=4096 seek=10 conv=notrunc 2>&1
echo x > beyond; fallocate -n -l 100K beyond
truncate -s 5000000000 long
for i in 1 2 3; do echo x > xa$i; setfattr -n user.shared -v $(printf 'v%.0s' $(seq 300)) xa$i; done
echo x > xin; setfattr -n user.small -v twenty xin; setfattr -n user.more -v 2 xin
echo x > xboth; setfattr -n user.a -v $(printf '1%.0s' $(seq 60)) xboth
setfattr -n user.b -v $(printf '2%.0s' $(seq 300)) xboth; setfattr -n trusted.c -v 333 xboth
setfacl -m u:1000:rwx,d:u:1001:r a
mkdir many deleted
for i in $(seq 10); do echo $i > deleted/$i; done; rm deleted/2 deleted/4 deleted/9
mkdir deleted/dir; rmdir deleted/dir
`;

/** Names long enough that few stand in a block: FILES of them make a tree of the depth asked for. */
const manyNames = (count: number): string =>
  `seq -f "many/name-%05g-$(printf 'n%.0s' $(seq 180))" ${count} | xargs touch`;

/** Single blocks, each its own extent: enough of them make an extent tree of depth 1 or 2. */
const manyExtents = (count: number): string =>
  `seq -f "pwrite %.0f 1" 0 8192 $((${count} * 8192)) | xfs_io -f extents`;

const UUID = "01234567-89ab-cdef-0123-456789abcdef";

export interface RichOptions {
  /** Bytes. */
  readonly size: number;
  /** For mkfs.ext4. */
  readonly mkfs: readonly string[];
  readonly names: number;
  readonly extents: number;
}

/** Make such an image in `file`. */
export function makeRichImage(file: string, options: RichOptions): void {
  mkfsExt4(file, options.size, ["-U", UUID, "-E", `hash_seed=${UUID}`, ...options.mkfs]);
  withLoopMount(file, {}, ({ directory }) => {
    const script = `cd ${directory}\n${FILL}\n${manyNames(options.names)}\n`;
    run("sh", ["-c", `${script}${manyExtents(options.extents)}`]);
    // Whatever failed before: these the check is to be tried on.
    runOrThrow("sh", ["-c", `cd ${directory} && test -s h1 && test -d many && sync`]);
  });
}
