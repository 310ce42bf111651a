/** plain keeps the contract that every personality keeps, on every data path and sound protocol. */
import { contract, type Runner, unsoundControls } from "@xiplab/testkit";
import { describe, test } from "vitest";
import { plain } from "./index.ts";

const runner: Runner = {
  describe: (title, body) => void describe(title, body),
  test: (name, body) => void test(name, body),
  skip: (name, reason) => void test(name, ({ skip }) => skip(reason)),
};

contract(plain, runner);
unsoundControls(plain, runner);
