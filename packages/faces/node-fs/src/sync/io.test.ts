/** Open files behave as the kernel's: modes of access, append, holes, life after unlink. */
import { expect, test } from "vitest";
import { constants } from "../constants.ts";
import { codeOf, openImage } from "./testing.ts";

test("a descriptor allows what it was opened for, and no more", () => {
  using image = openImage();
  const { fs } = image;
  fs.writeFileSync("/file", "data");
  const reader = fs.openSync("/file", "r");
  const writer = fs.openSync("/file", "a");
  expect(codeOf(() => fs.writeSync(reader, "x"))).toBe("EBADF");
  expect(codeOf(() => fs.readSync(writer, Buffer.alloc(1)))).toBe("EBADF");
  expect(codeOf(() => fs.ftruncateSync(reader, 0))).toBe("EINVAL");
  expect(fs.readFileSync("/file", "utf8")).toBe("data");
});

test("what is appended goes to the end, whatever the position, and whoever appends", () => {
  using image = openImage();
  const { fs } = image;
  const one = fs.openSync("/log", "a");
  const other = fs.openSync("/log", "a");
  fs.writeSync(one, "1");
  fs.writeSync(other, "2");
  fs.writeSync(one, Buffer.from("3"), 0, 1, 0);
  expect(fs.readFileSync("/log", "utf8")).toBe("123");
});

test("an open file lives on after its name: unlinked, replaced, made again", () => {
  using image = openImage();
  const { fs } = image;
  fs.writeFileSync("/file", "old");
  fs.writeFileSync("/new", "new");
  const fd = fs.openSync("/file", "r+");
  fs.renameSync("/new", "/file");
  fs.unlinkSync("/file");
  fs.writeFileSync("/file", "another");
  expect(fs.readFileSync(fd, "utf8")).toBe("old");
  expect(fs.fstatSync(fd).nlink).toBe(0);
  fs.writeSync(fd, "OLD", 0);
  expect(fs.readFileSync("/file", "utf8")).toBe("another");
});

test("numeric flags: O_EXCL meets dangling links, O_NOFOLLOW links, O_DIRECTORY files", () => {
  using image = openImage();
  const { fs } = image;
  const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
  fs.symlinkSync("nowhere", "/dangling");
  fs.writeFileSync("/file", "");
  fs.symlinkSync("file", "/link");
  const refused = (path: string, flags: number): unknown => codeOf(() => fs.openSync(path, flags));
  expect(refused("/dangling", O_CREAT | O_EXCL | O_WRONLY)).toBe("EEXIST");
  expect(refused("/link", O_RDONLY | O_NOFOLLOW)).toBe("ELOOP");
  expect(refused("/file", O_RDONLY | O_DIRECTORY)).toBe("ENOTDIR");
  fs.closeSync(fs.openSync("/dangling", "w"));
  expect(fs.existsSync("/nowhere")).toBe(true);
});

test("read takes its arguments in every order that Node knows", () => {
  using image = openImage();
  const { fs } = image;
  fs.writeFileSync("/file", "0123456789");
  const fd = fs.openSync("/file", "r");
  const buffer = Buffer.alloc(4);
  const text = (count: number): string => buffer.toString("latin1", 0, count);
  expect(text(fs.readSync(fd, buffer))).toBe("0123");
  expect(text(fs.readSync(fd, buffer, { offset: 1, length: 2 }))).toBe("04");
  expect(buffer.toString("latin1")).toBe("0453");
  expect(text(fs.readSync(fd, buffer, { position: 8 }))).toBe("89");
  expect(text(fs.readSync(fd, buffer, 0, 4, 5n))).toBe("5678");
  expect(text(fs.readSync(fd, buffer, 0, 4, null))).toBe("6789");
  expect(fs.readSync(fd, buffer, 0, 4, 2n ** 62n)).toBe(0);
  expect(fs.readSync(fd, new DataView(buffer.buffer, buffer.byteOffset, 1), 0, 1, 9)).toBe(1);
});

test("vectors are read and written in turn", () => {
  using image = openImage();
  const { fs } = image;
  const fd = fs.openSync("/file", "w+");
  expect(fs.writevSync(fd, [Buffer.from("ab"), new Uint8Array([0x63]), Buffer.from("def")])).toBe(
    6,
  );
  const parts = [Buffer.alloc(2), Buffer.alloc(3), Buffer.alloc(4)];
  expect(fs.readvSync(fd, parts, 0)).toBe(6);
  expect(Buffer.concat(parts).toString("latin1")).toBe("abcdef\0\0\0");
  expect(fs.writevSync(fd, [])).toBe(0);
  expect(codeOf(() => fs.readvSync(fd, []))).toBe("EINVAL");
});

test("a wrong argument is told in Node's words", () => {
  using image = openImage();
  const { fs } = image;
  const fd = fs.openSync("/file", "w+");
  const wrong = (call: () => unknown, message: string): void => expect(call).toThrow(message);
  wrong(() => fs.openSync("/file", "rw"), "The argument 'flags' is invalid. Received 'rw'");
  wrong(
    () => fs.openSync("/a\0b", "r"),
    "The argument 'path' must be a string, Uint8Array, or URL without null bytes. Received '/a\\x00b'",
  );
  wrong(
    () => fs.ftruncateSync(fd, 2 ** 53),
    'The value of "len" is out of range. It must be >= -9007199254740991 && <= 9007199254740991. ' +
      "Received 9_007_199_254_740_992",
  );
  wrong(
    () => fs.readSync(fd, Buffer.alloc(4), 0, 9, null),
    'The value of "length" is out of range. It must be <= 4. Received 9',
  );
});

test("an error has the properties of Node's, in their order, and is an Error", () => {
  using image = openImage();
  const { fs } = image;
  let caught: unknown;
  try {
    fs.renameSync("/from", "/to");
  } catch (error) {
    caught = error;
  }
  expect(Object.entries(caught as object)).toEqual([
    ["errno", -2],
    ["code", "ENOENT"],
    ["syscall", "rename"],
    ["path", "/from"],
    ["dest", "/to"],
  ]);
  expect(String(caught)).toBe("Error: ENOENT: no such file or directory, rename '/from' -> '/to'");
  expect((caught as Error).constructor).toBe(Error);
});
