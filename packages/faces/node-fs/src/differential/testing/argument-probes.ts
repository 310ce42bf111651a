/**
 * Argument validation: a good call of each function, and for each of its arguments every bad value
 * in its place. What must agree is who is refused, when, and in which words.
 */
import { BAD_DESCRIPTORS, BAD_VALUES } from "./path-kinds.ts";
import type { Form, Probe } from "./run-probe.ts";
import type { Place } from "./world.ts";

type ArgumentOf = (place: Place) => unknown;

interface Good {
  readonly method: string;
  readonly arguments: readonly ArgumentOf[];
  readonly forms?: readonly Form[];
}

/** A path in the place. The function marks the argument: path-probes has the table for those. */
function path(name: string): ArgumentOf {
  const pathOf: ArgumentOf = ({ directory }) => `${directory}/${name}`;
  paths.add(pathOf);
  return pathOf;
}
const paths = new Set<ArgumentOf>();
const value =
  (fixed: unknown): ArgumentOf =>
  () =>
    fixed;
/** An open descriptor. The name marks the argument: it takes BAD_DESCRIPTORS. */
function descriptor(name: string, flags: string): ArgumentOf {
  const open: ArgumentOf = ({ fs, directory, opened }) => {
    const fd = fs.openSync(`${directory}/${name}`, flags);
    opened.push(fd);
    return fd;
  };
  descriptors.add(open);
  return open;
}
const descriptors = new Set<ArgumentOf>();
const bytes: ArgumentOf = () => Buffer.alloc(8, 0x2e);

const ON_DESCRIPTORS: readonly Form[] = ["sync", "callback"];
const onFd = (method: string, name: string, flags: string, ...rest: ArgumentOf[]): Good => ({
  method,
  arguments: [descriptor(name, flags), ...rest],
  forms: ON_DESCRIPTORS,
});
const onPath = (method: string, name: string, ...rest: ArgumentOf[]): Good => ({
  method,
  arguments: [path(name), ...rest],
});

const GOOD: readonly Good[] = [
  onPath("access", "file", value(0)),
  onPath("stat", "file", value({})),
  onPath("lstat", "link", value({})),
  onPath("statfs", "file", value({})),
  onPath("open", "file", value("r"), value(0o644)),
  onPath("readFile", "file", value({ encoding: null })),
  onPath("writeFile", "file", value("data"), value({})),
  onPath("appendFile", "file", value("data"), value({})),
  onPath("readdir", "full", value({})),
  onPath("opendir", "full", value({})),
  onPath("mkdir", "missing", value({})),
  onPath("mkdtemp", "temp-", value("utf8")),
  onPath("rmdir", "hollow", value({})),
  onPath("rm", "file", value({})),
  onPath("readlink", "link", value("utf8")),
  onPath("realpath", "link", value("utf8")),
  onPath("symlink", "missing", path("new"), value("file")),
  onPath("copyFile", "file", path("new"), value(0)),
  onPath("cp", "file", path("new"), value({})),
  onPath("chmod", "file", value(0o644)),
  onPath("lchmod", "file", value(0o644)),
  onPath("chown", "file", value(1), value(1)),
  onPath("lchown", "link", value(1), value(1)),
  onPath("utimes", "file", value(1), value(2)),
  onPath("lutimes", "link", value(1), value(2)),
  onPath("truncate", "file", value(2)),
  { method: "openAsBlob", arguments: [path("file"), value({})], forms: ["callback"] },
  onFd("close", "file", "r"),
  onFd("read", "file", "r", bytes, value(0), value(4), value(0)),
  onFd("read", "file", "r", bytes, value({ offset: 1 })),
  onFd("readv", "file", "r", () => [Buffer.alloc(2), Buffer.alloc(3)], value(0)),
  onFd("write", "file", "r+", bytes, value(0), value(4), value(0)),
  onFd("write", "file", "r+", bytes, value({ offset: 1 })),
  onFd("write", "file", "r+", value("text"), value(0), value("utf8")),
  onFd("writev", "file", "r+", () => [Buffer.from("ab"), Buffer.from("cd")], value(0)),
  onFd("ftruncate", "file", "r+", value(2)),
  onFd("fsync", "file", "r+"),
  onFd("fdatasync", "file", "r+"),
  onFd("fstat", "file", "r", value({})),
  onFd("fchmod", "file", "r", value(0o600)),
  onFd("fchown", "file", "r", value(1), value(1)),
  onFd("futimes", "file", "r+", value(1), value(2)),
  // Of a bad number the callback form throws where nobody can catch it.
  { ...onFd("readFile", "file", "r", value("utf8")), forms: ["sync"] },
  onFd("writeFile", "file", "r+", value("data"), value({})),
  onFd("appendFile", "file", "r+", value("data"), value({})),
];

/** The other forms throw where nobody can catch it: they make the Dir in a callback of their own. */
const NOT_CALLED_BACK: Good = { ...onPath("opendir", "full"), forms: ["sync"] };

