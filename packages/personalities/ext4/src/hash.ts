/**
 * Hashes of names, which order the entries of an indexed directory.
 * Ref: Linux Documentation/filesystems/ext4/directory.rst; MD4 is RFC 1320, TEA is Wheeler and
 * Needham 1994. Checked against debugfs, and against directories that the kernel made.
 *
 * Each function exists in two forms, in which bytes from 128 on count as negative numbers or not:
 * what the C compiler made of `char` on the machine that made the image. The superblock says which.
 */
import { assert } from "@xiplab/core";
import { DX_HASH_HALF_MD4, DX_HASH_LEGACY, DX_HASH_TEA } from "./format/htree.ts";

/** Filled by `hashName`; the caller's own. */
export interface NameHash {
  /** Bit 0 is clear. */
  major: number;
  /** Tells most names with the same `major` apart. */
  minor: number;
}

/** The largest hash stands for the end of a directory: names that hash to it get the one before. */
const HASH_END = 0xfffffffe;
const HASH_LAST = 0xfffffffc;

/** Words of the name that are mixed in next: up to 8. */
const words = new Int32Array(8);
/** The state. Starts as in MD4 where the image has no seed. */
const state = new Int32Array(4);
const STATE_START = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);

/**
 * Hash `length` bytes of `view` from `at`, at least 1. `version` is DX_HASH_*; `seed` the four words
 * of s_hash_seed. HOT.
 */
export function hashName(
  view: DataView,
  at: number,
  length: number,
  version: number,
  unsigned: boolean,
  seed: Uint32Array,
  out: NameHash,
): void {
  assert(length > 0, "a name is not empty");
  assert(version <= DX_HASH_TEA, "the hash version was verified");
  let major: number;
  if (version === DX_HASH_LEGACY) {
    major = hashLegacy(view, at, length, unsigned);
    out.minor = 0;
  } else {
    start(seed);
    const step = version === DX_HASH_HALF_MD4 ? 32 : 16;
    for (let done = 0; done < length; done += step) {
      loadWords(view, at + done, length - done, step / 4, unsigned);
      if (step === 32) mixHalfMd4();
      else mixTea();
    }
    major = version === DX_HASH_HALF_MD4 ? state[1]! : state[0]!;
    out.minor = (version === DX_HASH_HALF_MD4 ? state[2]! : state[1]!) >>> 0;
  }
  major = (major & ~1) >>> 0;
  out.major = major === HASH_END ? HASH_LAST : major;
}

function start(seed: Uint32Array): void {
  const seeded = (seed[0]! | seed[1]! | seed[2]! | seed[3]!) !== 0;
  for (let index = 0; index < 4; index++)
    state[index] = seeded ? seed[index]! : STATE_START[index]!;
}

/**
 * The next `count` words of the name, of which `length` bytes are left: four bytes each, first byte
 * on top, where negative bytes borrow from those above. What is missing is filled with the length.
 */
function loadWords(
  view: DataView,
  at: number,
  length: number,
  count: number,
  unsigned: boolean,
): void {
  const low = length & 0xff;
  const filler = low | (low << 8) | (low << 16) | (low << 24);
  const whole = Math.min(length >>> 2, count);
  let index = 0;
  for (; index < whole; index++) {
    const word = view.getInt32(at + 4 * index);
    words[index] =
      unsigned || (word & 0x80808080) === 0 ? word : signedWord(view, at + 4 * index, 4, 0);
  }
  if (index === count) return;
  const rest = length & 3;
  words[index] = unsigned
    ? unsignedWord(view, at + 4 * index, rest, filler)
    : signedWord(view, at + 4 * index, rest, filler);
  for (index++; index < count; index++) words[index] = filler;
}

function signedWord(view: DataView, at: number, length: number, filler: number): number {
  let word = filler;
  for (let index = 0; index < length; index++) word = ((word << 8) + view.getInt8(at + index)) | 0;
  return word;
}

function unsignedWord(view: DataView, at: number, length: number, filler: number): number {
  let word = filler;
  for (let index = 0; index < length; index++) word = (word << 8) | view.getUint8(at + index);
  return word;
}

