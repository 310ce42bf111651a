/** Proven here: which parts of a chunk count as holes. */
import { expect, test } from "vitest";
import { dataRuns } from "./into-image.ts";

const PAGE = 4096;

test("pages of zeros are left out, neighbours are one run, and the end may be part of a page", () => {
  const chunk = new Uint8Array(6 * PAGE);
  expect(dataRuns(chunk, chunk.length)).toEqual([]);
  chunk[2 * PAGE] = 1;
  chunk[4 * PAGE - 1] = 1;
  chunk[5 * PAGE + 9] = 1;
  expect(dataRuns(chunk, 5 * PAGE + 10)).toEqual([
    [2 * PAGE, 4 * PAGE],
    [5 * PAGE, 5 * PAGE + 10],
  ]);
  expect(dataRuns(chunk, 5 * PAGE + 9)).toEqual([[2 * PAGE, 4 * PAGE]]);
});
