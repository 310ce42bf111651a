/**
 * Proven here: however a mount ends, the image is sound afterwards, holds what had been written (what
 * was synced, where the server was killed), and people are told what happened.
 */
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { ext4 } from "@xiplab/ext4";
import { requireOracle } from "@xiplab/oracles";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { takeWord } from "./failure-log.ts";
import { mountAt } from "./mount-table.ts";
import { processStart } from "./processes.ts";
import { MAIN, MountSandbox, NEEDS } from "./testing.ts";

const missing = requireOracle(NEEDS);
const POLL_MS = 5;
let sandbox: MountSandbox;

const CLEAN = /sound, cleanly unmounted/;
/** An error that nobody catches, in the main thread, when a signal comes. */
const SELF_ENDING = encodeURIComponent(
  'process.on("SIGUSR2", () => { throw new Error("out of order"); });',
);
const isMounted = (): boolean => mountAt(sandbox.mountPoint) !== undefined;

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await wait(POLL_MS);
}

async function kill9(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  await until(() => processStart(pid) === null);
}

describe.skipIf(missing !== null)("the end of a mount", () => {
  beforeEach(async () => {
    sandbox = new MountSandbox();
    await sandbox.make(ext4);
  });
  afterEach(() => sandbox.remove());

  test("Ctrl-C in the foreground unmounts, and is no failure", async () => {
    const server = await sandbox.mountForeground(["--stats", "disk.img", "mnt"]);
    writeFileSync(sandbox.path("mnt", "f"), "written");
    server.process.kill("SIGINT");
    expect(await server.ended).toEqual({ code: 0, signal: null });
    expect(server.out).toMatch(/^disk.img: ext4, mounted on mnt\n[^]*data stored +7 B\n/);
    expect(server.err).toBe("");
    expect(sandbox.ok("cat", "disk.img", "/f")).toBe("written");
    expect(sandbox.ok("check", "disk.img")).toMatch(CLEAN);
  });

  test("a mount outlives whoever reads what it prints, and hears signals", async () => {
    const server = sandbox.start(process.execPath, [MAIN, "mount", "-f", "disk.img", "mnt"]);
    server.process.stdout!.destroy();
    server.process.stderr!.destroy();
    await until(isMounted);
    expect(sandbox.shell("echo kept > mnt/kept && cat mnt/kept").out).toBe("kept\n");
    server.process.kill("SIGTERM");
    expect(await server.ended).toEqual({ code: 0, signal: null });
    expect(sandbox.ok("cat", "disk.img", "/kept")).toBe("kept\n");
    expect(sandbox.ok("check", "disk.img")).toMatch(CLEAN);
  });

  test("umount of a busy mount says by whom; --force cuts them off, and keeps what they wrote", async () => {
    const pid = sandbox.mount();
    const user = await sandbox.occupy("mnt");
    const fd = openSync(sandbox.path("mnt", "open"), "w");
    writeSync(fd, "before");
    const busy = sandbox.xip(["umount", "mnt"]);
    expect(busy.code).toBe(1);
    const uses = `cat \\(pid ${user.process.pid}, works in ${sandbox.mountPoint}\\)`;
    expect(busy.err).toMatch(new RegExp(`mnt: busy, in use by .*${uses}.*\n.*--force`));
    expect(busy.err).toMatch(new RegExp(`has ${sandbox.mountPoint}/open open`));
    expect(sandbox.xip(["umount", "--force", "mnt"]).code).toBe(0);
    expect(processStart(pid)).toBeNull();
    expect(isMounted()).toBe(false);
    expect(() => writeSync(fd, "after")).toThrow(/ENOTCONN|ECONNABORTED/);
    expect(() => fsyncSync(fd)).toThrow(/ENOTCONN|ECONNABORTED/);
    closeSync(fd);
    expect(sandbox.ok("cat", "disk.img", "/open")).toBe("before");
    expect(sandbox.ok("check", "disk.img")).toMatch(CLEAN);
  });

  test("SIGTERM to a busy mount detaches it, says so, and is a failure", async () => {
    const server = await sandbox.mountForeground(["disk.img", "mnt"]);
    await sandbox.occupy("mnt");
    server.process.kill("SIGTERM");
    expect(await server.ended).toEqual({ code: 1, signal: null });
    expect(server.err).toMatch(
      /mnt: in use by cat \(pid \d+, works in .*\); detached all the same/,
    );
    expect(isMounted()).toBe(false);
    expect(sandbox.ok("check", "disk.img")).toMatch(CLEAN);
  });

  test("a lazy umount closes the image when the last user is gone", async () => {
    const pid = sandbox.mount();
    const user = await sandbox.occupy("mnt");
    sandbox.ok("umount", "--lazy", "mnt");
    expect(isMounted()).toBe(false);
    expect(sandbox.xip(["ls", "disk.img"]).err).toMatch(/in use by xip mount/);
    user.process.kill("SIGKILL");
    await until(() => processStart(pid) === null);
    expect(sandbox.ok("check", "disk.img")).toMatch(CLEAN);
  });

  test("a second signal ends it at once, and the image is recovered", async () => {
    // An umount that never comes back: the first signal waits for it.
    const programs = sandbox.path("programs");
    mkdirSync(programs);
    const fake = `#!/bin/sh\ntouch ${sandbox.path("asked")}\nexec tail -f /dev/null\n`;
    writeFileSync(`${programs}/umount`, fake);
    chmodSync(`${programs}/umount`, 0o755);
    const server = await sandbox.mountForeground(["disk.img", "mnt"], {
      PATH: `${programs}:${process.env["PATH"]}`,
    });
    sandbox.shell("echo kept > mnt/kept && sync mnt/kept");
    server.process.kill("SIGTERM");
    await until(() => existsSync(sandbox.path("asked")));
    server.process.kill("SIGTERM");
    expect((await server.ended).signal).toBe("SIGTERM");
    expect(sandbox.xip(["umount", "mnt"])).toMatchObject({
      code: 0,
      err: expect.stringMatching(/server of .*disk.img had died: its mount was removed/),
    });
    sandbox.mount();
    expect(sandbox.shell("cat mnt/kept").out).toBe("kept\n");
  });

  test("after kill -9 the next mount takes the dead one away, and recovers what was synced", async () => {
    const pid = sandbox.mount();
    sandbox.shell("echo kept > mnt/kept && sync mnt/kept && echo perhaps > mnt/late");
    await kill9(pid);
    // Its last thread may still be closing the device.
    const gone = /Transport endpoint is not connected|Software caused connection abort/;
    expect(sandbox.shell("ls mnt").err).toMatch(gone);
    expect(sandbox.ok("mount")).toMatch(/its server is dead/);
    expect(sandbox.ok("check", "disk.img")).toMatch(/sound, not cleanly unmounted/);
    const again = sandbox.xip(["mount", "disk.img", "mnt"]);
    expect(again.code).toBe(0);
    expect(again.err).toMatch(/the server of .*disk.img had died; its mount was removed/);
    expect(again.err).toMatch(/it left no word: it was killed/);
    expect(again.err).toMatch(/disk.img: recovered: the image was not unmounted cleanly/);
    expect(sandbox.shell("cat mnt/kept").out).toBe("kept\n");
    sandbox.ok("umount", "mnt");
    expect(sandbox.ok("check", "disk.img")).toMatch(CLEAN);
    // An end in order leaves nothing to be told.
    expect(takeWord(sandbox.mountPoint)).toBeNull();
  });

  test("a server that ends by itself leaves what it said, for whoever takes its mount away", async () => {
    const mounted = sandbox.xip(["mount", "--json", "disk.img", "mnt"], {
      NODE_OPTIONS: `--import=data:text/javascript,${SELF_ENDING}`,
    });
    const { pid } = JSON.parse(mounted.out) as { pid: number };
    process.kill(pid, "SIGUSR2");
    await until(() => processStart(pid) === null);
    // A stack in what is told is what is wanted here.
    const { code, err } = sandbox.xip(["umount", "mnt"], { XIP_DEBUG: "0" });
    expect(code).toBe(0);
    expect(err).toMatch(/the server of .* had died[^]*it had said: [^]*Error: out of order/);
    expect(isMounted()).toBe(false);
  });

  test("an idle mount keeps nothing in memory for longer than commit= says", async () => {
    const pid = sandbox.mount("--debug", "--log", "log", "-o", "commit=1");
    sandbox.shell("echo kept > mnt/kept");
    // The main thread asks for it by a STATFS, which is answered when it is done.
    const flushed = / WRITE [^]* STATFS [^]*blocksFree=/;
    await until(() => flushed.test(readFileSync(sandbox.path("log"), "utf8")));
    await kill9(pid);
    sandbox.mount();
    expect(sandbox.shell("cat mnt/kept").out).toBe("kept\n");
  });

  test("umount tells what the server met when it closed the image: a full host", () => {
    // A sparse image on a file system with less room than it may come to need.
    mkdirSync(sandbox.path("small"));
    sandbox.shell("mount -t tmpfs -o size=2M none small && cp --sparse=always disk.img small/");
    try {
      sandbox.ok("mount", "small/disk.img", "mnt");
      expect(sandbox.shell("head -c 4M /dev/urandom > mnt/f").err).toMatch(/Input\/output error/);
      const ran = sandbox.xip(["umount", "mnt"]);
      expect(ran.code).toBe(1);
      expect(ran.err).toMatch(/mnt: unmounted, but the server had to say\n.*ENOSPC: no space left/);
      expect(sandbox.ok("check", "small/disk.img")).toMatch(/sound, not cleanly unmounted/);
    } finally {
      sandbox.shell("umount -l small");
    }
  });

  test("what is unmounted by umount(8) is closed too", async () => {
    const server = await sandbox.mountForeground(["disk.img", "mnt"]);
    expect(sandbox.shell("echo x > mnt/x && umount mnt").code).toBe(0);
    expect(await server.ended).toEqual({ code: 0, signal: null });
    expect(sandbox.ok("check", "disk.img")).toMatch(CLEAN);
    expect(readdirSync(sandbox.mountPoint)).toEqual([]);
  });
});
