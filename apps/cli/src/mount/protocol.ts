/** What the processes and threads of a mount tell each other. Plain data: it is copied. */
import type { CacheMode } from "@xiplab/fuse";
import type { Census, MediaName, OptionValues } from "@xiplab/core";
import type { ImageAccess } from "./options.ts";

/** Everything that a server needs to know. */
export interface MountPlan {
  /** Where the user stood: `image` and `mountPoint` are as they were written there. */
  readonly cwd: string;
  readonly image: string;
  readonly mountPoint: string;
  /** The mount point, absolute and without symbolic links. */
  readonly directory: string;
  readonly type: string | undefined;
  readonly readOnly: boolean;
  readonly design: OptionValues;
  readonly kernel: readonly string[];
  readonly media: MediaName | null;
  readonly cache: CacheMode;
  readonly access: ImageAccess;
  readonly allowOther: boolean;
  readonly source: string;
  readonly debug: boolean;
  /** What the server prints is kept, or seen. */
  readonly hasLog: boolean;
  /** null: none are asked for. */
  readonly stats: "text" | "json" | null;
}

export interface WorkerData {
  readonly plan: MountPlan;
  /** `ServeOptions.activity` of the connection. */
  readonly activity: Int32Array<SharedArrayBuffer>;
}

/** An error on its way to another thread or process: see problem.ts. */
export interface ToldProblem {
  readonly message: string;
  readonly hint: string | undefined;
  readonly exitCode: number;
  readonly stack: string | undefined;
}

/** What the image turned out to be. */
export interface OpenedFacts {
  readonly personality: string;
  /** It had not been unmounted cleanly, and mounting has seen to that. */
  readonly recovered: boolean;
}

/** From the serving thread. */
export type WorkerMessage =
  | { readonly kind: "opened"; readonly facts: OpenedFacts }
  /** The kernel has no more requests; the image is being closed. */
  | { readonly kind: "served" }
  | { readonly kind: "closed"; readonly stats: MountStats | null }
  | { readonly kind: "failed"; readonly problem: ToldProblem };

/** To the serving thread: the mounted device, or that there will be none. */
export type WorkerCommand =
  | { readonly kind: "serve"; readonly fd: number }
  | { readonly kind: "cancel" };

/** From the daemon to who started it. */
export type DaemonMessage =
  | { readonly kind: "ready"; readonly facts: OpenedFacts }
  | { readonly kind: "note"; readonly line: string }
  | { readonly kind: "failed"; readonly problem: ToldProblem };

/** What a mount did, from its opening to its end. Counts, and bytes. */
export interface MountStats {
  readonly personality: string;
  /** Why the image file was not mapped, in words; null where it was. */
  readonly notMapped: string | null;
  readonly stores: number;
  readonly flushes: number;
  readonly fences: number;
  readonly transactions: number;
  /** Bytes stored, by purpose. */
  readonly bytes: Readonly<Record<string, number>>;
  /** Requests of the kernel, by name. */
  readonly requests: Readonly<Record<string, number>>;
  readonly media: MediaStats | null;
  /** After the last request: what is more than the root is a leak. */
  readonly atEnd: CensusAtEnd;
}

export interface MediaStats {
  readonly model: MediaName;
  readonly modelledNs: number;
  /** Time that the server has waited, to be no faster than the model. */
  readonly waitedNs: number;
  readonly writeAmplification: number;
}

export interface CensusAtEnd extends Census {
  /** Nodes that the kernel was told of and has not given back. */
  readonly nodes: number;
  readonly handles: number;
}
