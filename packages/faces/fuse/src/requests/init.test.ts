/** Proves what INIT takes and refuses: by what the kernel offers and the design has, by no version. */
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { expect, test } from "vitest";
import * as protocol from "../protocol/init.ts";
import { FUSE_DESTROY, FUSE_INIT, FUSE_OPENDIR, FUSE_STATFS } from "../protocol/opcodes.ts";
import { OPEN_IN } from "../protocol/file-structs.ts";
import { freshMount, OFFERED, OFFERED2, record, TestKernel } from "../testing.ts";

const { INIT_IN, INIT_IN_EXT, INIT_OUT } = protocol;

test("the newest kernel gets what it offers and we have", () => {
  const kernel = new TestKernel(freshMount(ext4));
  const { status, bytes, view } = kernel.start();
  expect(status).toBe("ok");
  expect(bytes.length).toBe(64);
  expect([INIT_OUT.major.get(view, 0), INIT_OUT.minor.get(view, 0)]).toEqual([7, 45]);
  expect(INIT_OUT.maxWrite.get(view, 0)).toBe(2 ** 20);
  expect(INIT_OUT.maxPages.get(view, 0)).toBe(256);
  expect(INIT_OUT.timeGranularity.get(view, 0)).toBe(1);
  const flags = INIT_OUT.flags.get(view, 0);
  expect(flags & protocol.FUSE_POSIX_ACL).not.toBe(0);
  expect(flags & protocol.FUSE_WRITEBACK_CACHE).toBe(0);
  expect(flags & protocol.FUSE_POSIX_LOCKS).toBe(0);
  expect((flags & ~OFFERED) >>> 0).toBe(0);
  expect(INIT_OUT.flags2.get(view, 0) & ~OFFERED2).toBe(0);
  expect(kernel.connection.session.minor).toBe(45);
});

test("nothing is taken that the kernel did not offer", () => {
  const kernel = new TestKernel(freshMount(ext4));
  const { view } = kernel.start(protocol.FUSE_ASYNC_READ, 0);
  expect(INIT_OUT.flags.get(view, 0)).toBe(protocol.FUSE_ASYNC_READ);
  expect(INIT_OUT.flags2.get(view, 0)).toBe(0);
  expect(INIT_OUT.maxPages.get(view, 0)).toBe(0);
});

test("options and the design decide about lists, locks and caches", () => {
  const flagsOf = (kernel: TestKernel): number => INIT_OUT.flags.get(kernel.start().view, 0);
  expect(flagsOf(new TestKernel(freshMount(plain))) & protocol.FUSE_POSIX_ACL).toBe(0);
  const back = flagsOf(new TestKernel(freshMount(plain), { cache: "writeback" }));
  expect(back & protocol.FUSE_WRITEBACK_CACHE).not.toBe(0);
  const locks = flagsOf(new TestKernel(freshMount(plain), { locks: "server" }));
  expect(locks & protocol.FUSE_POSIX_LOCKS).not.toBe(0);
  const shared = flagsOf(new TestKernel(freshMount(plain), { shared: true }));
  expect(shared & protocol.FUSE_AUTO_INVAL_DATA).not.toBe(0);
  expect(shared & protocol.FUSE_EXPLICIT_INVAL_DATA).toBe(0);
});

test("7.31 is the oldest; a newer major version is told ours", () => {
  const kernel = new TestKernel(freshMount(plain));
  const ask = (major: number, minor: number) =>
    kernel.call(FUSE_INIT, 0, [record(INIT_IN, { major, minor })]);
  expect(ask(7, 30).status).toBe("EOPNOTSUPP");
  expect(ask(6, 45).status).toBe("EOPNOTSUPP");
  expect(ask(7, 31).status).toBe("ok");
  expect(kernel.connection.session.minor).toBe(31);
  const newer = ask(8, 1);
  expect(newer.status).toBe("ok");
  expect(INIT_OUT.major.get(newer.view, 0)).toBe(7);
  expect(INIT_OUT.flags.get(newer.view, 0)).toBe(0);
});

test("a long INIT that is cut short is malformed", () => {
  const kernel = new TestKernel(freshMount(plain));
  const head = record(INIT_IN, { major: 7, minor: 45, flags: protocol.FUSE_INIT_EXT });
  expect(kernel.call(FUSE_INIT, 0, [head]).status).toBe("EINVAL");
  expect(kernel.call(FUSE_INIT, 0, [head, record(INIT_IN_EXT, {})]).status).toBe("ok");
});

test("OPENDIR is done without only where the kernel can", () => {
  const kernel = new TestKernel(freshMount(plain));
  kernel.start();
  expect(kernel.call(FUSE_OPENDIR, 1, [record(OPEN_IN, {})]).status).toBe("ENOSYS");
  kernel.start(OFFERED & ~protocol.FUSE_NO_OPENDIR_SUPPORT);
  expect(kernel.call(FUSE_OPENDIR, 1, [record(OPEN_IN, {})]).status).toBe("ok");
});

test("DESTROY makes everything durable", () => {
  const vfs = freshMount(ext4);
  const kernel = new TestKernel(vfs);
  kernel.start();
  const before = vfs.counters.transactions;
  vfs.setattr({ uid: 0, gid: 0, groups: [] }, vfs.root, { mode: 0o700 });
  expect(kernel.call(FUSE_DESTROY, 0).status).toBe("ok");
  expect(vfs.counters.transactions).toBeGreaterThan(before);
});

test("the other thread hears of changes, and has them written back by STATFS", () => {
  const vfs = freshMount(ext4);
  const activity = new Int32Array(new SharedArrayBuffer(8));
  const kernel = new TestKernel(vfs, { activity });
  kernel.start();
  kernel.call(FUSE_STATFS, 1);
  expect([...activity]).toEqual([0, 0]);
  kernel.call(FUSE_OPENDIR, 1, [record(OPEN_IN, {})]);
  expect(activity[0]).toBe(0);
  vfs.setattr({ uid: 0, gid: 0, groups: [] }, vfs.root, { mode: 0o700 });
  const before = vfs.counters.transactions;
  kernel.call(FUSE_STATFS, 1);
  expect(vfs.counters.transactions).toBe(before);
  Atomics.store(activity, 1, 1);
  kernel.call(FUSE_STATFS, 1);
  expect(vfs.counters.transactions).toBeGreaterThan(before);
  expect(activity[1]).toBe(0);
});
