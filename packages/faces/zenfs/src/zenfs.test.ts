/** ZenFS's own fs over images of each design. Our check judges what it leaves. */
import { mkfs, mount, type Personality, Pmem, type Vfs } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { configureSingle, fs, InodeFlags } from "@zenfs/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Xip, XipFS } from "./index.ts";

const DEVICE_SIZE = 32 * 1024 * 1024;

describe.each<Personality>([ext4, plain])("ZenFS over $name", (personality) => {
  let device: Pmem;
  let vfs: Vfs;
  const remount = async (): Promise<void> => {
    vfs = mount(personality, device);
    await configureSingle({ backend: Xip, vfs });
  };
  beforeEach(async () => {
    device = new Pmem(DEVICE_SIZE);
    mkfs(personality, device);
    await remount();
  });
  afterEach(() => {
    vfs.unmount();
    const { findings } = personality.check(device);
    if (findings.length > 0) throw new Error(JSON.stringify(findings));
  });

  it("keeps what was written, over a remount", async () => {
    fs.mkdirSync("/d/e", { recursive: true });
    fs.writeFileSync("/d/e/f", "first");
    fs.appendFileSync("/d/e/f", ", second");
    fs.writeFileSync("/d/big", new Uint8Array(100_000).fill(7));
    fs.chmodSync("/d/e/f", 0o640);
    vfs.unmount();
    await remount();
    expect(fs.readFileSync("/d/e/f", "utf8")).toBe("first, second");
    expect(fs.readFileSync("/d/big").every((byte) => byte === 7)).toBe(true);
    expect(fs.statSync("/d/e/f").mode & 0o777).toBe(0o640);
    expect(fs.readdirSync("/d").toSorted()).toEqual(["big", "e"]);
  });

  it("reads and writes at positions past ZenFS's cache", () => {
    const fd = fs.openSync("/f", "w+");
    fs.writeSync(fd, new TextEncoder().encode("0123456789"), 0, 10, 0);
    fs.writeSync(fd, new TextEncoder().encode("ab"), 0, 2, 4);
    const bytes = new Uint8Array(10);
    expect(fs.readSync(fd, bytes, 0, 10, 0)).toBe(10);
    expect(new TextDecoder().decode(bytes)).toBe("0123ab6789");
    // Written already: nothing waits for close.
    expect(new XipFS(vfs).statSync("/f")).toMatchObject({ size: 10, flags: InodeFlags.DAX });
    fs.ftruncateSync(fd, 4);
    fs.closeSync(fd);
    expect(fs.readFileSync("/f", "utf8")).toBe("0123");
  });

  it("makes, follows and reads links", () => {
    fs.writeFileSync("/f", "linked");
    fs.linkSync("/f", "/g");
    fs.symlinkSync("/f", "/s");
    expect(fs.readlinkSync("/s")).toBe("/f");
    expect(fs.lstatSync("/s").isSymbolicLink()).toBe(true);
    expect(fs.readFileSync("/s", "utf8")).toBe("linked");
    expect(fs.statSync("/g").ino).toBe(fs.statSync("/f").ino);
    expect(fs.statSync("/g").nlink).toBe(2);
    fs.unlinkSync("/f");
    expect(fs.readFileSync("/g", "utf8")).toBe("linked");
  });

  it("has no way to a file that was removed while it was open", () => {
    fs.writeFileSync("/f", "gone");
    const fd = fs.openSync("/f", "r");
    fs.unlinkSync("/f");
    const read = () => fs.readSync(fd, new Uint8Array(4), 0, 4, 0);
    expect(read).toThrow(expect.objectContaining({ code: "ENOENT" }));
    fs.closeSync(fd);
  });

  it("renames, removes, and refuses with codes", async () => {
    fs.mkdirSync("/d");
    fs.writeFileSync("/d/f", "x");
    fs.renameSync("/d/f", "/g");
    expect(() => fs.readFileSync("/d/f")).toThrow(expect.objectContaining({ code: "ENOENT" }));
    expect(() => fs.mkdirSync("/d")).toThrow(expect.objectContaining({ code: "EEXIST" }));
    fs.writeFileSync("/d/h", "y");
    expect(() => fs.rmdirSync("/d")).toThrow(expect.objectContaining({ code: "ENOTEMPTY" }));
    await fs.promises.rm("/d", { recursive: true });
    expect(await fs.promises.readFile("/g", "utf8")).toBe("x");
    fs.utimesSync("/g", 1, 2);
    expect(fs.statSync("/g").mtimeMs).toBe(2000);
  });
});
