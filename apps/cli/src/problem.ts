/**
 * Errors as people read them: what was wrong, where, what to do. No stack traces, unless
 * XIP_DEBUG=1 asks for them.
 */
import { CorruptionError, describeCorruption, FsError, OptionError } from "@xiplab/core/spec";
import type { ErrorCode } from "@xiplab/core/spec";
import { type Context, styleFor } from "./context.ts";
import { EXIT_DAMAGED, EXIT_FAILED, EXIT_USAGE } from "./exit-codes.ts";

/** A failure that is already in words. */
export class Problem extends Error {
  override readonly name = "Problem";
  readonly exitCode: number;
  /** What the user can do about it. */
  readonly hint: string | undefined;

  constructor(message: string, hint?: string, exitCode: number = EXIT_FAILED, cause?: unknown) {
    super(message, { cause });
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** A wrong command line that only the command itself can see. */
export const usage = (message: string, hint?: string): Problem =>
  new Problem(message, hint, EXIT_USAGE);

/** Host errors that are worth more than the system's words. */
const HOST_MESSAGES: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EISDIR: "is a directory",
  ENOTDIR: "a part of the path is not a directory",
  EEXIST: "exists already",
  ENOSPC: "no space left on the host",
  EROFS: "the host's file system is read-only",
  EMFILE: "too many open files",
  ELOOP: "too many symbolic links",
  EIO: "the host reports an i/o error",
  EFBIG: "too large for the host's file system",
};

const IMAGE_HINTS: Partial<Record<ErrorCode, string>> = {
  ENOSPC: "the image is full: 'xip info' shows its size; make a larger one with 'xip mkfs'",
  EROFS: "the image was opened read-only",
  EOPNOTSUPP: "the format of this image cannot do that: 'xip info' lists what it can",
  EPERM: "it may be immutable or append-only: 'xip lsattr' shows that, 'xip chattr' changes it",
  ENODATA: "'xip getfattr' lists the attributes that there are",
  EUCLEAN: "'xip check' lists what is wrong with the image",
};

/** Any error as a problem. `where` is what the command was about: usually the image. */
export function asProblem(error: unknown, where?: string): Problem {
  if (error instanceof Problem) return error;
  const prefix = where === undefined ? "" : `${where}: `;
  const [message, hint, exitCode] = inWords(error, prefix);
  return new Problem(message, hint, exitCode, error);
}

type Words = readonly [message: string, hint: string | undefined, exitCode: number];

function inWords(error: unknown, prefix: string): Words {
  if (error instanceof OptionError) return [`${prefix}${error.message}`, undefined, EXIT_USAGE];
  if (error instanceof CorruptionError) {
    const text = describeCorruption(error.corruption);
    return [`${prefix}damaged: ${text}`, IMAGE_HINTS.EUCLEAN, EXIT_DAMAGED];
  }
  if (error instanceof FsError) return imageWords(error, prefix);
  if (isHostError(error)) return hostWords(error);
  const message = error instanceof Error ? error.message : String(error);
  const hint = "this is a bug of xip; XIP_DEBUG=1 prints where it happened";
  return [`${prefix}internal error: ${message}`, hint, EXIT_FAILED];
}

/** Print a problem to stderr and return its exit code. */
export function report(context: Context, error: unknown, where?: string): number {
  const problem = asProblem(error, where);
  const style = styleFor(context.err);
  context.err.write(`${style("red", "xip:")} ${problem.message}\n`);
  if (problem.hint !== undefined) context.err.write(`${style("dim", `     ${problem.hint}`)}\n`);
  if (context.env["XIP_DEBUG"] === "1") {
    const origin = problem.cause instanceof Error ? problem.cause : problem;
    context.err.write(`${origin.stack ?? ""}\n`);
  }
  return problem.exitCode;
}

export interface HostError extends Error {
  readonly code: string;
  readonly syscall: string;
  readonly path?: string | Buffer;
  readonly dest?: string | Buffer;
}

export function isHostError(error: unknown): error is HostError {
  if (!(error instanceof Error) || error instanceof FsError) return false;
  return "code" in error && "syscall" in error && typeof error.code === "string";
}

function hostWords(error: HostError): Words {
  const words = HOST_MESSAGES[error.code] ?? error.message;
  const path = error.path === undefined ? "" : `${String(error.path)}: `;
  return [`${path}${words} (${error.code}, ${error.syscall})`, undefined, EXIT_FAILED];
}

function imageWords(error: FsError, prefix: string): Words {
  const path = error.path === undefined ? "" : `${error.path}: `;
  // "CODE: words: detail, syscall 'path'": the code stands behind, the path in front.
  const told = error.message.slice(error.code.length + 2);
  const end = error.syscall === undefined ? told.length : told.lastIndexOf(`, ${error.syscall}`);
  const code = error.code === "EUCLEAN" ? EXIT_DAMAGED : EXIT_FAILED;
  return [`${prefix}${path}${told.slice(0, end)} (${error.code})`, IMAGE_HINTS[error.code], code];
}
