/**
 * Boot a kernel whose persistent memory is our image: a part of the guest's RAM that `memmap=` on
 * its command line declares to be such. RAM is a file, so the image is a range of that file.
 */
import { execFileSync, spawn } from "node:child_process";
import { rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const MIB = 2 ** 20;
/** Where the guest's RAM becomes persistent memory. */
const PMEM_AT = 512 * MIB;
const TIMEOUT_MS = 300_000;

export interface Boot {
  readonly work: string;
  readonly vmlinuz: string;
  readonly initrd: string;
  /** Changed in place by the guest. */
  readonly image: string;
  readonly imageSize: number;
}

/** Run until the guest powers off. Returns what it wrote to its serial line. */
export async function boot({ work, vmlinuz, initrd, image, imageSize }: Boot): Promise<string> {
  const ram = join(work, "ram");
  const ramSize = PMEM_AT + imageSize + 128 * MIB;
  writeFileSync(ram, "");
  truncateSync(ram, ramSize);
  try {
    copy(image, ram, ["seek", PMEM_AT / MIB], imageSize);
    const options = {
      accel: "tcg",
      cpu: "max",
      m: `${ramSize / MIB}M`,
      machine: "pc,memory-backend=ram",
      object: `memory-backend-file,id=ram,share=on,mem-path=${ram},size=${ramSize}`,
      kernel: vmlinuz,
      initrd,
      append: `console=ttyS0 quiet panic=-1 memmap=${imageSize}!${PMEM_AT}`,
      display: "none",
      serial: "stdio",
      monitor: "none",
      nic: "none",
    };
    const words = Object.entries(options).flatMap(([name, value]) => [`-${name}`, value]);
    const console = await run([...words, "-no-reboot"]);
    copy(ram, image, ["skip", PMEM_AT / MIB], imageSize);
    return console;
  } finally {
    rmSync(ram, { force: true });
  }
}

function copy(from: string, to: string, [where, at]: [string, number], size: number): void {
  const place = [`${where}=${at}`, `count=${size / MIB}`];
  execFileSync("dd", [`if=${from}`, `of=${to}`, "bs=1M", "conv=notrunc", "status=none", ...place]);
}

function run(args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const qemu = spawn("qemu-system-x86_64", args, { stdio: ["ignore", "pipe", "pipe"] });
    let console = "";
    let complaints = "";
    const timer = setTimeout(() => qemu.kill("SIGKILL"), TIMEOUT_MS);
    qemu.stdout.on("data", (data: Uint8Array) => (console += Buffer.from(data).toString()));
    qemu.stderr.on("data", (data: Uint8Array) => (complaints += Buffer.from(data).toString()));
    qemu.on("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      const missing = error.code === "ENOENT";
      reject(missing ? new Error("qemu-system-x86_64 is not installed") : error);
    });
    qemu.on("close", (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(console);
      else reject(new Error(`qemu ended with ${code}: ${complaints}\n${console.slice(-2_000)}`));
    });
  });
}
