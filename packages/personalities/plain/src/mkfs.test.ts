/** Proves what mkfs makes: the same bytes each time, whatever was there, and nothing from bad input. */
import { OptionError, Pmem, PURPOSE_DATA } from "@xiplab/core";
import { expect, test } from "vitest";
import { plain } from "./index.ts";
import { clock, context, cutAt, makeImage, mountFs, populatedImage } from "./testing.ts";

const SIZE = 2 ** 20;
const bytesOf = (device: Pmem): Uint8Array => {
  const bytes = new Uint8Array(device.size);
  device.load(0, bytes, 0, device.size);
  return bytes;
};

test("an empty file system is clean, mounts and describes itself", () => {
  const uuid = "01234567-89ab-cdef-0123-456789abcdef";
  const device = makeImage(SIZE, { label: "hé", uuid, defaultOptions: "unwritten=own,noatime" });
  expect(plain.probe(device)).toBe(true);
  expect(plain.check(device)).toEqual({ findings: [], clean: true, inodesUsed: 1, blocksUsed: 17 });
  const rows = new Map(plain.describe(device));
  expect(rows.get("label")).toBe("hé");
  expect(rows.get("uuid")).toBe(uuid);
  expect(rows.get("blocks")).toBe("256");
  expect(rows.get("timeSec")).toBe("1386300000");
  expect(plain.defaultOptions(device)).toEqual({ unwritten: "own", noatime: "1" });
  const fs = mountFs(device, true);
  expect(fs.iget(fs.rootIno)).toMatchObject({ mode: 0o40755, nlink: 2, size: 0, blocks: 0 });
  expect(fs.statfs()).toMatchObject({ blocks: 239, blocksFree: 239, files: 128, filesFree: 127 });
});

test("the same options give the same bytes, over zeros and over an old file system", () => {
  const fresh = new Pmem(SIZE);
  plain.mkfs(fresh, context({ label: "a" }));
  const again = new Pmem(SIZE);
  plain.mkfs(again, context({ label: "a" }));
  expect(bytesOf(again)).toEqual(bytesOf(fresh));
  const used = populatedImage(SIZE);
  plain.mkfs(used, context({ label: "a" }));
  const metadata = 17 * 4096;
  expect(bytesOf(used).subarray(0, metadata)).toEqual(bytesOf(fresh).subarray(0, metadata));
  expect(plain.check(used).findings).toEqual([]);
});

test("mkfs that the power fails in leaves what was there before, or nothing that mounts", () => {
  const old = populatedImage(SIZE);
  const work = (device: Pmem): void => plain.mkfs(device, { clock, options: { label: "new" } });
  let events = 0;
  for (let event = 1; ; event++) {
    const cut = cutAt(old, event, work);
    if (cut === null) break;
    events++;
    const label = new Map(plain.describe(cut)).get("label");
    expect(plain.probe(cut)).toBe(event === 1 || label === "new");
  }
  expect(events).toBeGreaterThan(6);
});

test("inodes= counts", () => {
  const device = makeImage(SIZE, { inodes: "3" });
  const fs = mountFs(device);
  expect(fs.statfs()).toMatchObject({ files: 3, filesFree: 2, blocks: 254 });
});

test.each([
  [65536, {}, "65536 bytes have no room for 8 inodes and data"],
  [SIZE, { inodes: "5000000" }, "no room for 5000000 inodes"],
  [SIZE, { uuid: "123" }, "'123' is not a UUID"],
  [SIZE, { label: "x".repeat(33) }, "32 bytes of text is the most"],
  [SIZE, { defaultOptions: "x".repeat(113) }, "112 bytes of text is the most"],
])("%i bytes, %o: refused, and nothing is written", (size, options, message) => {
  const device = new Pmem(size);
  device.store(0, new Uint8Array(size).fill(0xee), 0, size, PURPOSE_DATA);
  const before = bytesOf(device);
  expect(() => plain.mkfs(device, context(options))).toThrow(message);
  expect(() => plain.mkfs(device, context(options))).toThrow(OptionError);
  expect(bytesOf(device)).toEqual(before);
});

test("a device of 1 TiB costs what is used of it", () => {
  const device = new Pmem(2 ** 40);
  plain.mkfs(device, context());
  const fs = mountFs(device);
  expect(fs.statfs().blocks).toBeGreaterThan(2 ** 27);
  fs.unmount();
  expect(plain.check(device)).toMatchObject({ findings: [], clean: true, inodesUsed: 1 });
});
