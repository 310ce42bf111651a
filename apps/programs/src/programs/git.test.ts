/**
 * git: histories written by fast-import, clone, checkout, merge, gc, worktrees; and commits that are
 * cut off by the death of the server. git judges itself: `fsck --full --strict`, and a status that
 * hashes every file again.
 */
import { expect, test } from "vitest";
import { type Mounted, isFull, onMount, TEST_LIMITS, testDesigns } from "../harness/on-mount.ts";
import { Random } from "../harness/random.ts";

const SEED = 20_131_206;
const COMMITS = isFull ? 3000 : 80;
const FILES = isFull ? 2000 : 160;
const COMMITS_BEFORE_KILL = isFull ? 200 : 12;
const IDENTITY = "Xip Lab <xip@example.org>";
const ENV = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "Xip Lab",
  GIT_AUTHOR_EMAIL: "xip@example.org",
  GIT_COMMITTER_NAME: "Xip Lab",
  GIT_COMMITTER_EMAIL: "xip@example.org",
  GIT_AUTHOR_DATE: "1700000000 +0000",
  GIT_COMMITTER_DATE: "1700000000 +0000",
};
/** Whatever git makes is synced before the command returns. */
const DURABLE_ENV = {
  ...ENV,
  GIT_CONFIG_COUNT: "2",
  GIT_CONFIG_KEY_0: "core.fsync",
  GIT_CONFIG_VALUE_0: "all",
  GIT_CONFIG_KEY_1: "core.fsyncMethod",
  GIT_CONFIG_VALUE_1: "fsync",
};

test.for(testDesigns)("git on $name", TEST_LIMITS, async (design, { skip }) => {
  await onMount(design, { needs: ["git"], skip }, async (mounted) => {
    const git = (...args: string[]): Promise<string> => mounted.run("git", args, { env: ENV });
    await git("init", "-q", "-b", "main", "origin");
    const input = history(SEED);
    await mounted.run("git", ["-C", "origin", "fast-import", "--quiet"], { env: ENV, input });
    await git("-C", "origin", "checkout", "-q", "main");
    await expectUntouched(mounted, "origin");

    await git("clone", "-q", "--no-local", "origin", "clone");
    await git("clone", "-q", "origin", "linked");
    await expectUntouched(mounted, "clone");
    await work(mounted, "clone");
    await git("-C", "clone", "push", "-q", "origin", "topic");
    await git("-C", "origin", "gc", "--quiet", "--prune=now");
    await git("-C", "clone", "gc", "--quiet", "--prune=now");
    for (const repository of ["origin", "clone", "linked"]) {
      await git("-C", repository, "fsck", "--full", "--strict", "--no-progress");
    }
    const topic = await git("-C", "clone", "rev-parse", "topic");
    expect(await git("-C", "origin", "rev-parse", "topic")).toBe(topic);
    expect(await git("-C", "origin", "rev-list", "--count", "main")).toBe(`${COMMITS}\n`);
    await git("-C", "origin", "checkout", "-q", "topic");
    await expectUntouched(mounted, "origin");
  });
});

test.for(testDesigns)(
  "git commits and a killed server on $name",
  TEST_LIMITS,
  async (design, t) => {
    await onMount(design, { needs: ["git"], skip: t.skip }, async (mounted) => {
      await mounted.run("git", ["init", "-q", "-b", "main", "work"], { env: ENV });
      await mounted.shell("sync");
      const loop = `cd work; n=0; while true; do n=$((n + 1)); echo $n >> numbers; echo $n > file-$n;
      git add . && git commit -q -m "commit $n" && echo "ack $n"; done`;
      const committing = mounted.start("sh", ["-ec", loop], { env: DURABLE_ENV });
      await committing.until((output) => countOf(output) >= COMMITS_BEFORE_KILL);
      await mounted.killServer();
      await committing.ended;

      await mounted.mount();
      await mounted.shell("rm -f work/.git/*.lock work/.git/refs/heads/*.lock");
      const inWork = ["-C", "work"];
      await mounted.run("git", [...inWork, "fsck", "--full", "--no-dangling"], { env: ENV });
      const commits = await mounted.run("git", [...inWork, "rev-list", "--count", "main"]);
      // The rename of the branch's file is never synced itself: the next commit's syncs see to it.
      expect(Number(commits)).toBeGreaterThanOrEqual(countOf(committing.output) - 1);
      await mounted.run("git", [...inWork, "reset", "-q", "--hard"], { env: ENV });
      await mounted.run("git", [...inWork, "clean", "-fdxq"], { env: ENV });
      const numbers = await mounted.shell("cd work; wc -l < numbers; ls file-* | wc -l");
      expect(numbers.split("\n").map(Number).slice(0, 2)).toEqual([+commits, +commits]);
      await mounted.run("git", [...inWork, "gc", "--quiet"], { env: ENV });
      await expectUntouched(mounted, "work");
    });
  },
);

const countOf = (output: string): number => output.match(/^ack/gm)?.length ?? 0;

/** Branches, merges, a stash, a worktree: what people do all day. */
async function work(mounted: Mounted, repository: string): Promise<void> {
  await mounted.shell(
    `cd ${repository}
    git checkout -q -b topic origin/side
    for n in 1 2 3 4 5; do
      echo "line $n" >> notes; git add notes; git commit -q -m "note $n"
    done
    git merge -q -m merge -s recursive -X theirs origin/main
    git mv notes renamed && echo more >> renamed && git stash -q && git stash pop -q --index
    git commit -q -a -m renamed
    git rm -q -r d1 && git commit -q -m "without d1"
    git worktree add -q ../tree main && rm -rf ../tree/d2 && git -C ../tree checkout -q -- . 
    git checkout -q main && git checkout -q topic
    git repack -q -a -d -f --window=20
    git worktree remove ../tree`,
    { env: ENV },
  );
}

/** Nothing differs, though every file is read and hashed anew. */
async function expectUntouched(mounted: Mounted, repository: string): Promise<void> {
  const line = `cd ${repository}; rm .git/index; git reset -q; git status --porcelain`;
  expect(await mounted.shell(line, { env: ENV })).toBe("");
}

/** For `git fast-import`: `main`, and `side`, which leaves it half way. */
function history(seed: number): string {
  const random = new Random(seed);
  const parts: string[] = [];
  const data = (text: string): string => `data ${Buffer.byteLength(text)}\n${text}\n`;
  const commit = (branch: string, number: number, files: number, from = ""): void => {
    const when = 1_600_000_000 + number * 60;
    parts.push(`commit refs/heads/${branch}\n`, `committer ${IDENTITY} ${when} +0000\n`);
    parts.push(data(`${branch} ${number}`), from);
    for (let count = 0; count < files; count++) {
      const file = random.below(FILES);
      const name = `d${file % 7}/e${file % 31}/file-${file}.txt`;
      const length = random.pick([20, 300, 2000, 12_000]);
      parts.push(`M 100${file % 9 === 0 ? "755" : "644"} inline ${name}\n`);
      parts.push(data(random.text(length)));
    }
    if (number === 3) parts.push("M 120000 inline link\n", data("d1/e1"));
    parts.push("\n");
  };
  for (let number = 0; number < COMMITS; number++) {
    commit("main", number, number === 0 ? FILES : 6);
    if (number === Math.floor(COMMITS / 2)) commit("side", number, 4, "from refs/heads/main\n");
  }
  return parts.join("");
}
