/**
 * What is done to a file, in the guest's kernel and here: preallocate, then write, in the ways that
 * tell one treatment of unwritten extents from another.
 */

/** Bytes throughout. `fill` is the byte that is written. */
export type Step =
  | { readonly do: "falloc"; readonly pos: number; readonly length: number; readonly keep?: true }
  | { readonly do: "write"; readonly pos: number; readonly length: number; readonly fill: number }
  /** Stores through a shared mapping, then msync. */
  | { readonly do: "store"; readonly pos: number; readonly length: number; readonly fill: number }
  | { readonly do: "punch"; readonly pos: number; readonly length: number }
  | { readonly do: "zero"; readonly pos: number; readonly length: number }
  | { readonly do: "collapse"; readonly pos: number; readonly length: number }
  | { readonly do: "insert"; readonly pos: number; readonly length: number }
  | { readonly do: "truncate"; readonly size: number };

export interface Scenario {
  /** The name of the file too. */
  readonly name: string;
  /** What it shows. */
  readonly about: string;
  readonly steps: readonly Step[];
}

const KIB = 1024;
const MIB = 1024 * 1024;
const BLOCK = 4096;

const falloc = (pos: number, length: number): Step => ({ do: "falloc", pos, length });
const write = (pos: number, length: number, fill: number): Step => ({
  do: "write",
  pos,
  length,
  fill,
});

export const Scenarios: readonly Scenario[] = [
  {
    name: "middle",
    about: "three blocks in the middle of 1 MiB preallocated",
    steps: [falloc(0, MIB), write(10 * BLOCK, 3 * BLOCK, 0xa1)],
  },
  {
    name: "head",
    about: "the first block of 1 MiB preallocated",
    steps: [falloc(0, MIB), write(0, BLOCK, 0xa2)],
  },
  {
    name: "tail",
    about: "the last block of 1 MiB preallocated",
    steps: [falloc(0, MIB), write(MIB - BLOCK, BLOCK, 0xa3)],
  },
  {
    name: "partial",
    about: "100 bytes inside a block: the rest of it must read as zeros",
    steps: [falloc(0, MIB), write(5_000, 100, 0xa4)],
  },
  {
    name: "small",
    about: "one block of 16 KiB preallocated: small enough to be zeroed whole",
    steps: [falloc(0, 16 * KIB), write(BLOCK, BLOCK, 0xa5)],
  },
  {
    name: "every-other",
    about: "every other block of 128 KiB preallocated, ascending",
    steps: [
      falloc(0, 128 * KIB),
      ...Array.from({ length: 16 }, (_, index) => write(2 * index * BLOCK, BLOCK, 0xb0 + index)),
    ],
  },
  {
    name: "append",
    about: "4 KiB appends into 256 KiB preallocated beyond the end",
    steps: [
      { do: "falloc", pos: 0, length: 256 * KIB, keep: true },
      ...Array.from({ length: 8 }, (_, index) => write(index * BLOCK, BLOCK, 0xc0 + index)),
    ],
  },
  {
    name: "neighbours",
    about: "writes that touch: the second continues the first, the third stands before it",
    steps: [
      falloc(0, MIB),
      write(100 * BLOCK, 4 * BLOCK, 0xd1),
      write(104 * BLOCK, 4 * BLOCK, 0xd2),
      write(96 * BLOCK, 4 * BLOCK, 0xd3),
    ],
  },
  {
    name: "hole",
    about: "nothing preallocated: 100 bytes at 0, a block at 1 MiB",
    steps: [write(0, 100, 0xe1), write(MIB, BLOCK, 0xe2)],
  },
  {
    name: "mapped",
    about: "stores through a mapping into 64 KiB preallocated",
    steps: [falloc(0, 64 * KIB), { do: "store", pos: 3 * BLOCK + 10, length: 5_000, fill: 0xe5 }],
  },
  {
    name: "zeroed",
    about: "a written range zeroed by ZERO_RANGE, then written in part",
    steps: [
      write(0, 128 * KIB, 0xe6),
      { do: "zero", pos: 32 * KIB, length: 64 * KIB },
      write(48 * KIB, BLOCK, 0xe7),
    ],
  },
  {
    name: "punched",
    about: "a hole punched into a preallocated and partly written file, edges inside blocks",
    steps: [
      falloc(0, 256 * KIB),
      write(64 * KIB, 64 * KIB, 0xe8),
      { do: "punch", pos: 70_000, length: 100_000 },
    ],
  },
  {
    name: "shifted",
    about: "ranges collapsed and inserted between preallocated and written parts",
    steps: [
      falloc(0, 256 * KIB),
      write(32 * KIB, 32 * KIB, 0xe9),
      { do: "collapse", pos: 16 * KIB, length: 32 * KIB },
      { do: "insert", pos: 64 * KIB, length: 16 * KIB },
    ],
  },
  {
    name: "cut",
    about: "truncated inside a written block of a preallocated file, then grown again",
    steps: [
      falloc(0, 64 * KIB),
      write(0, 32 * KIB, 0xea),
      { do: "truncate", size: 10_000 },
      { do: "truncate", size: 48 * KIB },
    ],
  },
];
