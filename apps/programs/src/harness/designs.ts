/** The designs that every program runs on. One more design is one more line. */
import type { Personality } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { e2fsck, e2fsckAfterCrash, type E2fsckResult } from "@xiplab/oracles";
import { plain } from "@xiplab/plain";

export interface Design {
  /** As `xip mkfs` and `xip mount -t` call it. */
  readonly name: string;
  /** To look into its images in the process of the test. */
  readonly personality: Personality;
  /** More arguments of `xip mkfs`. */
  readonly mkfs: readonly string[];
  /** Of the image, where the program does not ask for more. */
  readonly sizeBytes: number;
  /** The field's own fsck by its strict rule; null for a design that is ours alone. */
  readonly judge: ((image: string) => E2fsckResult) | null;
  /** The same of an image whose server was killed: it recovers a copy first. */
  readonly judgeCrash: ((image: string) => E2fsckResult) | null;
  /** Programs that the judge takes. */
  readonly needs: readonly string[];
  /** As what the kernel mounts such an image; null where it does not. */
  readonly kernelType: string | null;
  /** Extended attributes, access control lists among them. */
  readonly hasXattrs: boolean;
}

const SIZE = 768 * 2 ** 20;

export const designs: readonly Design[] = [
  {
    name: plain.name,
    personality: plain,
    mkfs: [],
    sizeBytes: SIZE,
    judge: null,
    judgeCrash: null,
    needs: [],
    kernelType: null,
    hasXattrs: false,
  },
  {
    name: ext4.name,
    personality: ext4,
    mkfs: [],
    sizeBytes: SIZE,
    judge: e2fsck,
    judgeCrash: e2fsckAfterCrash,
    needs: ["e2fsck"],
    kernelType: "ext4",
    hasXattrs: true,
  },
];
