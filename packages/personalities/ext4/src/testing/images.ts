/** Images with a bit of everything, made here, for tests that break them. */
import {
  counterClock,
  FALLOC_FL_KEEP_SIZE,
  mkfs,
  mount,
  nameFromUtf8,
  O_CREAT,
  O_RDWR,
  O_TMPFILE,
  type OptionValues,
  Pmem,
  PURPOSE_DATA,
  S_IFCHR,
  S_IFIFO,
  Task,
} from "@xiplab/core";
import { ext4 } from "../index.ts";

const n = nameFromUtf8;
/** Names so long that few of them make a hash tree. */
const LONG = "n".repeat(240);

function put(task: Task, path: string, size: number, pos = 0): void {
  const file = task.open(n(path), O_CREAT | O_RDWR);
  const bytes = new Uint8Array(size).fill(path.length);
  task.pwrite(file, bytes, 0, size, pos);
  task.close(file);
}

/** Files with holes, unwritten extents and a tree of extents, or with indirect blocks. */
function putFiles(task: Task): void {
  put(task, "/small", 700);
  put(task, "/d/long", 100, 5_000_000);
  for (let index = 0; index < 12; index++) put(task, "/d/scattered", 10, index * 65_536);
  const file = task.open(n("/d/prepared"), O_CREAT | O_RDWR);
  try {
    task.fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 200_000);
  } catch {
    // Formats without extents have no unwritten blocks.
  }
  task.pwrite(file, new Uint8Array(5000), 0, 5000, 40_000);
  task.close(file);
}

function putNames(task: Task, count: number): void {
  for (let index = 0; index < count; index++) put(task, `/many/${index}${LONG}`, 0);
  task.link(n("/small"), n("/also"));
  task.symlink(n("/small"), n("/fast"));
  task.symlink(n("x".repeat(300)), n("/slow"));
  task.mknod(n("/fifo"), S_IFIFO | 0o600);
  task.mknod(n("/null"), S_IFCHR | 0o600, 0x103);
  for (let index = 0; index < 4; index++) task.mkdir(n(`/d/e${index}`));
  task.rmdir(n("/d/e2"));
  put(task, "/d/gone", 100);
  task.unlink(n("/d/gone"));
}

function putXattrs(task: Task): void {
  task.setxattr(n("/small"), n("user.in"), new Uint8Array(8).fill(1));
  task.setxattr(n("/small"), n("user.out"), new Uint8Array(500).fill(2));
  task.setxattr(n("/d/long"), n("user.out"), new Uint8Array(500).fill(2));
  task.setxattr(n("/d"), n("trusted.t"), new Uint8Array(0));
}

/** What stands in it depends on the options alone. `many`: names in the directory with a tree. */
export function populatedImage(size: number, options: OptionValues, many: number): Pmem {
  const device = new Pmem(size);
  const clock = counterClock();
  mkfs(ext4, device, options, { clock });
  const blockSize = Number(options["blockSize"] ?? "4096");
  const data = blockSize === 4096 ? "xip" : "nodelalloc";
  const vfs = mount(ext4, device, { data }, { clock });
  const task = new Task(vfs);
  for (const path of ["/d", "/d/deep", "/many"]) task.mkdir(n(path));
  putFiles(task);
  putNames(task, many);
  putXattrs(task);
  vfs.unmount();
  return device;
}

/** Populated, and as a power cut leaves it: changes in the log alone, files without a name. */
export function dirtyImage(size: number, options: OptionValues, many: number): Pmem {
  const device = populatedImage(size, options, many);
  const task = new Task(mount(ext4, device, {}, { clock: counterClock() }));
  const unnamed = task.open(n("/d"), O_TMPFILE | O_RDWR);
  task.pwrite(unnamed, new Uint8Array(9000), 0, 9000, 0);
  task.open(n("/d/scattered"), O_RDWR);
  task.unlink(n("/d/scattered"));
  for (let index = 0; index < many; index += 2) task.unlink(n(`/many/${index}${LONG}`));
  put(task, "/late", 20_000);
  task.syncfs();
  const bytes = new Uint8Array(size);
  device.load(0, bytes, 0, size);
  const copy = new Pmem(size);
  copy.store(0, bytes, 0, size, PURPOSE_DATA);
  return copy;
}
