/** Proven here: help is complete, and a wrong command line touches nothing and says what is right. */
import { readdirSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { Sandbox } from "./testing.ts";

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const COMMANDS = [
  "mkfs",
  "info",
  "ls",
  "stat",
  "cat",
  "copy-in",
  "copy-out",
  "fiemap",
  "lsattr",
  "chattr",
  "getfattr",
  "setfattr",
  "mount",
  "umount",
  "check",
  "compare",
];

test("help lists the commands and says what the exit status means", () => {
  const { code, out } = sandbox.xip(["--help"]);
  expect(code).toBe(0);
  for (const command of COMMANDS) expect(out).toContain(`\n  ${command}`);
  expect(out).toMatch(/3 {2}the file system in the image has errors/);
  expect(out).toContain("Examples:");
  expect(out).not.toContain("\u001b");
});

test.each(COMMANDS)("%s --help has examples", (command) => {
  const { code, out } = sandbox.xip([command, "--help"]);
  expect(code).toBe(0);
  expect(out).toContain(`Usage: xip ${command}`);
  expect(out).toContain(`\nExamples:\n  xip ${command}`);
});

test("the version is that of the package", () => {
  expect(sandbox.xip(["--version"]).out).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test.each([
  [["moke"], /unknown command 'moke'/],
  [["mkf"], /Did you mean mkfs/],
  [["ls"], /missing required argument 'image'/],
  [["ls", "a.img", "--lon"], /unknown option '--lon'/],
  [["mkfs", "ext9", "a.img", "--size", "64M"], /'ext9'.*plain/],
  [["mkfs", "plain", "a.img"], /--size/],
  [["mkfs", "plain", "a.img", "--size", "many"], /'many' is not a size/],
  [["mkfs", "plain", "a.img", "--size", "1000001"], /multiple of the page size/],
  [["mkfs", "plain", "a.img", "--size", "64M", "-o", "colour=red"], /'colour'.*unwritten/],
  [["mkfs", "plain", "a.img", "--size", "64M", "-o", "unwritten=late"], /none, prewrite, complete/],
  [["compare", "--workload", "sleep"], /'sleep' is not one of tree, log/],
  [["compare", "--jobs", "0"], /at least 1/],
  [["copy-in", "a.img", "x"], /destination/],
])("xip %j is a usage error", (args, message) => {
  const { code, out, err } = sandbox.xip(args);
  expect(err).toMatch(message);
  expect(code).toBe(2);
  expect(out).toBe("");
  expect(readdirSync(sandbox.directory)).toEqual([]);
});

test("no command at all prints help, as a usage error", () => {
  const { code, err } = sandbox.xip([]);
  expect(code).toBe(2);
  expect(err).toContain("Usage: xip");
});
