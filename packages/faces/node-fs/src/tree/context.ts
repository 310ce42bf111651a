/** What the functions over trees share. */
import type { Schedule } from "../callback/schedule.ts";
import type { SyncFs } from "../callback/sync-fs.ts";
import { invalidType, invalidValue } from "../errors.ts";
import type { Platform } from "../platform.ts";
import { isUrl } from "../sync/paths.ts";
import { resolvePath } from "./paths.ts";

export interface TreeContext {
  readonly sync: SyncFs;
  readonly schedule: Schedule;
  /** Where relative paths start: absolute. */
  readonly cwd: () => string;
}

/** A path as text: bytes are read as UTF-8. @throws TypeError ERR_INVALID_ARG_TYPE, -_VALUE */
export function textPath(platform: Platform, given: unknown, name = "path"): string {
  const path = isUrl(given) ? platform.fileUrlToPath(given) : given;
  const text = path instanceof Uint8Array ? platform.decode(path, "utf8") : path;
  if (typeof text !== "string") {
    throw invalidType(platform, name, "of type string or an instance of Buffer or URL", path);
  }
  if (text.includes("\0")) {
    const reason = "must be a string, Uint8Array, or URL without null bytes";
    throw invalidValue(platform, name, path, reason);
  }
  return text;
}

export const resolve = (context: TreeContext, path: string): string =>
  resolvePath(context.cwd(), path);

/** Does an error of the system have this code? */
export const hasCode = (error: unknown, ...codes: string[]): boolean =>
  error instanceof Error && codes.includes(String((error as { code?: unknown }).code));
