/**
 * The entry for the browser needs nothing of Node: no module that it loads imports one of Node's, and
 * it works in a process whose globals of Node's own (Buffer, process, setImmediate) are gone.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const program = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

test("loads and works where node: modules and the globals of Node are forbidden", () => {
  const loader = program("./testing/forbid-node.ts");
  const main = program("./testing/browser-main.ts");
  const output = execFileSync(process.execPath, ["--import", loader, main], { encoding: "utf8" });
  expect(JSON.parse(output)).toEqual({
    text: "hällo",
    bytes: "Uint8Array",
    base64: "aMOkbGxv",
    names: ["file", "raw"],
    fd: 3,
    code: "ENOENT",
    refused: "ERR_INVALID_ARG_TYPE",
    later: "hällo",
    loaded: true,
  });
});

test("the loader that forbids them does", () => {
  const loader = program("./testing/forbid-node.ts");
  const script = 'await import("node:fs")';
  const run = (): string =>
    execFileSync(process.execPath, ["--import", loader, "--input-type=module", "-e", script], {
      encoding: "utf8",
      stdio: "pipe",
    });
  expect(run).toThrow(/node:fs is a module of Node/);
});
