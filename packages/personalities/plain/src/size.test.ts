/** plain is made to be read: it stays below a thousand lines of code. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const HELPERS = /\.(test|fuzz)\.ts$|^testing\.ts$/;

/** Lines of code: neither blank nor comment. */
function countCode(text: string): number {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "" && !/^(\/\/|\/\*|\*)/.test(line)).length;
}

test("fewer than 1,000 lines of code", () => {
  const folder = new URL(".", import.meta.url);
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const sources = names.filter((name) => name.endsWith(".ts") && !HELPERS.test(name));
  expect(sources.length).toBeGreaterThan(10);
  const counts = sources.map((name) => countCode(readFileSync(new URL(name, folder), "utf8")));
  expect(counts.reduce((sum, count) => sum + count)).toBeLessThan(1000);
});
