/** ext4 keeps the contract that every personality keeps, on every data path and sound protocol. */
import { contract, type Runner, unsoundControls } from "@xiplab/testkit";
import { describe, test } from "vitest";
import { ext4 } from "./index.ts";

const runner: Runner = {
  describe: (title, body) => void describe(title, body),
  test: (name, body) => void test(name, body),
  skip: (name, reason) => void test(name, ({ skip }) => skip(reason)),
};

const MIB = 1024 * 1024;
/** A journal of its smallest size takes 4 MiB. */
const sizes = { deviceSize: 24 * MIB, smallDeviceSize: 8 * MIB };

contract(ext4, runner, sizes);
unsoundControls(ext4, runner, sizes);
