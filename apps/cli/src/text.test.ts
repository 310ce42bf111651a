/** Proven here: sizes, modes, times and names as they are printed. */
import type { Name } from "@xiplab/core";
import { expect, test } from "vitest";
import { hostArgument } from "./copy/host.ts";
import { userDirectory } from "./context.ts";
import { bar } from "./progress.ts";
import { splitNul } from "./raw-arguments.ts";
import {
  baseName,
  count,
  formatInstant,
  formatMode,
  formatSize,
  imagePathFromText,
  joinPath,
  nameFields,
  showName,
} from "./text.ts";

test("sizes", () => {
  expect(formatSize(0)).toBe("0 B");
  expect(formatSize(1023)).toBe("1023 B");
  expect(formatSize(64 * 2 ** 20)).toBe("64 MiB");
  expect(formatSize(1.5 * 2 ** 30)).toBe("1.5 GiB");
  expect(formatSize(2 ** 43)).toBe("8 TiB");
});

test("modes as ls prints them", () => {
  expect(formatMode(0o100644)).toBe("-rw-r--r--");
  expect(formatMode(0o041777)).toBe("drwxrwxrwt");
  expect(formatMode(0o104755)).toBe("-rwsr-xr-x");
  expect(formatMode(0o102644)).toBe("-rw-r-Sr--");
  expect(formatMode(0o120777)).toBe("lrwxrwxrwx");
  expect(formatMode(0o020600)).toBe("crw-------");
});

test("times keep nanoseconds, and years that Date cannot show", () => {
  expect(formatInstant(0, 6)).toBe("1970-01-01T00:00:00.000000006Z");
  expect(formatInstant(-1, 5e8)).toBe("1969-12-31T23:59:59.500000000Z");
  expect(formatInstant(1e15, 1)).toBe("1000000000000000.000000001");
});

test("names never reach the terminal as control characters", () => {
  expect(showName("caf\u00c3\u00a9" as Name)).toBe("café");
  expect(showName("a\u001b[31m" as Name)).toBe("a\\x1b[31m");
  expect(showName("a\u00ff" as Name)).toBe("a\\xff");
  expect(nameFields("a\u00ff" as Name)).toEqual({ name: "a\ufffd", nameHex: "61ff" });
  expect(nameFields("plain" as Name)).toEqual({ name: "plain" });
});

test("paths inside an image", () => {
  expect(imagePathFromText("docs/x")).toBe("/docs/x");
  expect(imagePathFromText("/é")).toBe("/\u00c3\u00a9");
  expect(joinPath("/" as Name, "a" as Name)).toBe("/a");
  expect(joinPath("/a" as Name, "b" as Name)).toBe("/a/b");
  expect(baseName("/a/b/" as Name)).toBe("b");
  expect(baseName("/" as Name)).toBe("");
});

test("counts", () => {
  expect(count(1, "file")).toBe("1 file");
  expect(count(1200, "entry")).toBe("1,200 entries");
});

test("a progress bar is never longer or shorter than it says", () => {
  expect(bar(0, 10, 4)).toBe("░░░░");
  expect(bar(5, 10, 4)).toBe("██░░");
  expect(bar(11, 10, 4)).toBe("████");
  expect(bar(0, 0, 4)).toBe("░░░░");
});

test("the command line is taken apart at its NUL bytes", () => {
  const words = splitNul(Buffer.from([0x61, 0, 0xff, 0, 0, 0x62]));
  expect(words.map((word) => word.toString("latin1"))).toEqual(["a", "\u00ff", "", "b"]);
});

test("host paths start where the user stands", () => {
  expect(hostArgument("/home/u", "../x").toString()).toBe("/home/x");
  expect(hostArgument("/home/u", "é").toString()).toBe("/home/u/é");
});

test("INIT_CWD counts for our own root script alone", () => {
  const env = { INIT_CWD: "/repo/docs", npm_package_json: "/repo/package.json" };
  expect(userDirectory("/repo", { ...env, npm_package_name: "xiplab-workspace" })).toBe(
    "/repo/docs",
  );
  expect(userDirectory("/repo", { ...env, npm_package_name: "other" })).toBe("/repo");
  expect(userDirectory("/else", { ...env, npm_package_name: "xiplab-workspace" })).toBe("/else");
  expect(userDirectory("/repo", {})).toBe("/repo");
});
