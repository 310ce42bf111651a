/**
 * The guest: an initial RAM disk with busybox, xfs_io and filefrag, whose /init mounts the emulated
 * persistent memory with `-o dax=always`, does the scenarios, and says on the serial line what they
 * left.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  createWriteStream,
  globSync,
  mkdirSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { findProgram } from "@xiplab/oracles";
import type { GuestKernel } from "./debian-kernel.ts";
import type { ExtentState, Outcome } from "./outcome.ts";
import type { Scenario, Step } from "./scenarios.ts";

/** Build the RAM disk in `work`. Returns its path. @throws Error where a program is missing */
export async function buildInitrd(
  work: string,
  kernel: GuestKernel,
  scenarios: readonly Scenario[],
): Promise<string> {
  const root = join(work, "root");
  for (const name of ["bin", "proc", "sys", "dev", "mnt", "modules"]) {
    mkdirSync(join(root, name), { recursive: true });
  }
  copyFileSync(kernel.busybox, join(root, "bin/busybox"));
  for (const module of kernel.modules) {
    copyFileSync(module, join(root, "modules", basename(module)));
  }
  for (const program of ["xfs_io", "filefrag"]) copyProgram(program, root);
  writeFileSync(join(root, "init"), initScript(kernel, scenarios));
  chmodSync(join(root, "init"), 0o755);
  const names = globSync("**", { cwd: root }).join("\n");
  const archive = execFileSync(kernel.busybox, ["cpio", "-o", "-H", "newc"], {
    cwd: root,
    input: `${names}\n`,
    maxBuffer: 2 ** 28,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const path = join(work, "initrd.gz");
  await pipeline(Readable.from([archive]), createGzip({ level: 1 }), createWriteStream(path));
  return path;
}

/** A program with the libraries that it is linked to. */
function copyProgram(name: string, root: string): void {
  const path = findProgram(name);
  if (path === null) throw new Error(`${name} is not installed`);
  copyFileSync(path, join(root, "bin", name));
  const linked = execFileSync("ldd", [path], { encoding: "utf8" });
  for (const [library] of linked.matchAll(/\/\S+/g)) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(library, join(root, library));
  }
}

const BEGIN = "@@scenario";
const EXTENTS = "@@extents";
const DIGEST = "@@digest";
const END = "@@end";

function initScript(kernel: GuestKernel, scenarios: readonly Scenario[]): string {
  const modules = kernel.modules.map((module) => basename(module)).join(" ");
  const lines = [
    "#!/bin/busybox sh",
    "/bin/busybox --install -s /bin",
    "export PATH=/bin",
    "mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev",
    `for m in ${modules}; do insmod /modules/$m || echo "@@failed insmod $m"; done`,
    "i=0; while [ ! -e /dev/pmem0 ] && [ $i -lt 200 ]; do i=$((i+1)); usleep 50000; done",
    'mount -t ext4 -o dax=always /dev/pmem0 /mnt || echo "@@failed mount -o dax=always"',
    "uname -r | sed 's/^/@@kernel /'",
  ];
  for (const { name, steps } of scenarios) {
    lines.push(`echo "${BEGIN} ${name}"`);
    lines.push(
      `xfs_io -f ${steps.map(command).join(" ")} /mnt/${name} >/dev/null || echo @@failed ${name}`,
    );
    lines.push(`echo "${EXTENTS}"; filefrag -v /mnt/${name}`);
    lines.push(`echo "${DIGEST} $(stat -c %s /mnt/${name}) $(sha256sum /mnt/${name})"`);
  }
  lines.push("sync; umount /mnt", `echo "${END}"`, "poweroff -f", "");
  return lines.join("\n");
}

function command(step: Step): string {
  switch (step.do) {
    case "falloc":
      return `-c 'falloc ${step.keep === true ? "-k " : ""}${step.pos} ${step.length}'`;
    case "write":
      return `-c 'pwrite -S ${step.fill} ${step.pos} ${step.length}'`;
    case "store": {
      const end = step.pos + step.length;
      const range = `${step.pos} ${step.length}`;
      return `-c 'mmap -rw 0 ${end}' -c 'mwrite -S ${step.fill} ${range}' -c 'msync -s' -c munmap`;
    }
    case "punch":
      return `-c 'fpunch ${step.pos} ${step.length}'`;
    case "zero":
      return `-c 'fzero ${step.pos} ${step.length}'`;
    case "collapse":
      return `-c 'fcollapse ${step.pos} ${step.length}'`;
    case "insert":
      return `-c 'finsert ${step.pos} ${step.length}'`;
    case "truncate":
      return `-c 'truncate ${step.size}'`;
  }
}

export interface GuestResult {
  readonly kernel: string;
  readonly outcomes: ReadonlyMap<string, Outcome>;
}

/** Read what the guest said. @throws Error where it failed, with what it said. */
export function parseConsole(console: string): GuestResult {
  const failed = /@@failed (.*)/.exec(console);
  if (failed !== null || !console.includes(END)) {
    const why = failed?.[1]?.trim() ?? "it did not come to its end";
    throw new Error(`the guest failed: ${why}\n${console.slice(-3_000)}`);
  }
  const outcomes = new Map<string, Outcome>();
  for (const part of console.split(BEGIN).slice(1)) {
    const name = /^ (\S+)/.exec(part)?.[1];
    const digest = new RegExp(`${DIGEST} (\\d+) ([0-9a-f]{64})`).exec(part);
    if (name === undefined || digest === null) throw new Error(`no result in: ${part}`);
    outcomes.set(name, { size: Number(digest[1]), digest: digest[2]!, extents: extentsOf(part) });
  }
  const kernel = /@@kernel (\S+)/.exec(console)?.[1] ?? "unknown";
  return { kernel, outcomes };
}

/** "   0:        0..       9:       6169..      6178:     10:             unwritten" */
function extentsOf(text: string): ExtentState[] {
  const line = /^\s*\d+:\s+(\d+)\.\.\s*(\d+):\s+(\d+)\.\.\s*\d+:\s+(\d+):(.*)$/gm;
  return Array.from(text.matchAll(line), ([, lblk, , pblk, length, rest]) => ({
    lblk: Number(lblk),
    length: Number(length),
    pblk: Number(pblk),
    unwritten: rest!.includes("unwritten"),
  }));
}
