/** Proven here: what cannot be mounted is refused in words that say what to do, and nothing is left. */
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { ext4 } from "@xiplab/ext4";
import { requireOracle } from "@xiplab/oracles";
import { plain } from "@xiplab/plain";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { imageMounts } from "./mount-table.ts";
import { openFuseRefusal } from "./refusals.ts";
import { MAIN, MountSandbox, NEEDS } from "./testing.ts";

const missing = requireOracle([...NEEDS, "losetup", "setpriv", "unshare"]);
const sandbox = new MountSandbox();
let image: Buffer;

/** What a run that failed in the right way looks like. */
const failure = (code: number, message: RegExp) => ({
  code,
  out: "",
  err: expect.stringMatching(message),
});
const XIP = `${process.execPath} ${MAIN}`;

describe.skipIf(missing !== null)("xip mount refuses", () => {
  beforeAll(async () => {
    await sandbox.make(ext4);
    image = readFileSync(sandbox.path("disk.img"));
  });
  afterEach(() => {
    const left = imageMounts().filter(({ directory }) => directory.startsWith(sandbox.directory));
    if (left.length > 0) throw new Error(`still mounted: ${left[0]!.directory}`);
  });
  afterAll(() => sandbox.remove());

  test("what is no mount point", () => {
    writeFileSync(sandbox.path("file"), "");
    symlinkSync("nowhere", sandbox.path("dangling"));
    const mount = (directory: string) => sandbox.xip(["mount", "disk.img", directory]);
    expect(mount("none")).toMatchObject(failure(1, /none: no such directory\n.*mkdir none/));
    expect(mount("none/x")).toMatchObject(failure(1, /none: no such file or directory/));
    expect(mount("file")).toMatchObject(failure(1, /file: is not a directory/));
    expect(mount("dangling")).toMatchObject(failure(1, /dangling: no such directory/));
  });

  test("what is no image", () => {
    writeFileSync(sandbox.path("random.img"), Buffer.alloc(65_536, 7));
    writeFileSync(sandbox.path("damaged.img"), image);
    writeFileSync(sandbox.path("short.img"), image);
    truncateSync(sandbox.path("short.img"), 4096 * 100);
    const damaged = Buffer.from(image);
    damaged.fill(0xff, 4096, 8192);
    writeFileSync(sandbox.path("damaged.img"), damaged);
    const mount = (name: string) => sandbox.xip(["mount", name, "mnt"]);
    expect(mount("none.img")).toMatchObject(failure(1, /none.img: no such file\n.*xip mkfs/));
    expect(mount("random.img")).toMatchObject(failure(1, /random.img: no file system was recog/));
    expect(mount("damaged.img")).toMatchObject(failure(3, /damaged.img: damaged: .*\n.*xip check/));
    expect(mount("short.img").code).toBe(3);
    expect(mount(".")).toMatchObject(failure(1, /is a directory, not an image/));
    expect(readFileSync(sandbox.path("damaged.img")).equals(damaged)).toBe(true);
  });

  test("an option that nobody has, or a value that it does not take, with the valid ones", () => {
    const mount = (options: string) => sandbox.xip(["mount", "-o", options, "disk.img", "mnt"]);
    expect(mount("colour=red")).toMatchObject(
      failure(2, /ext4 has no mount option 'colour'; valid options: data, .*media, cache.*nosuid/),
    );
    expect(mount("media=tape")).toMatchObject(failure(2, /media=tape.*none, dram, optane, cxl/));
    expect(mount("data=tape")).toMatchObject(
      failure(2, /data=tape is not valid; choose one of xip/),
    );
    expect(mount("nodev=2")).toMatchObject(failure(2, /nodev is a flag/));
    expect(sandbox.xip(["mount", "--stats", "disk.img", "mnt"])).toMatchObject(
      failure(2, /--stats needs a place to print to\n.*--log/),
    );
    expect(sandbox.xip(["mount", "disk.img"])).toMatchObject(
      failure(2, /where is it to be mounted/),
    );
  });

  test("a mount point that is in use by another mount of ours", async () => {
    await sandbox.make(plain, "other.img");
    sandbox.mount();
    expect(sandbox.xip(["mount", "other.img", "mnt"])).toMatchObject(
      failure(1, /mnt: .*disk.img is mounted there already\n.*xip umount mnt/),
    );
    sandbox.ok("umount", "mnt");
  });

  test("an image that is a loop device", () => {
    const device = sandbox.shell("losetup --find --show disk.img").out.trim();
    try {
      expect(sandbox.xip(["mount", "disk.img", "mnt"])).toMatchObject(
        failure(1, new RegExp(`disk.img: in use as ${device}, a loop device.*\n.*losetup -d`)),
      );
      expect(sandbox.xip(["mkfs", "ext4", "disk.img", "--force"]).code).toBe(1);
      expect(sandbox.ok("ls", "disk.img")).toBe("lost+found\n");
    } finally {
      sandbox.shell(`losetup -d ${device}`);
    }
  });

  test("users without rights, in three ways", () => {
    expect(sandbox.xipUnprivileged(["mount", "disk.img", "mnt"])).toMatchObject(
      failure(1, /only root may mount\n.*unshare --user --map-root-user --mount/),
    );
    // Root, but as in a container: without the right to mount, or without the device.
    expect(
      sandbox.shell(`setpriv --bounding-set -sys_admin ${XIP} mount disk.img mnt`),
    ).toMatchObject(failure(1, /mnt: mount: .*\n.*--cap-add SYS_ADMIN/));
    const bare = "mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/urandom c 1 9";
    expect(
      sandbox.shell(`unshare --mount sh -c '${bare} && ${XIP} mount disk.img mnt'`),
    ).toMatchObject(failure(1, /there is no \/dev\/fuse\n.*modprobe fuse.*--device \/dev\/fuse/));
  });

  test("a machine without mount(8)", () => {
    expect(sandbox.xip(["mount", "disk.img", "mnt"], { PATH: sandbox.directory })).toMatchObject(
      failure(1, /there is no mount program\n.*util-linux/),
    );
  });

  test("umount of what xip did not mount", () => {
    mkdirSync(sandbox.path("plain-directory"));
    expect(sandbox.xip(["umount", "plain-directory"])).toMatchObject(failure(1, /: not mounted\n/));
    expect(sandbox.xip(["umount", "/proc"])).toMatchObject(
      failure(1, /\/proc: a file system of type proc, not of xip mount\n.*umount \/proc/),
    );
  });
});

test.each([
  ["ENOENT", /there is no \/dev\/fuse/, /modprobe fuse/],
  ["ENODEV", /the kernel does not serve/, /modprobe fuse/],
  ["EACCES", /permission denied/, /chmod 666 \/dev\/fuse/],
  ["EPERM", /permission denied/, /--device \/dev\/fuse/],
])("/dev/fuse that fails with %s is explained", (code, message, hint) => {
  const error = Object.assign(new Error(code), { code, syscall: "open" });
  const problem = openFuseRefusal(error);
  expect(problem.message).toMatch(message);
  expect(problem.hint).toMatch(hint);
});
