/**
 * Hashes of names: the same as those of debugfs, which has the signed forms alone; the unsigned ones
 * are judged by e2fsck in names.test.ts, and agree with the signed ones on ASCII.
 */
import type { Name } from "@xiplab/core";
import { requireOracle, run } from "@xiplab/oracles";
import { describe, expect, test } from "vitest";
import { NameKey } from "./dir/key.ts";
import { DX_HASH_HALF_MD4, DX_HASH_LEGACY, DX_HASH_TEA, DxHashNames } from "./format/htree.ts";
import { hashName } from "./hash.ts";

const VERSIONS = [DX_HASH_LEGACY, DX_HASH_HALF_MD4, DX_HASH_TEA];
const UUID = "a1b2c3d4-1122-3344-5566-778899aabbcc";
/** The same, as four little-endian words. */
const SEED = Uint32Array.of(0xd4c3b2a1, 0x44332211, 0x88776655, 0xccbbaa99);
const NO_SEED = new Uint32Array(4);
const LENGTHS = [1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 64, 100, 255];
const ASCII = LENGTHS.map((length) => "abcdefghijklmnopq-0123".repeat(12).slice(0, length));
const BEYOND = [
  "\xe9t\xe9",
  "\xff",
  "ab\xc3\xa9",
  "\xe4\xb8\xad\xe6\x96\x87\xe5\x90\x8d".repeat(3),
];

const key = new NameKey();

function hash(name: string, version: number, unsigned: boolean, seed: Uint32Array): string {
  key.set(name as Name);
  hashName(key.view, 0, name.length, version, unsigned, seed, key);
  return `0x${key.major.toString(16)} (minor 0x${key.minor.toString(16)})`;
}

/** Bytes above 127 are given as UTF-8: only names that are that can be asked. */
function debugfsHash(name: string, version: number, seeded: boolean): string {
  const text = Buffer.from(name, "latin1").toString("utf8");
  const seed = seeded ? `-s ${UUID}` : "";
  const { output } = run("debugfs", ["-R", `dx_hash -h ${DxHashNames[version]} ${seed} "${text}"`]);
  return /is (0x.*\))/.exec(output)?.[1] ?? output;
}

describe("hashName", () => {
  for (const version of VERSIONS) {
    test(`${DxHashNames[version]} as debugfs has it`, ({ skip }) => {
      requireOracle(["debugfs"], skip);
      const utf8 = BEYOND.filter(
        (name) => !Buffer.from(name, "latin1").toString().includes("\ufffd"),
      );
      expect(utf8.length).toBeGreaterThan(1);
      for (const name of [...ASCII, ...utf8]) {
        expect(hash(name, version, false, NO_SEED), name).toBe(debugfsHash(name, version, false));
        expect(hash(name, version, false, SEED), name).toBe(debugfsHash(name, version, true));
      }
    });

    test(`${DxHashNames[version]}: the sign matters for bytes above 127 alone`, () => {
      for (const name of ASCII) {
        expect(hash(name, version, true, SEED)).toBe(hash(name, version, false, SEED));
      }
      for (const name of BEYOND) {
        expect(hash(name, version, true, SEED)).not.toBe(hash(name, version, false, SEED));
      }
    });
  }

  test("known values, for machines without debugfs", () => {
    expect(hash("hello", DX_HASH_LEGACY, false, NO_SEED)).toBe("0x32252546 (minor 0x0)");
    expect(hash("hello", DX_HASH_HALF_MD4, false, NO_SEED)).toBe("0x1746da32 (minor 0x420013b5)");
    expect(hash("hello", DX_HASH_TEA, false, NO_SEED)).toBe("0x6f5bb1a8 (minor 0x231917c2)");
  });
});
