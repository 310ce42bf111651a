import { expect, test } from "vitest";
import {
  Pmem,
  newXipRange,
  GXM_CREATE,
  GXM_HINT,
  GXM_ZERO,
  type Name,
  newDirBatch,
  nameFromUtf8,
  S_IFREG,
  S_IFDIR,
  S_IFLNK,
} from "@xiplab/core";
import { plain } from "./index.ts";
const clock = { now: () => ({ sec: 1000, nsec: 5 }) };
test("smoke", () => {
  const device = new Pmem(8 * 1024 * 1024);
  plain.mkfs(device, { clock, options: { label: "hé" } });
  expect(plain.probe(device)).toBe(true);
  expect(plain.check(device).findings).toEqual([]);
  expect(plain.check(device).clean).toBe(true);
  let fs = plain.mount(device, { readOnly: false, clock, options: {} });
  let root = fs.iget(fs.rootIno);
  const f = fs.create(root, "a" as Name, { mode: S_IFREG | 0o644, uid: 1, gid: 2, rdev: 0 });
  const out = newXipRange();
  fs.getXipMem(f.mapping, 0, 10000, GXM_CREATE | GXM_HINT | GXM_ZERO, out);
  expect(out).toMatchObject({ length: 10000, state: 3 });
  fs.setSize(f.mapping, 10000);
  expect(f.blocks).toBe(3);
  const d = fs.create(root, "d" as Name, { mode: S_IFDIR | 0o755, uid: 1, gid: 2, rdev: 0 });
  expect(root.nlink).toBe(3);
  for (let i = 0; i < 300; i++)
    fs.create(d, nameFromUtf8("file".repeat(1 + (i % 60)) + i), {
      mode: S_IFREG | 0o644,
      uid: 1,
      gid: 2,
      rdev: 0,
    });
  fs.rename(root, "a" as Name, d, "b" as Name, f, null, false);
  const l = fs.create(root, "l" as Name, {
    mode: S_IFLNK | 0o777,
    uid: 1,
    gid: 2,
    rdev: 0,
    target: "foo/bar" as Name,
  });
  expect(fs.readlink(l)).toBe("foo/bar");
  expect(plain.check(device)).toMatchObject({ findings: [], clean: false });
  fs = plain.mount(device, { readOnly: false, clock, options: {} });
  root = fs.iget(fs.rootIno);
  fs.unmount();
  expect(plain.check(device)).toMatchObject({ findings: [], clean: true });
  fs = plain.mount(device, { readOnly: true, clock, options: {} });
  const dd = fs.iget(fs.lookup(fs.iget(fs.rootIno), "d" as Name));
  const batch = newDirBatch();
  expect(fs.readdir(dd, 0, batch, 1000)).toBe(false);
  expect(batch.names.length).toBe(301);
  const t = performance.now();
  for (let i = 0; i < 100; i++) plain.check(device);
  console.log((performance.now() - t) / 100);
});
