/** Proves what becomes of requests that no kernel sends, of unknown ones, and of the --debug lines. */
import { FsError, type Name, ROOT } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { expect, test } from "vitest";
import { MKDIR_IN } from "./protocol/names.ts";
import * as opcodes from "./protocol/opcodes.ts";
import { READ_IN } from "./protocol/file-structs.ts";
import { Handlers } from "./requests/handlers.ts";
import { IN_HEADER } from "./protocol/structs.ts";
import { checkAnswer, freshMount, named, nodeidOf, record, TestKernel } from "./testing.ts";

function begin(): TestKernel {
  const kernel = new TestKernel(freshMount(plain));
  kernel.start();
  return kernel;
}

test("what is too short for a number is passed over", () => {
  const kernel = begin();
  kernel.raw(new Uint8Array(39));
  kernel.raw(new Uint8Array(1));
  expect(kernel.sent).toEqual([]);
});

test.each([
  ["says that it is longer", { length: 41 }],
  ["says that it is shorter", { length: 39 }],
  ["has extensions that are longer than it", { length: 40, extensionWords: 1 }],
])("a request that %s is refused by its number", (_what, values) => {
  const kernel = begin();
  kernel.raw(record(IN_HEADER, { opcode: opcodes.FUSE_GETATTR, uniqueLow: 9, ...values }));
  expect(checkAnswer(kernel.sent[0]!, 9).status).toBe("EINVAL");
});

test("what we do not know is ENOSYS", () => {
  const kernel = begin();
  for (const opcode of [0, 7, 19, 48, 49, 54, 4096, 0xffffffff]) {
    expect(kernel.call(opcode, 1).status).toBe("ENOSYS");
  }
});

test("every opcode without its body is refused, and without harm", () => {
  const kernel = begin();
  const complete = ["GETATTR", "STATFS", "DESTROY", "SYNCFS"];
  const silent = ["FORGET", "BATCH_FORGET", "INTERRUPT"];
  const accepted: string[] = [];
  for (const opcode of Object.keys(Handlers).map(Number)) {
    kernel.tell(opcode, 1);
    const name = opcodes.OpcodeNames[opcode]!;
    const [answer] = kernel.sent.splice(0);
    const error = answer === undefined ? 0 : new DataView(answer.buffer).getInt32(4, true);
    if (error === 0) accepted.push(name);
  }
  expect(accepted.toSorted()).toEqual([...complete, ...silent].toSorted());
  expect(kernel.connection.vfs.readOnly).toBe(false);
});

test("corruption on the medium is EUCLEAN, and the mount changes nothing from then on", () => {
  const vfs = freshMount(ext4);
  const kernel = new TestKernel(vfs);
  kernel.start();
  const directory = nodeidOf(
    kernel.call(opcodes.FUSE_MKDIR, 1, [record(MKDIR_IN, { mode: 0o755 }), named("d")]),
  );
  const inode = vfs.find(vfs.root, "d" as Name)!;
  // Two directories cannot stand in each other: the personality is not asked to find that out.
  inode.parent = inode;
  const into = vfs.mkdir(ROOT, vfs.root, "e" as Name, 0o755);
  expect(() => vfs.rename(ROOT, vfs.root, "e" as Name, inode, "f" as Name, 0)).toThrow(FsError);
  inode.parent = vfs.root;
  vfs.forget(inode);
  vfs.forget(into);
  expect(vfs.readOnly).toBe(true);
  const made = kernel.call(opcodes.FUSE_MKDIR, directory, [record(MKDIR_IN, {}), named("x")]);
  expect(made.status).toBe("EROFS");
});

test("--debug: each request and each answer in a line", () => {
  const lines: string[] = [];
  const kernel = new TestKernel(freshMount(plain), { trace: (line) => lines.push(line) });
  kernel.start();
  expect(lines.splice(0).join("\n")).toMatch(
    /^#2 INIT .*WRITEBACK_CACHE.*\n#2 = .*maxWrite=1048576/,
  );
  kernel.call(opcodes.FUSE_MKDIR, 1, [record(MKDIR_IN, { mode: 0o755 }), named("d\xc3\xa9")]);
  const [asked, answered] = lines.splice(0);
  expect(asked).toBe('#4 MKDIR node=1 uid=0 pid=1234 mode=0755 name="dé"');
  expect(answered).toMatch(/^#4 = nodeid=2 .* mode=040755 /);
  kernel.call(opcodes.FUSE_RMDIR, 1, [named("gone")]);
  expect(lines.splice(0)).toEqual(['#6 RMDIR node=1 uid=0 pid=1234 name="gone"', "#6 = ENOENT"]);
  kernel.call(opcodes.FUSE_RMDIR, 1, [named("dé".normalize("NFC").replace("é", "\xc3\xa9"))]);
  expect(lines.splice(0)[1]).toBe("#8 = ok");
  kernel.call(opcodes.FUSE_READDIR, 1, [record(READ_IN, { size: 4096 })]);
  expect(lines.splice(0)[1]).toBe('#10 = 2 entries "." ".."');
  kernel.call(99, 1, [new Uint8Array(3)]);
  expect(lines.splice(0)).toEqual(["#12 opcode 99 node=1 uid=0 pid=1234 3 bytes", "#12 = ENOSYS"]);
  kernel.connection.step();
  expect(lines).toEqual(["the connection has ended"]);
});
