/** mkdtemp: a new directory with a name that nobody can foretell. */
import { optionsOf } from "../sync/arguments.ts";
import { hasCode, resolve, textPath, type TreeContext } from "./context.ts";
import { rm } from "./rm.ts";
import { runSteps, runStepsLater } from "./steps.ts";

/** As libc: six characters out of these. */
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const LENGTH = 6;
/** Attempts before the names count as used up; libc's TMP_MAX is larger, but one is enough. */
const ATTEMPTS_MAX = 1000;
const MODE = 0o700;

let isWarned = false;

/** The path of the new directory: `prefix` and six characters. @throws Error as mkdir; EEXIST */
export function mkdtemp(
  context: TreeContext,
  prefix: unknown,
  given: unknown,
): string | Uint8Array {
  const { platform } = context.schedule;
  const { encoding } = optionsOf<{ encoding?: string | null }>(platform, given, {});
  const start = textPath(platform, prefix, "prefix");
  const bytes = prefix instanceof Uint8Array ? prefix : platform.encode(start, "utf8");
  if (start.endsWith("X") && !isWarned) {
    isWarned = true;
    const message = "mkdtemp() templates ending with X are not portable. For details see: ";
    platform.emitWarning(`${message}https://nodejs.org/api/fs.html`, "Warning");
  }
  const path = makeDirectory(context, bytes);
  return encoding === "buffer" ? path : platform.decode(path, encoding || "utf8");
}

function makeDirectory({ sync, schedule }: TreeContext, start: Uint8Array): Uint8Array {
  const { platform } = schedule;
  const path = platform.wrap(new Uint8Array(start.length + LENGTH));
  path.set(start);
  for (let attempt = 1; ; attempt++) {
    path.set(platform.encode(randomName(platform.randomBytes(LENGTH)), "utf8"), start.length);
    try {
      sync.mkdirSync(path as Buffer, MODE);
      return path;
    } catch (error) {
      if (hasCode(error, "EEXIST") && attempt < ATTEMPTS_MAX) continue;
      const shown = `${platform.decode(start, "utf8")}XXXXXX`;
      throw template(error, platform.decode(path, "utf8"), shown);
    }
  }
}

const randomName = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => LETTERS[byte % LETTERS.length]).join("");

/** As libc's error: of mkdtemp, and with the template in place of the name. */
function template(error: unknown, path: string, shown: string): unknown {
  if (!(error instanceof Error) || !("syscall" in error)) return error;
  const failed = error as Error & { path?: string; syscall: string };
  failed.message = failed.message.replace(`, mkdir '${path}'`, `, mkdtemp '${shown}'`);
  failed.syscall = "mkdtemp";
  failed.path = shown;
  return failed;
}

const REMOVAL = { recursive: true, force: false, maxRetries: 0, retryDelay: 0 };

/** A directory that is removed with all in it when it is disposed of. */
export function mkdtempDisposable(context: TreeContext, prefix: unknown, options: unknown) {
  const path = mkdtemp(context, prefix, options);
  // Absolute: the working directory may be another one by then.
  const full = resolve(context, textPath(context.schedule.platform, path));
  const remove = (): void => runSteps(ignoreAbsence(context, full));
  return { path, remove, [Symbol.dispose]: remove };
}

export async function mkdtempDisposableLater(
  context: TreeContext,
  prefix: unknown,
  options: unknown,
) {
  const { path } = mkdtempDisposable(context, prefix, options);
  const full = resolve(context, textPath(context.schedule.platform, path));
  const remove = (): Promise<void> => runStepsLater(context.schedule, ignoreAbsence(context, full));
  const made = { path, remove, [Symbol.asyncDispose]: remove };
  return context.schedule.run(() => Object.assign(Object.create(null) as typeof made, made));
}

const ignoreAbsence = (context: TreeContext, path: string) =>
  rm(context, path, { ...REMOVAL, force: true });
