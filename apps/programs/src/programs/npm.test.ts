/**
 * npm: some two hundred packages from the registry that npm is configured with, and their programs run
 * from the mount, which takes require(), symbolic links in .bin, and thousands of small files. Then all
 * of it once more from npm's cache, which is on the mount too.
 */
import fs from "node:fs";
import { expect, test } from "vitest";
import { manifestOf } from "../harness/manifest.ts";
import { isFull, type Mounted, onMount, TEST_LIMITS, testDesigns } from "../harness/on-mount.ts";

/** Fixed, so that the test is the same next year. */
const DEPENDENCIES: Record<string, string> = {
  express: "4.21.2",
  eslint: "9.17.0",
  ...(isFull ? { webpack: "5.97.1", typescript: "5.7.2", jest: "29.7.0" } : {}),
};

const SERVER_TEST = `
const assert = require("node:assert");
const { test } = require("node:test");
const express = require("express");

test("express serves a file of the mount", async () => {
  const server = express().use(express.static(__dirname)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const answer = await fetch("http://127.0.0.1:" + server.address().port + "/hello.txt");
  assert.equal(await answer.text(), "hello\\n");
  server.closeAllConnections();
  server.close();
});
`;
const ESLINT_CONFIG = `module.exports = [{ rules: { "no-debugger": "error" } }];\n`;

test.for(testDesigns)("npm install on $name", TEST_LIMITS, async (design, { skip }) => {
  await onMount(design, { needs: ["npm", "node"], skip }, async (mounted) => {
    const description = {
      name: "project",
      version: "1.0.0",
      dependencies: DEPENDENCIES,
      scripts: { test: "eslint . && node --test server.test.js" },
    };
    fs.mkdirSync(mounted.path("project"));
    const put = (name: string, text: string): void =>
      fs.writeFileSync(mounted.path("project", name), text);
    put("package.json", JSON.stringify(description));
    put("hello.txt", "hello\n");
    put("server.test.js", SERVER_TEST);
    put("eslint.config.js", ESLINT_CONFIG);
    await npm(mounted, "install", "--ignore-scripts");
    await npm(mounted, "ls", "--all");
    const installed = contents(mounted);
    expect(await npm(mounted, "test")).toMatch(/pass 1/);

    await npm(mounted, "ci", "--offline", "--ignore-scripts");
    expect(contents(mounted)).toBe(installed);
    put("wrong.js", "debugger;\n");
    await expect(npm(mounted, "test")).rejects.toThrow("Unexpected 'debugger' statement");
    await npm(mounted, "cache", "verify");
  });
});

const npm = (mounted: Mounted, ...args: string[]): Promise<string> => {
  const quiet = [
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--cache",
    mounted.path("cache"),
  ];
  return mounted.run("npm", [...args, ...quiet], { cwd: mounted.path("project") });
};

/** Names, modes and contents of what is installed; not the times, which are npm's own. */
const contents = (mounted: Mounted): string =>
  manifestOf(mounted.path("project/node_modules"), { times: "" })
    .split("\n")
    .filter((line) => !line.startsWith("/.package-lock.json"))
    .join("\n");
