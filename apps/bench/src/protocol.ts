/** What parent and child processes say to each other, and the names they share. */
import type { Slice } from "./batch.ts";

export const PLAIN = "xiplab/plain";
export const EXT4 = "xiplab/ext4";
/** A `Task` of the vfs over a design. */
export const OurNames = [PLAIN, EXT4] as const;
export type OurName = (typeof OurNames)[number];
export const NODE_PLAIN = "node-fs/plain";
export const NODE_EXT4 = "node-fs/ext4";
/** The API of node:fs over a design. */
export const FaceNames = [NODE_EXT4, NODE_PLAIN] as const;
export type FaceName = (typeof FaceNames)[number];
export const MEMCPY = "memcpy";
export const MEMFS = "memfs";
export const NODE_VFS = "node-vfs";
export const PeerNames = [MEMFS, NODE_VFS, "zenfs", "tmpfs"] as const;
export const XIP_MOUNT = "xip mount";
export const FUSE2FS = "fuse2fs";
/** An ext4 image on tmpfs that a program mounts. */
export const MountNames = [XIP_MOUNT, FUSE2FS, "kernel ext4"] as const;
export type MountName = (typeof MountNames)[number];
export const TargetNames = [
  ...FaceNames,
  ...OurNames,
  ...PeerNames,
  MEMCPY,
  ...MountNames,
] as const;
export type TargetName = (typeof TargetNames)[number];

export function isMount(target: TargetName): target is MountName {
  const mounts: readonly TargetName[] = MountNames;
  return mounts.includes(target);
}

/** Rows of these are what the benchmark is for; those of others may be missing. */
export function isOurs(target: TargetName): boolean {
  const ours: readonly TargetName[] = [...FaceNames, ...OurNames, XIP_MOUNT];
  return ours.includes(target);
}

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
