/**
 * Proven here: an image is a directory of the host while it is mounted, and the same image with
 * what was done there afterwards; meanwhile nobody else gets it; and nothing stays behind.
 */
import { mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from "node:fs";
import { ext4 } from "@xiplab/ext4";
import { requireOracle } from "@xiplab/oracles";
import { plain } from "@xiplab/plain";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { personalities } from "../personalities.ts";
import { mountAt } from "./mount-table.ts";
import { processStart } from "./processes.ts";
import type { MountStats } from "./protocol.ts";
import { MAIN, MountSandbox, NEEDS } from "./testing.ts";

const missing = requireOracle(NEEDS);
let sandbox: MountSandbox;

describe.skipIf(missing !== null)("xip mount and umount", () => {
  beforeEach(async () => {
    sandbox = new MountSandbox();
    await sandbox.make(ext4);
  });
  afterEach(() => sandbox.remove());

  test.each(personalities)("the whole flow, $name", async (personality) => {
    const { name } = personality;
    await sandbox.make(personality, "new.img");
    renameSync(sandbox.path("new.img"), sandbox.path("disk.img"));
    expect(sandbox.ok("mount", "disk.img", "mnt")).toBe(`disk.img: ${name}, mounted on mnt\n`);
    const mounted = mountAt(realpathSync(sandbox.directory).concat("/mnt"));
    expect(mounted).toMatchObject({ type: "fuse.xip", source: sandbox.path("disk.img") });
    const work = sandbox.shell(
      "mkdir mnt/d && echo hello > mnt/d/f && ln mnt/d/f mnt/g && cat mnt/g",
    );
    expect(work).toMatchObject({ code: 0, out: "hello\n", err: "" });
    expect(sandbox.ok("mount")).toMatch(
      new RegExp(
        `^${sandbox.path("disk.img")} on ${sandbox.mountPoint}, served by process \\d+$`,
        "m",
      ),
    );
    expect(sandbox.xip(["umount", "mnt"])).toMatchObject({ code: 0, out: "", err: "" });
    expect(mountAt(sandbox.mountPoint)).toBeUndefined();
    expect(sandbox.ok("cat", "disk.img", "/d/f")).toBe("hello\n");
    expect(sandbox.ok("check", "disk.img")).toMatch(/sound, cleanly unmounted/);
  });

  test("while it is mounted, nobody else gets the image", () => {
    const pid = sandbox.mount();
    writeFileSync(sandbox.path("file"), "");
    mkdirSync(sandbox.path("other"));
    const before = readFileSync(sandbox.path("disk.img"));
    const refused = {
      code: 1,
      out: "",
      err: expect.stringMatching(
        new RegExp(`disk.img: in use by xip mount disk.img mnt \\(pid ${pid}\\)\n.*umount`),
      ),
    };
    for (const command of [
      ["ls", "disk.img"],
      ["copy-in", "disk.img", "file", "/"],
      ["mkfs", "ext4", "disk.img", "--force"],
      ["chattr", "disk.img", "+i", "/"],
      ["mount", "disk.img", "other"],
      ["mount", "-o", "ro", "disk.img", "other"],
    ]) {
      expect(sandbox.xip(command), command.join(" ")).toMatchObject(refused);
    }
    expect(readFileSync(sandbox.path("disk.img")).equals(before)).toBe(true);
    expect(sandbox.shell("ls mnt").out).toBe("lost+found\n");
  });

  test("read-only mounts share the image, and write nothing", () => {
    const before = readFileSync(sandbox.path("disk.img"));
    sandbox.ok("mount", "-o", "ro", "disk.img", "mnt");
    mkdirSync(sandbox.path("other"));
    expect(sandbox.ok("mount", "-o", "ro", "disk.img", "other")).toMatch(/other, read-only/);
    expect(sandbox.ok("ls", "disk.img")).toBe("lost+found\n");
    expect(sandbox.shell("echo x > mnt/x").err).toMatch(/Read-only file system/);
    sandbox.ok("umount", "other");
    sandbox.ok("umount", "disk.img");
    expect(readFileSync(sandbox.path("disk.img")).equals(before)).toBe(true);
  });

  test("two mounts at once, and each unmounted by itself", async () => {
    await sandbox.make(plain, "second.img");
    mkdirSync(sandbox.path("other"));
    sandbox.mount();
    sandbox.ok("mount", "second.img", "other");
    expect(sandbox.shell("echo 1 > mnt/f && cp mnt/f other/g && cat other/g").out).toBe("1\n");
    sandbox.ok("umount", "mnt");
    expect(sandbox.shell("cat other/g").out).toBe("1\n");
    sandbox.ok("umount", "other");
    expect(sandbox.ok("cat", "second.img", "/g")).toBe("1\n");
  });

  test("--stats tells what was done, and that all was given back", () => {
    const pid = sandbox.mount("--stats", "--log", "log", "-o", "media=optane");
    sandbox.shell(
      "cd mnt && for i in 1 2 3; do echo $i > f$i; done; rm f2; cat f1; sync f3; ls -l",
    );
    sandbox.ok("umount", "mnt");
    expect(processStart(pid)).toBeNull();
    const stats = JSON.parse(readFileSync(sandbox.path("log"), "utf8")) as MountStats;
    expect(stats).toMatchObject({
      image: "disk.img",
      personality: "ext4",
      requests: { INIT: 1, CREATE: 3, WRITE: 3, UNLINK: 1, FSYNC: 1 },
      media: { model: "optane" },
      atEnd: { referenced: 1, openFiles: 0, nodes: 0, handles: 0 },
    });
    expect(stats.bytes["data"]).toBe(6);
    expect(stats.media!.modelledNs).toBeGreaterThan(0);
    for (const count of ["stores", "flushes", "fences", "transactions"] as const) {
      expect(stats[count], count).toBeGreaterThan(0);
    }
  });

  test("options reach the design, mount(8) and the face", () => {
    const options = "noatime,nodev,data=delalloc,cache=writeback,fsname=my-image";
    sandbox.ok("mount", "-o", options, "disk.img", "mnt");
    expect(sandbox.shell("grep ' fuse.xip ' /proc/mounts").out).toMatch(
      new RegExp(`^my-image ${sandbox.mountPoint} fuse.xip rw,nodev,noatime,`, "m"),
    );
    expect(sandbox.shell("echo late > mnt/f && cat mnt/f").out).toBe("late\n");
    sandbox.ok("umount", "mnt");
    expect(sandbox.ok("cat", "disk.img", "/f")).toBe("late\n");
  });

  test("--debug prints requests and answers", () => {
    sandbox.mount("--debug", "--log", "log");
    sandbox.shell("mkdir mnt/seen");
    sandbox.ok("umount", "mnt");
    expect(readFileSync(sandbox.path("log"), "utf8")).toMatch(/MKDIR.*seen/);
  });

  test("in a user namespace, and gone with it", () => {
    const inside = `xip() { ${process.execPath} ${MAIN} "$@"; }
      xip mount disk.img mnt && echo in > mnt/f && cat mnt/f && xip umount mnt`;
    const namespace = ["--user", "--map-root-user", "--mount"];
    const ran = sandbox.shell(`unshare ${namespace.join(" ")} sh -c '${inside}'`);
    expect(ran).toMatchObject({ code: 0, err: "", out: "disk.img: ext4, mounted on mnt\nin\n" });
    expect(sandbox.ok("cat", "disk.img", "/f")).toBe("in\n");
  });
});
