/**
 * Work on whole images. Mounting: the file opened, the image mounted, its root directory listed, all
 * closed; nothing is kept between two mounts but what the host's page cache has of the file. And a
 * full check of an image in memory.
 */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mkfs, mount, type Name, O_CREAT, O_RDWR, openHostFile, Pmem, Task } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import type { Batch } from "./batch.ts";
import { CHECK, MOUNT_SPARSE } from "./catalog.ts";

const SPARSE_BYTES = 2 ** 40;
const KERNEL_BYTES = 8 * 2 ** 30;
const KERNEL_FILES = 100_000;
const FILES_PER_DIRECTORY = 1_000;

const CHECK_BYTES = 32 * 2 ** 20;
const CHECK_FILES = 200;
const CHECK_FILE_BYTES = 6_000;

/** @throws Error where the image cannot be made: the kernel's needs root, mkfs.ext4 and loop devices */
export function prepareImage(op: string): Batch {
  if (op === CHECK) return prepareCheck();
  const directory = fs.mkdtempSync(join(tmpdir(), "xiplab-bench-mount-"));
  const image = join(directory, "image");
  const remove = (): void => fs.rmSync(directory, { recursive: true, force: true });
  try {
    if (op === MOUNT_SPARSE) makeSparse(image);
    else makeWithKernel(image, directory);
  } catch (error) {
    remove();
    throw error;
  }
  return {
    ops: 1,
    run: () => mountOnce(image),
    end: remove,
  };
}

/** An image with files in one directory, looked at again and again. */
function prepareCheck(): Batch {
  const device = new Pmem(CHECK_BYTES);
  mkfs(ext4, device);
  const vfs = mount(ext4, device);
  const task = new Task(vfs);
  const content = new Uint8Array(CHECK_FILE_BYTES).fill(1);
  for (let index = 0; index < CHECK_FILES; index++) {
    const file = task.open(`/file-${index}` as Name, O_CREAT | O_RDWR, 0o644);
    task.write(file, content);
    task.close(file);
  }
  vfs.unmount();
  return {
    ops: 1,
    run: () => {
      const { findings } = ext4.check(device);
      if (findings.length > 0) throw new Error("the image is sound");
    },
  };
}

function mountOnce(image: string): void {
  const host = openHostFile(fs, image);
  const vfs = mount(ext4, host.device, { noatime: "1" });
  const names = new Task(vfs).readdir("/" as Name);
  if (names.length === 0) throw new Error("the root of an ext4 has lost+found");
  vfs.unmount();
  host.close();
}

function makeSparse(image: string): void {
  const host = openHostFile(fs, image, { size: SPARSE_BYTES, create: true });
  mkfs(ext4, host.device);
  host.close();
}

/** Made by mkfs.ext4, filled by the kernel through a loop device. */
function makeWithKernel(image: string, directory: string): void {
  fs.writeFileSync(image, "");
  fs.truncateSync(image, KERNEL_BYTES);
  const mountPoint = join(directory, "mounted");
  fs.mkdirSync(mountPoint);
  execFileSync("mkfs.ext4", ["-q", "-F", image]);
  execFileSync("mount", ["-o", "loop", image, mountPoint]);
  try {
    for (let index = 0; index < KERNEL_FILES; index++) {
      const parent = join(mountPoint, `directory-${Math.floor(index / FILES_PER_DIRECTORY)}`);
      if (index % FILES_PER_DIRECTORY === 0) fs.mkdirSync(parent);
      fs.writeFileSync(join(parent, `file-${index}`), "x");
    }
  } finally {
    execFileSync("umount", [mountPoint]);
  }
}
