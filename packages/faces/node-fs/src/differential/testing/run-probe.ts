/** One call in one of its three forms, and what came of it as text. */
import { classOf, describe } from "./describe.ts";
import type { Place } from "./world.ts";

export const Forms = ["sync", "callback", "promise"] as const;
export type Form = (typeof Forms)[number];

export interface Probe {
  readonly name: string;
  /** Without "Sync". */
  readonly method: string;
  readonly arguments: (place: Place) => unknown[];
  /** Forms that the call has. Default: all. */
  readonly forms?: readonly Form[];
}

type Method = (...values: unknown[]) => unknown;
type Methods = Record<string, Method | undefined>;

/** A callback that is not called in this time never will be. */
const WATCHDOG_MS = 500;

/** What the call answered. Descriptors and handles that it gave are closed. Never throws. */
export async function runProbe(probe: Probe, form: Form, place: Place): Promise<string> {
  try {
    return await call(probe, form, place);
  } finally {
    for (const fd of place.opened.splice(0)) closeQuietly(place, fd);
  }
}

async function call(probe: Probe, form: Form, place: Place): Promise<string> {
  const values = probe.arguments(place);
  if (form === "sync") {
    const methods = place.fs as unknown as Methods;
    return attempt("", place, probe, () => invoke(methods, `${probe.method}Sync`, values));
  }
  if (form === "callback") {
    const methods = place.fs as unknown as Methods;
    return callBack(methods, probe, place, values);
  }
  const promises = place.fs.promises as unknown as Methods;
  if (promises[probe.method] === undefined) return "absent";
  let promise: unknown;
  try {
    promise = invoke(promises, probe.method, values);
  } catch (error) {
    return `throws at once: ${describe(place.fs, error)}`;
  }
  const kind = promise instanceof Promise ? "" : "not a promise: ";
  return settle(kind, place, probe, promise);
}

function invoke(methods: Methods, name: string, values: readonly unknown[]): unknown {
  const method = methods[name];
  if (method === undefined) return "absent";
  return Reflect.apply(method, methods, values);
}

async function attempt(
  kind: string,
  place: Place,
  probe: Probe,
  run: () => unknown,
): Promise<string> {
  try {
    return `${kind}returns ${await show(place, probe, run())}`;
  } catch (error) {
    return `${kind}throws ${describe(place.fs, error)}`;
  }
}

async function settle(kind: string, place: Place, probe: Probe, promise: unknown): Promise<string> {
  try {
    return `${kind}resolves ${await show(place, probe, await promise)}`;
  } catch (error) {
    return `${kind}rejects ${describe(place.fs, error)}`;
  }
}

async function callBack(
  methods: Methods,
  probe: Probe,
  place: Place,
  values: readonly unknown[],
): Promise<string> {
  if (methods[probe.method] === undefined) return "absent";
  const { promise, resolve } = Promise.withResolvers<readonly unknown[]>();
  const watchdog = setTimeout(() => resolve(["never called back"]), WATCHDOG_MS);
  try {
    let isLate = false;
    const callback = (...results: unknown[]): void => {
      resolve(isLate ? results : ["called back before it returned", ...results]);
    };
    const returned = invoke(methods, probe.method, [...values, callback]);
    isLate = true;
    const results = (await promise).slice();
    // Some of Node's pass nothing, some undefined: no callback can want to know.
    while (results.length > 1 && results.at(-1) === undefined) results.pop();
    const shown: string[] = [];
    for (const result of results) shown.push(await show(place, probe, result));
    return `returns ${describe(place.fs, returned)}, calls back (${shown.join(", ")})`;
  } catch (error) {
    return `throws at once: ${describe(place.fs, error)}`;
  } finally {
    clearTimeout(watchdog);
  }
}

interface Closable {
  close(): Promise<void>;
}

async function show({ fs, opened }: Place, probe: Probe, value: unknown): Promise<string> {
  if (probe.method === "open" && typeof value === "number") {
    opened.push(value);
    return "<descriptor>";
  }
  if (typeof value === "object" && value !== null && /^(FileHandle|Dir)$/.test(classOf(value))) {
    await (value as Closable).close();
  }
  return describe(fs, value);
}

/** The call under test may have closed it. */
function closeQuietly({ fs }: Place, fd: number): void {
  try {
    fs.closeSync(fd);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EBADF") throw error;
  }
}
