/**
 * Untar, configure, make, make check, make install of a C program. What is built runs from the mount,
 * with a shared library beside it; and make, which goes by times, has nothing to do afterwards.
 */
import path from "node:path";
import { expect, test } from "vitest";
import { isFull, onMount, TEST_LIMITS, testDesigns } from "../harness/on-mount.ts";
import { writeCProgram } from "../sources/c-program.ts";

const SEED = 4;
const MODULES = isFull ? 400 : 30;
const NEEDS = ["tar", "gzip", "make", "cc", "ar"];

test.for(testDesigns)("a C program is built on $name", TEST_LIMITS, async (design, { skip }) => {
  await onMount(design, { needs: NEEDS, skip }, async (mounted) => {
    const { scratch } = mounted;
    writeCProgram(path.join(scratch, "sum-1.0"), SEED, MODULES);
    await mounted.run("tar", ["-C", scratch, "-czf", "sum-1.0.tar.gz", "sum-1.0"]);
    await mounted.run("tar", ["-xzf", "sum-1.0.tar.gz"]);
    await mounted.run("tar", ["-dzf", "sum-1.0.tar.gz"]);
    await mounted.shell("mkdir build; cd build; ../sum-1.0/configure --prefix=/usr");
    const inBuild = ["-C", "build"];
    await mounted.run("make", [...inBuild, "-j2"]);
    await mounted.run("make", [...inBuild, "check"]);
    expect(await mounted.shell("diff build/sum.out sum-1.0/sum.expected")).toBe("");
    await mounted.run("make", [...inBuild, "-q", "all"]);
    await mounted.run("make", [...inBuild, "install", `DESTDIR=${mounted.path("root")}`]);
    expect(await mounted.shell("root/usr/bin/sum")).toBe(await mounted.shell("build/sum"));
    await mounted.shell("touch sum-1.0/module_3.c");
    const again = await mounted.run("make", inBuild);
    expect(again.match(/-c -o/g)).toHaveLength(1);
    await mounted.run("make", [...inBuild, "clean"]);
  });
});
