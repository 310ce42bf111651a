/**
 * `pnpm kernel-dax`: the same operations on real DAX and on XIP, compared.
 *
 * Debian's kernel runs under qemu with a part of its RAM declared persistent memory, mounts an image
 * that was made here with `-o dax=always`, and does the scenarios; xiplab does them on a copy of the
 * image, once for each write protocol. Contents have to be equal under every sound protocol, both
 * images clean for e2fsck, and the kernel's image is read back here. Extent states may differ: what
 * and why stands in docs/internals/ext4-dax.md.
 */
import * as fs from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  mkfs,
  mount,
  nameFromUtf8,
  openHostFile,
  type PmemDevice,
  ROOT,
  SoundProtocols,
  Task,
  type WriteProtocolName,
  WriteProtocolNames,
} from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { e2fsck } from "@xiplab/oracles";
import { debianKernel } from "./debian-kernel.ts";
import { buildInitrd, type GuestResult, parseConsole } from "./guest.ts";
import { outcomeOf, playHere } from "./here.ts";
import { extentText, type Outcome, pieces } from "./outcome.ts";
import { boot } from "./qemu.ts";
import { Scenarios } from "./scenarios.ts";

const HELP = `kernel-dax: the same file operations on Linux's DAX and on xiplab's XIP, compared

Usage: npx -y pnpm@12 kernel-dax [options]

Needs Debian with qemu-system-x86, xfsprogs and e2fsprogs; fetches a kernel and busybox from
Debian's packages, once, into the cache. Takes about a minute.

  --cache DIR   where the kernel is kept (default: ~/.cache/xiplab)
  --json FILE   write every outcome too
  --help        this text

Exit code 0: contents are equal under every sound protocol, and all images are clean; 1: not so.
`;

const IMAGE_SIZE = 128 * 2 ** 20;
const WHO_WIDTH = 52;

