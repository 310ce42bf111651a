/**
 * npm: dozens of packages from the registry that npm is configured with, and their programs run from
 * the mount, which takes require(), symbolic links in .bin, and many small files. Then all of it once
 * more from npm's cache, which is on the mount too.
 */
import fs from "node:fs";
import { expect, test } from "vitest";
import { manifestOf } from "../harness/manifest.ts";
import { isFull, type Mounted, onMount, TEST_LIMITS, testDesigns } from "../harness/on-mount.ts";

/** Fixed, so that the test is the same next year. */
const DEPENDENCIES: Record<string, string> = {
  express: "4.21.2",
  terser: "5.37.0",
  ...(isFull ? { eslint: "9.17.0", webpack: "5.97.1", typescript: "5.7.2" } : {}),
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

test.for(testDesigns)("npm install on $name", TEST_LIMITS, async (design, { skip }) => {
  await onMount(design, { needs: ["npm", "node"], skip }, async (mounted) => {
    const description = {
      name: "project",
      version: "1.0.0",
      dependencies: DEPENDENCIES,
      scripts: { test: "terser hello.js -o out.js && node --test server.test.js" },
    };
    fs.mkdirSync(mounted.path("project"));
    const put = (name: string, text: string): void =>
      fs.writeFileSync(mounted.path("project", name), text);
    put("package.json", JSON.stringify(description));
    put("hello.txt", "hello\n");
    put("server.test.js", SERVER_TEST);
    put("hello.js", "function hello(name) {\n  return name;\n}\n");
    await npm(mounted, "install", "--ignore-scripts");
    await npm(mounted, "ls", "--all");
    const installed = contents(mounted);
    expect(await npm(mounted, "test")).toMatch(/pass 1/);

    await npm(mounted, "ci", "--prefer-offline", "--ignore-scripts");
    expect(contents(mounted)).toBe(installed);
    expect(await npm(mounted, "test")).toMatch(/pass 1/);
    expect(await mounted.shell("cat project/out.js")).toBe("function hello(name){return name}");
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
