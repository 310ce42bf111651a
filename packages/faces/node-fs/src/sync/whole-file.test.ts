/** Whole files: what is read, written, appended and copied. */
import { expect, test } from "vitest";
import { constants } from "../constants.ts";
import { codeOf, openImage } from "./testing.ts";

test("text and bytes come back as they were written, in every encoding", () => {
  using image = openImage();
  const { fs } = image;
  const bytes = Buffer.from(Uint8Array.from({ length: 256 }, (_, byte) => byte));
  fs.writeFileSync("/file", bytes.toString("base64"), "base64");
  expect(fs.readFileSync("/file")).toEqual(bytes);
  expect(fs.readFileSync("/file", "hex")).toBe(bytes.toString("hex"));
  fs.writeFileSync("/file", new DataView(bytes.buffer, bytes.byteOffset + 65, 3));
  fs.appendFileSync("/file", "Dé");
  expect(fs.readFileSync("/file", { encoding: "utf8" })).toBe("ABCDé");
});

test("a descriptor is read and written from where it stands", () => {
  using image = openImage();
  const { fs } = image;
  const fd = fs.openSync("/file", "w+");
  fs.writeFileSync(fd, "one ");
  fs.writeFileSync(fd, "two");
  fs.readSync(fd, Buffer.alloc(4), 0, 4, 0);
  expect(fs.readFileSync(fd, "utf8")).toBe("");
  expect(fs.readFileSync("/file", "utf8")).toBe("one two");
});

test("a buffer of the caller's is filled, if it is large enough", () => {
  using image = openImage();
  const { fs } = image;
  fs.writeFileSync("/file", "hello");
  const read = (size: number): unknown =>
    fs.readFileSync("/file", { buffer: Buffer.alloc(size) } as object);
  expect(read(9)).toEqual(Buffer.from("hello"));
  expect(() => read(4)).toThrow("is smaller than the file size of 5 bytes. Received 4");
});

test("a file of more than 2 GiB is refused before memory is", () => {
  using image = openImage();
  const { fs } = image;
  fs.writeFileSync("/file", "");
  fs.truncateSync("/file", 2 ** 31);
  expect(codeOf(() => fs.readFileSync("/file"))).toBe("ERR_FS_FILE_TOO_LARGE");
});

test("a copy has the mode and the bytes; flags are honoured", () => {
  using image = openImage();
  const { fs } = image;
  fs.writeFileSync("/a", "text", { mode: 0o751 });
  fs.copyFileSync("/a", "/b");
  expect([fs.readFileSync("/b", "utf8"), fs.statSync("/b").mode & 0o777]).toEqual(["text", 0o751]);
  const copy = (flags: number): unknown => codeOf(() => fs.copyFileSync("/a", "/b", flags));
  expect(copy(constants.COPYFILE_EXCL)).toBe("EEXIST");
  expect(copy(constants.COPYFILE_FICLONE)).toBe("no error");
  fs.copyFileSync("/a", "/a");
  expect(fs.readFileSync("/a", "utf8")).toBe("text");
  expect(copy(constants.COPYFILE_FICLONE_FORCE)).toBe("ENOTSUP");
});

test("reading a directory and writing to one are refused where the kernel refuses", () => {
  using image = openImage();
  const { fs } = image;
  expect(() => fs.readFileSync("/")).toThrow("EISDIR: illegal operation on a directory, read");
  expect(() => fs.writeFileSync("/", "")).toThrow(", open '/'");
});
