/** Errors of the host, as the device's. Told by their shape: core knows no host. */
import { ERRNO, type ErrorCode, FsError } from "../spec/errors.ts";

/** Access an open file of the host. @throws FsError EIO with what the host said */
export function attemptAccess(path: string, what: string, access: () => void): void {
  try {
    access();
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    throw new FsError("EIO", `${path} ${what}: ${messageOf(error)}`);
  }
}

/** What a host said of opening a file, as it is to be told. */
export function openError(path: string, readOnly: boolean, error: unknown): unknown {
  const code = codeOf(error);
  if (code === "ENOENT") return new FsError("ENOENT", path);
  if ((code === "EACCES" || code === "EROFS" || code === "EPERM") && !readOnly) {
    return new FsError(code, `${path} cannot be opened for writing; try it read-only`);
  }
  return hostError(path, "cannot be opened", error);
}

/** Any error of a host under its own code; other errors as they are. */
export function hostError(path: string, what: string, error: unknown): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  const known = Object.hasOwn(ERRNO, code) ? (code as ErrorCode) : "EIO";
  return new FsError(known, `${path} ${what}: ${messageOf(error)}`);
}

/** The code of a host's error; undefined for anything else, such as a bug of ours. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : "");
