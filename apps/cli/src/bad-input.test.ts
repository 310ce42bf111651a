/** Proven here: bad input gives a clear error and the right exit code, and changes nothing. */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canDropRights, Sandbox } from "./testing.ts";

const sandbox = new Sandbox();
const { path } = { path: sandbox.path.bind(sandbox) };

beforeAll(() => {
  sandbox.ok("mkfs", "plain", "good.img", "--size", "16M");
  writeFileSync(path("file"), "contents");
  sandbox.ok("copy-in", "good.img", "file", "/");
});
afterAll(() => sandbox.remove());

/** What a run that failed in the right way looks like. */
const failure = (code: number, message: RegExp) => ({ code, err: expect.stringMatching(message) });

describe("what is no image", () => {
  test.each(["info", "ls", "check", "stat", "cat", "fiemap"])(
    "xip %s of a missing file",
    (command) => {
      const rest = ["stat", "cat", "fiemap"].includes(command) ? ["/x"] : [];
      expect(sandbox.xip([command, "none.img", ...rest])).toMatchObject(
        failure(1, /none\.img: no such file[^]*mkfs/),
      );
    },
  );

  test("a directory", () => {
    mkdirSync(path("directory"), { recursive: true });
    expect(sandbox.xip(["ls", "directory"])).toMatchObject(
      failure(1, /directory: is a directory, not an image/),
    );
    expect(sandbox.xip(["mkfs", "plain", "directory", "--size", "16M"])).toMatchObject(
      failure(1, /directory: is a directory/),
    );
  });

  test("an empty file", () => {
    writeFileSync(path("empty.img"), "");
    expect(sandbox.xip(["ls", "empty.img"])).toMatchObject(failure(1, /empty\.img: /));
  });

  test("random bytes", () => {
    // Fixed, and of no format: multiples of a prime.
    writeFileSync(
      path("random.img"),
      Buffer.from({ length: 65_536 }).map((_, i) => i * 167),
    );
    for (const command of ["ls", "check", "info"]) {
      expect(sandbox.xip([command, "random.img"])).toMatchObject(
        failure(1, /random\.img: no file system/),
      );
    }
    expect(sandbox.xip(["ls", "-t", "plain", "random.img"])).toMatchObject(
      failure(3, /random\.img: damaged/),
    );
  });

  test("a size that is no multiple of a page", () => {
    writeFileSync(path("odd.img"), Buffer.alloc(10_001));
    expect(sandbox.xip(["ls", "odd.img"])).toMatchObject(failure(1, /odd\.img: /));
  });
});

describe("a damaged image", () => {
  test("a truncated one is refused, and check says why", () => {
    copyFileSync(path("good.img"), path("short.img"));
    truncateSync(path("short.img"), 1024 * 1024);
    const before = readFileSync(path("short.img"));
    expect(sandbox.xip(["ls", "short.img"])).toMatchObject(failure(3, /short\.img: damaged/));
    expect(sandbox.xip(["copy-in", "short.img", "file", "/g"])).toMatchObject(
      failure(3, /short\.img: damaged/),
    );
    const check = sandbox.xip(["check", "short.img"]);
    expect(check.code).toBe(3);
    expect(check.out).toMatch(/error/);
    expect(readFileSync(path("short.img")).equals(before)).toBe(true);
  });

  test("a flipped byte in the superblock is found", () => {
    copyFileSync(path("good.img"), path("flipped.img"));
    const file = openSync(path("flipped.img"), "r+");
    writeSync(file, Buffer.from([0xff]), 0, 1, 24);
    closeSync(file);
    const check = sandbox.xip(["check", "--json", "flipped.img"]);
    expect(check.code).toBe(3);
    expect(JSON.parse(check.out)).toMatchObject({ sound: false });
  });
});

