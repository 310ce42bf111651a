/**
 * A kernel to boot, and the modules and programs that the guest needs: from Debian's packages,
 * downloaded once into a cache directory.
 */
import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

export interface GuestKernel {
  readonly vmlinuz: string;
  /** In the order in which they are loaded. */
  readonly modules: readonly string[];
  readonly busybox: string;
}

/** Debian builds these as modules. */
const MODULES = [
  "lib/crc16",
  "crypto/crc32c_generic",
  "lib/libcrc32c",
  "fs/mbcache",
  "fs/jbd2/jbd2",
  "fs/ext4/ext4",
  "drivers/nvdimm/libnvdimm",
  "drivers/nvdimm/nd_btt",
  "drivers/nvdimm/nd_pmem",
  "drivers/nvdimm/nd_e820",
];

/** @throws Error where there is no apt, or no such package. */
export function debianKernel(cache: string, say: (text: string) => void): GuestKernel {
  mkdirSync(cache, { recursive: true });
  const kernel = join(cache, "kernel");
  if (!existsSync(kernel)) {
    say("fetching Debian's kernel (about 70 MB, once)");
    unpack(kernelPackage(), kernel);
  }
  const busybox = join(cache, "busybox");
  if (!existsSync(busybox)) unpack("busybox-static", busybox);
  const [vmlinuz] = globSync(join(kernel, "boot/vmlinuz-*"));
  const [tree] = globSync(join(kernel, "{lib,usr/lib}/modules/*/kernel"));
  const [program] = globSync(join(busybox, "{bin,usr/bin}/busybox"));
  if (vmlinuz === undefined || tree === undefined || program === undefined) {
    throw new Error(`${cache} has no kernel, modules or busybox: remove it and try again`);
  }
  const modules = MODULES.flatMap((name) => globSync(join(tree, `${name}.ko*`)));
  return { vmlinuz, modules, busybox: program };
}

function kernelPackage(): string {
  const text = execFileSync("apt-cache", ["depends", "linux-image-amd64"], { encoding: "utf8" });
  const name = /Depends: (linux-image-\S+)/.exec(text)?.[1];
  if (name === undefined) throw new Error("apt knows no linux-image-amd64: run apt-get update");
  return name;
}

/** Whole or not at all, so that an interrupted run leaves nothing that looks complete. */
function unpack(name: string, target: string): void {
  const work = `${target}.part`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  execFileSync("apt-get", ["download", name], { cwd: work, stdio: ["ignore", "ignore", "pipe"] });
  const [file] = globSync(join(work, "*.deb"));
  if (file === undefined) throw new Error(`apt-get download ${name} left no package`);
  execFileSync("dpkg-deb", ["-x", file, work]);
  rmSync(file);
  renameSync(work, target);
}
