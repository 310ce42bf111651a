/** The small programs of every machine: what they leave is what they leave anywhere. */
import { expect, test } from "vitest";
import { onMount, TEST_LIMITS, testDesigns } from "../harness/on-mount.ts";

test.for(testDesigns)("find, du, cp on $name", TEST_LIMITS, async (design, { skip }) => {
  await onMount(design, { needs: ["find", "cp", "du"], skip }, async (mounted) => {
    await mounted.shell("mkdir -p a/b/c; echo hello > a/b/c/d; cp -a a e; ln -s e f");
    expect(await mounted.shell("cat e/b/c/d")).toBe("hello\n");
  });
});
