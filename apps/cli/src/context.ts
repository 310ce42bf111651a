/** What a command sees of the world, so that nothing below reaches for globals. */
import { dirname, resolve } from "node:path";
import type { Writable } from "node:stream";
import { type InspectColor, styleText } from "node:util";

export type Style = (format: InspectColor | InspectColor[], text: string) => string;

export interface Context {
  readonly out: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly err: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where the user stands: relative host paths start here. */
  readonly cwd: string;
}

export function processContext(): Context {
  const { env, stdout, stderr } = process;
  return { out: stdout, err: stderr, env, cwd: userDirectory(process.cwd(), env) };
}

/**
 * The directory in which the command was typed. `pnpm xip` runs in the root of the workspace, and
 * says in INIT_CWD where the user stood. In anybody else's package script the working directory
 * is the one that is meant, so INIT_CWD counts for our own root script alone.
 */
export function userDirectory(cwd: string, env: Context["env"]): string {
  const { INIT_CWD, npm_package_json, npm_package_name } = env;
  if (INIT_CWD === undefined || npm_package_json === undefined) return cwd;
  const ours = npm_package_name === "xiplab-workspace" && dirname(npm_package_json) === cwd;
  return ours ? INIT_CWD : cwd;
}

/** A host path as the user means it. */
export const hostPath = (context: Context, path: string): string => resolve(context.cwd, path);

/** Colour for one stream: none where it is no terminal, or NO_COLOR is set. */
export const styleFor =
  (stream: Context["out"]): Style =>
  (format, text) =>
    styleText(format, text, { stream });

/** Print for programs: one JSON document and a newline. */
export function printJson(context: Context, value: unknown): void {
  context.out.write(`${JSON.stringify(value, null, 2)}\n`);
}

export function print(context: Context, line: string): void {
  context.out.write(`${line}\n`);
}

/** A note for people, on stderr: never mixed into what a program reads. */
export function note(context: Context, line: string): void {
  context.err.write(`${line}\n`);
}
