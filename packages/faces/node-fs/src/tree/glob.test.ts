/**
 * glob against Node's own: for patterns of every kind, and for seeded random ones, the same matches
 * in the same order, in all three forms.
 */
import type * as nodeFs from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { subjects, type World } from "../callback/testing.ts";

const FILES = [
  "a.js",
  "b.ts",
  ".hidden",
  "d/a.js",
  "d/e/f.txt",
  "d/e/g/a.js",
  "d/e/.h/i",
  "x/y/z/w.js",
  "x/[odd]",
  "x/Case.JS",
];

/** Where the walks start: ".." must not lead out of the world. */
const START = "up/up/start";

function plant({ fs, root: world }: World): void {
  const root = join(world, START);
  for (const file of FILES) {
    fs.mkdirSync(join(root, file, ".."), { recursive: true });
    fs.writeFileSync(join(root, file), "");
  }
  fs.symlinkSync("d", join(root, "link"));
  fs.symlinkSync("../x", join(root, "d/across"));
  fs.symlinkSync("..", join(root, "x/loop"));
  fs.symlinkSync("nowhere", join(root, "dangling"));
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

const PATTERNS = [
  "*",
  "**",
  "./**",
  "**/*.js",
  "**/",
  "*/",
  "d/**",
  "d/**/*",
  "{a,b}.*",
  "?.js",
  "[ab].?s",
  ".*",
  "**/.*",
  "**/.h/*",
  "d/../x/*",
  "**/..",
  "**/../*.js",
  "link/*",
  "link/**",
  "**/across/*",
  "x/\\[odd\\]",
  "x/[[]odd]",
  "*.JS",
  "!(a).js",
  "@(d|x)/*",
  "+(d)/e",
  "./a.js",
  "a.js",
  "absent",
  "absent/**",
  "d",
  "d/",
  "dangling",
  "**/**/a.js",
  "**/e/**/a.js",
  "",
  ".",
  "..",
  "../*/a.js",
  "d//a.js",
  "#a",
  "!a.js",
];

describe.each(subjects.filter(({ isReal }) => !isReal))("glob over $name", ({ open }) => {
  let ours: World;
  let real: World;
  beforeAll(() => {
    ours = open();
    real = subjects[0]!.open();
    plant(ours);
    plant(real);
  });
  afterAll(() => {
    ours[Symbol.dispose]();
    real[Symbol.dispose]();
  });

  type Options = Record<string, unknown>;
  const run = ({ fs, root }: World, pattern: string | string[], options: Options): unknown =>
    (fs.globSync(pattern, { cwd: join(root, START), ...options } as never) as unknown as string[])
      // The matches of absolute patterns are absolute.
      .map((match) => (match.startsWith(root) ? match.replace(root, "ROOT") : match));
  /** Directory order is the file system's own. */
  const sorted = (matches: unknown): string[] => (matches as string[]).toSorted();

  const variants: Options[] = [
    {},
    { maxDepth: 2 },
    { followSymlinks: true, maxDepth: 4 },
    { exclude: ["d/e"] },
    { exclude: ["**/*.js"] },
    { exclude: (name: string) => name === "e" },
  ];
  test.each(variants)("matches what Node's does, with %j", (options) => {
    for (const pattern of PATTERNS) {
      expect(sorted(run(ours, pattern, options)), pattern).toEqual(
        sorted(run(real, pattern, options)),
      );
    }
    const absolute = (world: World): string => `${world.root}/${START}/**/*.js`;
    expect(sorted(run(ours, absolute(ours), options))).toEqual(
      sorted(run(real, absolute(real), options)),
    );
    const several = ["*.js", "d/*"];
    expect(sorted(run(ours, several, options))).toEqual(sorted(run(real, several, options)));
  });

  test("matches what Node's does for random patterns", () => {
    const parts = ["*", "**", ".", "..", "a*", "*.js", "d", "e", "x", "{d,x}", "link", ".*", "?"];
    let seed = 20261123;
    const random = (max: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % max;
    };
    for (let round = 0; round < 300; round++) {
      const length = 1 + random(3);
      const pattern = Array.from({ length }, () => parts[random(parts.length)]).join("/");
      const start = seed;
      expect(sorted(run(ours, pattern, {})), `${pattern} seed=${start}`).toEqual(
        sorted(run(real, pattern, {})),
      );
    }
  });

  test("has three forms and gives entries", async () => {
    const { fs } = ours;
    const root = join(ours.root, START);
    const cwd = pathToFileURL(root);
    const sync = fs.globSync("**/*.js", { cwd });
    expect(await collect(fs.promises.glob("**/*.js", { cwd }))).toEqual(sync);
    const told = await new Promise((resolve) => {
      fs.glob("**/*.js", { cwd }, (...values) => resolve(values));
    });
    expect(told).toEqual([null, sync]);
    const entries = fs.globSync("**/*", { cwd: root, withFileTypes: true });
    const from = real.fs.globSync("**/*", { cwd: join(real.root, START), withFileTypes: true });
    const shown = (list: nodeFs.Dirent[], { root: base }: World): string[] =>
      list
        .map((e) => `${e.parentPath.replace(base, "")} ${e.name} ${e.isDirectory()} ${e.isFile()}`)
        .toSorted();
    expect(shown(entries, ours)).toEqual(shown(from, real));
    const later = await collect(fs.promises.glob("**/*", { cwd: root, withFileTypes: true }));
    expect(shown(later, ours)).toEqual(shown(entries, ours));
  });

  test("refuses what Node's refuses", () => {
    const wrong: [pattern: unknown, options?: unknown][] = [
      [1],
      [["a", 1]],
      ["a", { exclude: 1 }],
      ["a", { exclude: [1] }],
      ["a", { maxDepth: -1 }],
      ["a", { maxDepth: "1" }],
      ["a", { followSymlinks: 1 }],
      ["a", 1],
    ];
    for (const values of wrong) {
      const failure = ({ fs }: World): unknown => {
        try {
          return Reflect.apply(fs.globSync, fs, values) as unknown;
        } catch (error) {
          const { code, message, name } = error as NodeJS.ErrnoException;
          return { code, message, name };
        }
      };
      expect(failure(ours)).toEqual(failure(real));
    }
  });
});
