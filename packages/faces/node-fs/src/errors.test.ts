/** The words of the core's errors are those of libuv, for every code that libuv knows. */
import { ERRNO, type ErrorCode } from "@xiplab/core";
import { getSystemErrorMap } from "node:util";
import { expect, test } from "vitest";
import { uvError } from "./errors.ts";

test("codes and messages are libuv's", () => {
  const uv = getSystemErrorMap();
  let known = 0;
  for (const code of Object.keys(ERRNO) as ErrorCode[]) {
    const entry = uv.get(-ERRNO[code]);
    if (entry === undefined) continue;
    known++;
    const [name, message] = entry;
    expect(uvError(code, "open", "/x").message).toBe(`${name}: ${message}, open '/x'`);
  }
  expect(known).toBeGreaterThan(30);
});