/** Options by name, each with every bad value. */
const OPTIONS: ReadonlyArray<readonly [good: Good, option: string]> = [
  [onPath("stat", "file"), "bigint"],
  [onPath("stat", "missing"), "throwIfNoEntry"],
  [onPath("readFile", "file"), "encoding"],
  [onPath("readFile", "file"), "flag"],
  [onPath("readFile", "file"), "signal"],
  [onPath("writeFile", "file", value("data")), "encoding"],
  [onPath("writeFile", "file", value("data")), "mode"],
  [onPath("writeFile", "file", value("data")), "flag"],
  [onPath("writeFile", "file", value("data")), "flush"],
  [onPath("writeFile", "file", value("data")), "signal"],
  [onPath("appendFile", "file", value("data")), "flush"],
  [onPath("readdir", "full"), "encoding"],
  [onPath("readdir", "full"), "withFileTypes"],
  [onPath("readdir", "full"), "recursive"],
  [NOT_CALLED_BACK, "encoding"],
  [NOT_CALLED_BACK, "bufferSize"],
  [onPath("mkdir", "missing/child"), "recursive"],
  [onPath("mkdir", "missing"), "mode"],
  [onPath("rm", "full"), "recursive"],
  [onPath("rm", "missing"), "force"],
  [onPath("rm", "file"), "retryDelay"],
  [onPath("rm", "file"), "maxRetries"],
  [onPath("rmdir", "hollow"), "recursive"],
  [onPath("cp", "full", path("missing")), "recursive"],
  [onPath("cp", "file", path("other")), "force"],
  [onPath("cp", "file", path("other")), "errorOnExist"],
  [onPath("cp", "file", path("other")), "dereference"],
  [onPath("cp", "file", path("other")), "filter"],
  [onPath("cp", "file", path("other")), "preserveTimestamps"],
  [onPath("cp", "file", path("other")), "verbatimSymlinks"],
  [onPath("cp", "file", path("other")), "mode"],
  [onFd("read", "file", "r", bytes), "offset"],
  [onFd("read", "file", "r", bytes), "length"],
  [onFd("read", "file", "r", bytes), "position"],
  [onFd("write", "file", "r+", bytes), "offset"],
  [onFd("write", "file", "r+", bytes), "length"],
  [onFd("write", "file", "r+", bytes), "position"],
];

/** A mode of 32 bits ends the process of the real one. */
const ABORTING = "2^31";
const MODES: Readonly<Record<string, number>> = {
  open: 2,
  mkdir: 1,
  chmod: 1,
  lchmod: 1,
  fchmod: 1,
};

const badEntries = (bad: Readonly<Record<string, unknown>>, isMode: boolean) =>
  Object.entries(bad).filter(([kind]) => !(isMode && kind === ABORTING));

/** To calls that take either, text is a path. */
const { text: _text, ...NO_TEXT } = BAD_DESCRIPTORS;

/** Each position of each good call. Positions of paths have a table of their own. */
function positionProbes(good: Good): Probe[] {
  const count = good.arguments.length;
  return Array.from({ length: count }, (_, index) => index)
    .filter((index) => !paths.has(good.arguments[index] as ArgumentOf))
    .flatMap((index) => {
      const isDescriptor = descriptors.has(good.arguments[index] as ArgumentOf);
      const bad = isDescriptor ? BAD_DESCRIPTORS : BAD_VALUES;
      const isMode = MODES[good.method] === index;
      const isPathToo = good.method.endsWith("File") && isDescriptor;
      return badEntries(isPathToo ? NO_TEXT : bad, isMode).map(([kind, badValue]) => ({
        name: `${good.method}: ${kind} for argument ${index} of ${count}`,
        method: good.method,
        ...(good.forms === undefined ? {} : { forms: good.forms }),
        arguments: (place: Place) =>
          good.arguments.map((argument, at) => (at === index ? badValue : argument(place))),
      }));
    });
}

function optionProbes([good, option]: (typeof OPTIONS)[number]): Probe[] {
  const isMode = option === "mode";
  return badEntries(BAD_VALUES, isMode).map(([kind, badValue]) => ({
    name: `${good.method}: ${kind} for the option ${option}`,
    method: good.method,
    ...(good.forms === undefined ? {} : { forms: good.forms }),
    arguments: (place) => [
      ...good.arguments.map((argument) => argument(place)),
      { [option]: badValue },
    ],
  }));
}

/** Fewer arguments than the call needs. */
function missingProbes(good: Good): Probe[] {
  return good.arguments.map((_, count) => ({
    name: `${good.method} with ${count} of ${good.arguments.length} arguments`,
    method: good.method,
    ...(good.forms === undefined ? {} : { forms: good.forms }),
    arguments: (place) => good.arguments.slice(0, count).map((argument) => argument(place)),
  }));
}

export const POSITION_PROBES: readonly Probe[] = GOOD.flatMap(positionProbes);
export const OPTION_PROBES: readonly Probe[] = OPTIONS.flatMap(optionProbes);
export const MISSING_PROBES: readonly Probe[] = GOOD.flatMap(missingProbes);
