/** What parent and child processes say to each other, and the names they share. */
import type { Slice } from "./batch.ts";

export const PLAIN = "xiplab/plain";
export const EXT4 = "xiplab/ext4";
export const OurNames = [PLAIN, EXT4] as const;
export type OurName = (typeof OurNames)[number];
export const MEMCPY = "memcpy";
export const PeerNames = ["memfs", "zenfs", "node-vfs", "tmpfs"] as const;
export const TargetNames = [...OurNames, ...PeerNames, MEMCPY] as const;
export type TargetName = (typeof TargetNames)[number];

export type Request =
  | { readonly kind: "prepare"; readonly op: string }
  | {
      readonly kind: "slice";
      readonly op: string;
      readonly target: TargetName;
      readonly budgetMs: number;
    }
  | { readonly kind: "end"; readonly op: string };

export type Reply =
  | { readonly kind: "done" }
  | { readonly kind: "slice"; readonly slice: Slice }
  | { readonly kind: "failed"; readonly message: string };

/** What a child is started for: its arguments, as JSON. */
export interface ChildOptions {
  readonly target: TargetName;
  /** Of a row against the bare copy: whose row it is. Both are measured in this process. */
  readonly beside: OurName;
  /** Files of the growth experiment that exist in this process; 0: none. */
  readonly population: number;
  /** All of them stand in one directory. */
  readonly oneDirectory: boolean;
}
