/**
 * Ten thousand generated operations on each data path and sound protocol, side by side with the
 * model. On a failure the message ends with a short sequence of operations: give it to `replay`.
 */
import { compareWithModel, SoundDataPaths } from "@xiplab/testkit";
import { describe, test } from "vitest";
import { plain } from "./index.ts";

const SEED = Number(process.env["SEED"] ?? 20_131_206);

describe("plain and the model agree", () => {
  for (const [index, { data, unwritten }] of SoundDataPaths.entries()) {
    const name = unwritten === undefined ? data : `${data} ${unwritten}`;
    const seed = SEED + index;
    test(`${name}, seed=${seed}`, () => {
      const mountOptions = unwritten === undefined ? { data } : { data, unwritten };
      console.log(compareWithModel({ personality: plain, mountOptions, seed }));
    });
  }
});
