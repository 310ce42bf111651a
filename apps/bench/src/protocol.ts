/** What parent and child processes say to each other, and the names they share. */
import type { Slice } from "./batch.ts";

export const XIPLAB = "xiplab/plain";
export const MEMCPY = "memcpy";
export const PeerNames = ["memfs", "zenfs", "node-vfs", "tmpfs"] as const;
export const TargetNames = [XIPLAB, ...PeerNames, MEMCPY] as const;
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
  /** Files of the growth experiment that exist in this process; 0: none. */
  readonly population: number;
}
