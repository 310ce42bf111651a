/** What every function of one instance shares. */
import type { Task } from "@xiplab/core";
import type { Platform } from "../platform.ts";
import type { Descriptors } from "./descriptors.ts";

export interface Host {
  readonly task: Task;
  readonly platform: Platform;
  readonly descriptors: Descriptors;
  /** Where relative paths start: an absolute path, for what resolves paths by their text. */
  readonly cwd: string;
}