describe("what the image refuses", () => {
  test.each([
    [["cat", "good.img", "/missing"], /\/missing: no such file or directory \(ENOENT\)/],
    [["cat", "good.img", "/"], /EISDIR/],
    [["ls", "good.img", "/file/below"], /ENOTDIR/],
    [["fiemap", "good.img", "/missing"], /ENOENT/],
    [["copy-out", "good.img", "/missing", "x"], /ENOENT/],
    [["copy-in", "good.img", "missing", "/"], /missing: no such file/],
    [["copy-in", "good.img", "file", "/no/such/dir"], /ENOENT/],
  ])("xip %j", (args, message) => {
    expect(sandbox.xip(args)).toMatchObject(failure(1, message));
    expect(sandbox.ok("check", "good.img")).toMatch(/sound, cleanly unmounted/);
    expect(sandbox.ok("ls", "good.img")).toBe("file\n");
  });

  test("an unknown mount option is named, with the valid ones", () => {
    const ran = sandbox.xip(["ls", "good.img", "-o", "speed=high"]);
    expect(ran).toMatchObject(failure(2, /'speed'.*valid options:.*unwritten/));
  });

  test("an option of which the value is not valid", () => {
    const ran = sandbox.xip(["ls", "good.img", "-o", "data=fast"]);
    expect(ran).toMatchObject(failure(2, /data=fast.*xip, delalloc, nodelalloc/));
  });

  test("a full device leaves a clean image without the half file", () => {
    sandbox.ok("mkfs", "plain", "small.img", "--size", "4M");
    writeFileSync(path("large"), Buffer.alloc(8 * 1024 * 1024, 7));
    sandbox.ok("copy-in", "small.img", "file", "/");
    const ran = sandbox.xip(["copy-in", "small.img", "large", "/"]);
    expect(ran).toMatchObject(failure(1, /small\.img: .*no space left on device \(ENOSPC\)/));
    expect(sandbox.ok("ls", "small.img")).toBe("file\n");
    expect(sandbox.ok("check", "small.img")).toMatch(/sound, cleanly unmounted/);
  });

  test("a device that is too small for the format is not made", () => {
    const ran = sandbox.xip(["mkfs", "plain", "tiny.img", "--size", "4096"]);
    expect(ran.code).not.toBe(0);
    expect(sandbox.xip(["info", "tiny.img"]).err).toMatch(/no such file/);
  });
});

describe("mkfs", () => {
  test("does not overwrite an image that holds something, unless forced", () => {
    const before = readFileSync(path("good.img"));
    const ran = sandbox.xip(["mkfs", "plain", "good.img", "--size", "16M"]);
    expect(ran).toMatchObject(failure(1, /good\.img: holds something already\n.*--force/));
    expect(readFileSync(path("good.img")).equals(before)).toBe(true);
    copyFileSync(path("good.img"), path("forced.img"));
    sandbox.ok("mkfs", "plain", "forced.img", "--force", "--size", "32M");
    expect(sandbox.ok("ls", "forced.img")).toBe("");
  });

  test("takes the size of an empty file that is there", () => {
    writeFileSync(path("hollow.img"), "");
    truncateSync(path("hollow.img"), 16 * 1024 * 1024);
    expect(sandbox.ok("mkfs", "plain", "hollow.img")).toMatch(/16 MiB/);
  });

  test("a failed mkfs leaves what was there", () => {
    const before = readFileSync(path("good.img"));
    sandbox.xip(["mkfs", "plain", "good.img", "--force", "--size", "4096"]);
    expect(readFileSync(path("good.img")).equals(before)).toBe(true);
  });

  test("a directory that is not there", () => {
    const ran = sandbox.xip(["mkfs", "plain", "no/such/dir.img", "--size", "16M"]);
    expect(ran).toMatchObject(failure(1, /no such file or directory/));
  });
});

// Root lacks no permission; the tests need another user who can read this program.
describe.runIf(canDropRights())("permissions", () => {
  test("an unreadable image", () => {
    copyFileSync(path("good.img"), path("locked.img"));
    chmodSync(path("locked.img"), 0);
    const ran = sandbox.xipUnprivileged(["ls", "locked.img"]);
    expect(ran).toMatchObject(failure(1, /locked\.img: permission denied/));
  });

  test("an image that cannot be written can still be read", () => {
    copyFileSync(path("good.img"), path("fixed.img"));
    chmodSync(path("fixed.img"), 0o444);
    expect(sandbox.xipUnprivileged(["ls", "fixed.img"]).out).toBe("file\n");
    const ran = sandbox.xipUnprivileged(["copy-in", "fixed.img", "file", "/g"]);
    expect(ran).toMatchObject(failure(1, /fixed\.img: permission denied/));
  });

  test("a directory in which no image can be made", () => {
    mkdirSync(path("closed"), { mode: 0o555 });
    const ran = sandbox.xipUnprivileged(["mkfs", "plain", "closed/a.img", "--size", "16M"]);
    expect(ran).toMatchObject(failure(1, /permission denied/));
  });

  test("a source that cannot be read is said before anything else is copied", () => {
    copyFileSync(path("good.img"), path("target.img"));
    chmodSync(path("target.img"), 0o666);
    mkdirSync(path("half"));
    writeFileSync(path("half/a"), "a");
    mkdirSync(path("half/b"), { mode: 0o700 });
    const ran = sandbox.xipUnprivileged(["copy-in", "target.img", "half", "/"]);
    expect(ran).toMatchObject(failure(1, /half\/b: permission denied/));
    expect(sandbox.ok("ls", "target.img")).toBe("file\n");
  });
});

test("XIP_DEBUG=1 prints the stack, which is never printed otherwise", () => {
  const ran = sandbox.xip(["ls", "none.img"], { XIP_DEBUG: "1" });
  expect(ran.err).toMatch(/\n {4}at /);
});