function hashLegacy(view: DataView, at: number, length: number, unsigned: boolean): number {
  let last = 0x12a3fe2d;
  let before = 0x37abe8f9;
  for (let index = 0; index < length; index++) {
    const byte = unsigned ? view.getUint8(at + index) : view.getInt8(at + index);
    let next = (before + (last ^ Math.imul(byte, 7_152_373))) | 0;
    if (next < 0) next = (next - 0x7fffffff) | 0;
    before = last;
    last = next;
  }
  return last << 1;
}

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));
const choose = (x: number, y: number, z: number): number => z ^ (x & (y ^ z));
const majority = (x: number, y: number, z: number): number => (x & y) | ((x | y) & z);

const ROUND_2 = 0x5a827999;
const ROUND_3 = 0x6ed9eba1;

/** MD4 with half of its steps, over `words`, into `state`. HOT: spelled out, 100 ns. */
function mixHalfMd4(): void {
  const w0 = words[0]!,
    w1 = words[1]!,
    w2 = words[2]!,
    w3 = words[3]!;
  const w4 = words[4]!,
    w5 = words[5]!,
    w6 = words[6]!,
    w7 = words[7]!;
  let a = state[0]!,
    b = state[1]!,
    c = state[2]!,
    d = state[3]!;

  a = rotate((a + choose(b, c, d) + w0) | 0, 3);
  d = rotate((d + choose(a, b, c) + w1) | 0, 7);
  c = rotate((c + choose(d, a, b) + w2) | 0, 11);
  b = rotate((b + choose(c, d, a) + w3) | 0, 19);
  a = rotate((a + choose(b, c, d) + w4) | 0, 3);
  d = rotate((d + choose(a, b, c) + w5) | 0, 7);
  c = rotate((c + choose(d, a, b) + w6) | 0, 11);
  b = rotate((b + choose(c, d, a) + w7) | 0, 19);

  a = rotate((a + majority(b, c, d) + w1 + ROUND_2) | 0, 3);
  d = rotate((d + majority(a, b, c) + w3 + ROUND_2) | 0, 5);
  c = rotate((c + majority(d, a, b) + w5 + ROUND_2) | 0, 9);
  b = rotate((b + majority(c, d, a) + w7 + ROUND_2) | 0, 13);
  a = rotate((a + majority(b, c, d) + w0 + ROUND_2) | 0, 3);
  d = rotate((d + majority(a, b, c) + w2 + ROUND_2) | 0, 5);
  c = rotate((c + majority(d, a, b) + w4 + ROUND_2) | 0, 9);
  b = rotate((b + majority(c, d, a) + w6 + ROUND_2) | 0, 13);

  a = rotate((a + (b ^ c ^ d) + w3 + ROUND_3) | 0, 3);
  d = rotate((d + (a ^ b ^ c) + w7 + ROUND_3) | 0, 9);
  c = rotate((c + (d ^ a ^ b) + w2 + ROUND_3) | 0, 11);
  b = rotate((b + (c ^ d ^ a) + w6 + ROUND_3) | 0, 15);
  a = rotate((a + (b ^ c ^ d) + w1 + ROUND_3) | 0, 3);
  d = rotate((d + (a ^ b ^ c) + w5 + ROUND_3) | 0, 9);
  c = rotate((c + (d ^ a ^ b) + w0 + ROUND_3) | 0, 11);
  b = rotate((b + (c ^ d ^ a) + w4 + ROUND_3) | 0, 15);

  state[0] = state[0]! + a;
  state[1] = state[1]! + b;
  state[2] = state[2]! + c;
  state[3] = state[3]! + d;
}

const TEA_ROUNDS = 16;
const TEA_DELTA = 0x9e3779b9;

/** The Tiny Encryption Algorithm with the first four of `words` as its key. HOT. */
function mixTea(): void {
  const k0 = words[0]!,
    k1 = words[1]!,
    k2 = words[2]!,
    k3 = words[3]!;
  let y = state[0]!,
    z = state[1]!;
  let sum = 0;
  for (let round = 0; round < TEA_ROUNDS; round++) {
    sum = (sum + TEA_DELTA) | 0;
    y = (y + (((z << 4) + k0) ^ (z + sum) ^ ((z >>> 5) + k1))) | 0;
    z = (z + (((y << 4) + k2) ^ (y + sum) ^ ((y >>> 5) + k3))) | 0;
  }
  state[0] = state[0]! + y;
  state[1] = state[1]! + z;
}
