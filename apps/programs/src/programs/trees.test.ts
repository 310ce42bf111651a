/**
 * Whole trees through the programs that move them: rsync by checksum, tar with lists and holes, cp, and
 * dpkg, which replaces files under running programs. Each has its own idea of "the same"; ours, a hash of
 * everything, has to agree.
 */
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { differences, manifestOf } from "../harness/manifest.ts";
import { isFull, type Mounted, onMount, TEST_LIMITS, testDesigns } from "../harness/on-mount.ts";
import { writePackage } from "../sources/debian-package.ts";
import { decorateTree, writeTree } from "../sources/tree.ts";

const SEED = 7;
const FILES = isFull ? 20_000 : 150;
const NEEDS = ["rsync", "tar", "cp", "du", "find", "setfacl", "setfattr"];

test.for(testDesigns)("rsync, tar and cp on $name", TEST_LIMITS, async (design, { skip }) => {
  await onMount(design, { needs: NEEDS, skip }, async (mounted) => {
    const source = path.join(mounted.scratch, "source");
    writeTree(source, SEED, FILES);
    await roundTrip(mounted, source);
    if (design.hasXattrs) await decorateTree(mounted, "copy");
    const whole = { xattrs: design.hasXattrs };
    const expected = manifestOf(mounted.path("copy"), whole);
    const expectSame = (name: string): void =>
      expect(differences(expected, manifestOf(mounted.path(name), whole)), name).toBe("");

    const all = ["-aHAX", "--numeric-ids", "--checksum"];
    await mounted.run("rsync", [...all, "--sparse", "copy/", "second"]);
    expect(await mounted.run("rsync", [...all, "-n", "-i", "--delete", "copy/", "second"])).toBe(
      "",
    );
    expectSame("second");

    const kept = ["--xattrs", "--xattrs-include=*", "--acls", "--sparse", "--numeric-owner"];
    await mounted.run("tar", [...kept, "-C", "copy", "-cf", "copy.tar", "."]);
    await mounted.run("tar", [...kept, "-C", "copy", "-df", "copy.tar"]);
    await mounted.shell("mkdir third");
    await mounted.run("tar", [...kept, "-C", "third", "-xpf", "copy.tar"]);
    expectSame("third");

    await mounted.run("cp", ["-a", "--reflink=auto", "--sparse=auto", "copy", "fourth"]);
    expectSame("fourth");
    await mounted.run("cp", ["-a", "--sparse=always", "copy", "fifth"]);
    expectSame("fifth");
    await expectSparse(mounted);
    await mounted.shell(
      "rm -rf second third; find fourth -depth -mindepth 1 -delete; rmdir fourth",
    );
    expect((await mounted.shell("ls")).trim().split("\n").toSorted()).toEqual(
      (await mounted.shell("ls -d copy copy.tar fifth lost+found 2>/dev/null || true"))
        .trim()
        .split("\n"),
    );
  });
});

/** Onto the mount and back, changed there, and brought up to date. */
async function roundTrip(mounted: Mounted, source: string): Promise<void> {
  const back = path.join(mounted.scratch, "back");
  const args = ["-aH", "--numeric-ids", "--checksum"];
  await mounted.run("rsync", [...args, "--sparse", `${source}/`, "copy"]);
  await mounted.run("rsync", [...args, "copy/", back]);
  // rsync leaves the times of symbolic links alone.
  const expected = manifestOf(source, { times: "fd" });
  const expectSame = (directory: string, when: string): void =>
    expect(differences(expected, manifestOf(directory, { times: "fd" })), when).toBe("");
  expectSame(mounted.path("copy"), "there");
  expectSame(back, "and back");
  await mounted.shell(
    `cd copy; find . -name '*3' -type f | head -20 | while read -r name; do echo x >> "$name"; done
    find . -name '*5' -delete; mkdir -p new/dir; echo y > new/dir/file`,
  );
  await mounted.run("rsync", [...args, "--inplace", "--delete", `${source}/`, "copy"]);
  expectSame(mounted.path("copy"), "brought up to date");
}

/** Holes are none of the space in use, and were copied as holes. */
async function expectSparse(mounted: Mounted): Promise<void> {
  for (const tree of ["copy", "fifth"]) {
    const apparent = Number((await mounted.run("du", ["-b", `${tree}/sparse`])).split("\t")[0]);
    const used = Number((await mounted.run("du", ["-B1", `${tree}/sparse`])).split("\t")[0]);
    expect(apparent).toBe(fs.statSync(mounted.path(tree, "sparse")).size);
    expect(used).toBeLessThan(apparent / 10);
  }
}

test.for(testDesigns)("dpkg on $name", TEST_LIMITS, async (design, { skip }) => {
  await onMount(design, { needs: ["dpkg", "dpkg-deb"], skip }, async (mounted) => {
    const count = isFull ? 5000 : 70;
    for (const version of [1, 2]) {
      writePackage(path.join(mounted.scratch, `v${version}`), version, count);
      await mounted.run("dpkg-deb", ["--build", "-Znone", `${mounted.scratch}/v${version}`, "."]);
    }
    await mounted.shell(
      "mkdir -p root/var/lib/dpkg; cd root/var/lib/dpkg; mkdir updates info; touch status available",
    );
    const dpkg = (...args: string[]): Promise<string> =>
      mounted.run("dpkg", [`--root=${mounted.path("root")}`, "--force-not-root", ...args]);
    for (const version of [1, 2, 1]) {
      await dpkg("--install", `xip-things_${version}_all.deb`);
      expect(await dpkg("--verify", "xip-things")).toBe("");
      const files = { times: "f" };
      const expected = manifestOf(path.join(mounted.scratch, `v${version}`, "usr"), files);
      const installed = manifestOf(mounted.path("root/usr"), files);
      expect(differences(expected, installed), `version ${version}`).toBe("");
    }
    await dpkg("--purge", "xip-things");
    expect(fs.existsSync(mounted.path("root/usr"))).toBe(false);
  });
});
