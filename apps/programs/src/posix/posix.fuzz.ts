/**
 * Generated operations of three users on a mount, compared with the model of what Linux and ext4 do: every
 * result, and after every operation the whole tree and which times moved. The model itself is judged
 * by the kernel's own ext4 in @xiplab/testkit.
 *
 * The comparison waits in this process, which must not serve the mount itself: it does not.
 */
import { compareKernelWithModel } from "@xiplab/testkit/kernel";
import { expect, test } from "vitest";
import { isFull, onMount, TEST_LIMITS, testDesigns } from "../harness/on-mount.ts";

const SEED = Number(process.env["SEED"] ?? 20_260_403);
const [RUNS, OPERATIONS] = isFull ? [40, 800] : [2, 250];
const TIMEOUT_MS = TEST_LIMITS.timeout - 30_000;

test.for(testDesigns.filter(({ hasXattrs }) => hasXattrs))(
  "POSIX semantics on $name",
  TEST_LIMITS,
  async (design, { skip }) => {
    console.log(`seed=${SEED}`);
    await onMount(design, { needs: [], skip }, async (mounted) => {
      const place = mounted.path("place");
      await mounted.run("mkdir", [place]);
      const differences = compareKernelWithModel(place, {
        seed: SEED,
        runs: RUNS!,
        operations: OPERATIONS!,
        throughFuse: true,
        timeoutMs: TIMEOUT_MS,
      });
      expect(differences).toBe("");
    });
  },
);