type Outcomes = ReadonlyMap<string, Outcome>;

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      cache: { type: "string", default: join(homedir(), ".cache", "xiplab") },
      json: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return print(HELP);
  const work = fs.mkdtempSync(join(tmpdir(), "xiplab-kernel-dax-"));
  try {
    const guest = await runGuest(work, values.cache);
    const problems = [...guest.problems];
    const here = new Map<WriteProtocolName, Outcomes>();
    for (const protocol of WriteProtocolNames)
      here.set(protocol, runHere(work, protocol, problems));
    print(`Linux ${guest.result.kernel}, ext4 -o dax=always, beside xiplab's ext4, data=xip.\n`);
    print("Blocks of 4 KiB; u: unwritten.\n\n");
    print(`${extentTable(guest.result.outcomes, here)}\n`);
    compareContents(guest.result.outcomes, here, problems);
    if (values.json !== undefined) writeJson(values.json, guest.result, here);
    for (const problem of problems) print(`PROBLEM: ${problem}\n`);
    if (problems.length === 0) {
      print("Contents are equal under every sound protocol; all images are clean for e2fsck.\n");
    }
    return problems.length === 0 ? 0 : 1;
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

async function runGuest(work: string, cache: string) {
  const image = join(work, "kernel.img");
  makeImage(image);
  const kernel = debianKernel(cache, say);
  say("building the guest");
  const initrd = await buildInitrd(work, kernel, Scenarios);
  say("running the kernel under qemu");
  const console = await boot({
    work,
    vmlinuz: kernel.vmlinuz,
    initrd,
    image,
    imageSize: IMAGE_SIZE,
  });
  const result = parseConsole(console);
  const problems = fsck(image, "the kernel's image");
  for (const { name } of Scenarios) {
    const read = readBack(image, name);
    const told = result.outcomes.get(name);
    if (told === undefined) problems.push(`${name}: the guest told nothing`);
    else if (read.digest !== told.digest || extentText(read) !== extentText(told)) {
      problems.push(`${name}: the kernel's file reads otherwise here: ${extentText(read)}`);
    }
  }
  return { result, problems };
}

function runHere(work: string, protocol: WriteProtocolName, problems: string[]): Outcomes {
  say(`xiplab, unwritten=${protocol}`);
  const image = join(work, `${protocol}.img`);
  makeImage(image);
  const outcomes = new Map<string, Outcome>();
  withDevice(image, (device) => {
    const vfs = mount(ext4, device, { data: "xip", unwritten: protocol });
    const task = new Task(vfs, { credentials: ROOT, umask: 0o022 });
    for (const scenario of Scenarios) outcomes.set(scenario.name, playHere(task, scenario));
    vfs.unmount();
  });
  problems.push(...fsck(image, `the image of unwritten=${protocol}`));
  fs.rmSync(image);
  return outcomes;
}

function makeImage(path: string): void {
  const host = openHostFile(fs, path, { size: IMAGE_SIZE, create: true });
  try {
    mkfs(ext4, host.device);
  } finally {
    host.close();
  }
}

function withDevice<T>(path: string, body: (device: PmemDevice) => T): T {
  const host = openHostFile(fs, path);
  try {
    return body(host.device);
  } finally {
    host.close();
  }
}

function readBack(path: string, name: string): Outcome {
  return withDevice(path, (device) => {
    const vfs = mount(ext4, device, { ro: "1" });
    const task = new Task(vfs, { credentials: ROOT, umask: 0o022 });
    const file = task.open(nameFromUtf8(`/${name}`), 0, 0);
    const outcome = outcomeOf(task, file);
    task.close(file);
    vfs.unmount();
    return outcome;
  });
}

function fsck(image: string, what: string): string[] {
  const { clean, output } = e2fsck(image);
  return clean ? [] : [`${what} is not clean: ${output}`];
}

/** Per scenario a line for each outcome, with everybody who came to it. */
function extentTable(kernel: Outcomes, here: ReadonlyMap<WriteProtocolName, Outcomes>): string {
  const lines: string[] = [];
  for (const { name, about } of Scenarios) {
    const told = kernel.get(name)!;
    const who = new Map<string, string[]>([[outcomeText(told, told), ["kernel"]]]);
    for (const [protocol, outcomes] of here) {
      const text = outcomeText(outcomes.get(name)!, told);
      who.set(text, [...(who.get(text) ?? []), protocol]);
    }
    lines.push(`${name}: ${about}`);
    for (const [text, names] of who) lines.push(`  ${names.join(", ").padEnd(WHO_WIDTH)}  ${text}`);
    lines.push("");
  }
  return lines.join("\n");
}

/** Blocks by state, in how many pieces on the device, and whether the content is another. */
function outcomeText(outcome: Outcome, kernel: Outcome): string {
  const count = pieces(outcome);
  const differs = outcome.digest === kernel.digest ? "" : ", CONTENT DIFFERS";
  return `${extentText(outcome)}  (${count} ${count === 1 ? "piece" : "pieces"}${differs})`;
}

function compareContents(
  kernel: Outcomes,
  here: ReadonlyMap<WriteProtocolName, Outcomes>,
  problems: string[],
): void {
  for (const protocol of SoundProtocols) {
    for (const { name } of Scenarios) {
      const mine = here.get(protocol)!.get(name)!;
      const told = kernel.get(name)!;
      if (mine.digest === told.digest && mine.size === told.size) continue;
      problems.push(`${name}: contents under unwritten=${protocol} are not the kernel's`);
    }
  }
}

function writeJson(
  path: string,
  { kernel, outcomes }: GuestResult,
  here: ReadonlyMap<WriteProtocolName, Outcomes>,
): void {
  const protocols = Object.fromEntries(
    Array.from(here, ([protocol, mine]) => [protocol, Object.fromEntries(mine)]),
  );
  const all = { kernel, outcomes: Object.fromEntries(outcomes), protocols };
  fs.writeFileSync(path, `${JSON.stringify(all, null, 2)}\n`);
}

function say(text: string): void {
  process.stderr.write(`${text} …\n`);
}

function print(text: string): 0 {
  process.stdout.write(text);
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`kernel-dax: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
