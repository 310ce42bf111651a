/** Probes of every call that takes a path, or two, on every kind of path. */
import { constants } from "node:fs";
import { PATH_TYPES, type PathOf, PATHS, RELATIVE_PATHS } from "./path-kinds.ts";
import type { Form, Probe } from "./run-probe.ts";

/** A call with its arguments after the path. */
interface Call {
  readonly method: string;
  readonly rest: readonly unknown[];
  readonly label: string;
  readonly forms?: readonly Form[];
}

const call = (method: string, ...rest: unknown[]): Call => ({
  method,
  rest,
  label: `${method}(${["path", ...rest.map((value) => JSON.stringify(value))].join(", ")})`,
});

const {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TRUNC,
  O_WRONLY,
  COPYFILE_EXCL,
} = constants;

/** Calls that only look. */
const LOOKING: readonly Call[] = [
  call("access"),
  call("access", constants.R_OK | constants.W_OK),
  call("access", constants.X_OK),
  { ...call("exists"), forms: ["sync"] },
  call("stat"),
  call("stat", { bigint: true }),
  call("stat", { throwIfNoEntry: false }),
  call("lstat"),
  call("lstat", { bigint: true }),
  call("lstat", { throwIfNoEntry: false }),
  call("statfs"),
  call("statfs", { bigint: true }),
  call("readFile"),
  call("readFile", "utf8"),
  call("readFile", { encoding: "hex", flag: "r+" }),
  call("readdir"),
  call("readdir", "buffer"),
  call("readdir", { withFileTypes: true }),
  call("readdir", { withFileTypes: true, encoding: "buffer" }),
  call("readdir", { recursive: true }),
  call("readdir", { recursive: true, withFileTypes: true }),
  call("readlink"),
  call("readlink", "buffer"),
  call("realpath"),
  call("realpath", "hex"),
  call("opendir"),
  call("opendir", { recursive: true, bufferSize: 1 }),
];

/** Calls that change something, alone or with data. */
const CHANGING: readonly Call[] = [
  call("writeFile", "new"),
  call("writeFile", "new", { flag: "wx" }),
  call("writeFile", "new", { flag: "r+", flush: true }),
  call("appendFile", "more"),
  call("appendFile", "more", { mode: 0o600, encoding: "latin1" }),
  call("mkdir"),
  call("mkdir", 0o700),
  call("mkdir", { recursive: true }),
  call("rmdir"),
  call("rmdir", { recursive: true }),
  call("rm"),
  call("rm", { force: true }),
  call("rm", { recursive: true }),
  call("rm", { recursive: true, force: true }),
  call("unlink"),
  call("chmod", 0o640),
  call("chmod", "4755"),
  call("lchmod", 0o640),
  call("chown", 1, 2),
  call("lchown", 1, 2),
  call("utimes", 1, 2),
  call("lutimes", 1, 2),
  call("truncate"),
  call("truncate", 3),
  call("truncate", 5000),
];
/** Of no path it would make a directory where the program stands. */
const MAKING: readonly Call[] = [call("mkdtemp"), call("mkdtemp", "buffer")];

const FLAGS: readonly unknown[] = [
  ..."r,rs,sr,r+,rs+,sr+,w,wx,xw,w+,wx+,xw+,a,ax,xa,as,sa,a+,ax+,xa+,as+,sa+,R,rw,+r,b".split(","),
  "",
  O_RDONLY,
  O_WRONLY,
  O_RDWR,
  3,
  O_WRONLY | O_CREAT,
  O_RDWR | O_CREAT | O_EXCL,
  O_RDONLY | O_CREAT,
  O_RDONLY | O_TRUNC,
  O_RDONLY | O_DIRECTORY,
  O_RDWR | O_DIRECTORY,
  O_RDONLY | O_NOFOLLOW,
  O_WRONLY | O_CREAT | O_NOFOLLOW,
  O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
  O_WRONLY | O_CREAT | O_TRUNC | O_APPEND,
  O_RDONLY | O_DIRECTORY | O_CREAT,
  O_RDONLY | O_NOATIME,
  O_WRONLY | O_SYNC,
];
const OPENING: readonly Call[] = FLAGS.map((flags) => call("open", flags, 0o640));

/** Each call on each path. */
function pathProbes(calls: readonly Call[], paths: Readonly<Record<string, PathOf>>): Probe[] {
  return calls.flatMap(({ method, rest, label, forms }) =>
    Object.entries(paths).map(([kind, pathOf]) => ({
      name: `${label} of ${kind}`,
      method,
      ...(forms === undefined ? {} : { forms }),
      arguments: (place) => [prefixOf(method, pathOf(place)), ...rest],
    })),
  );
}

/** The random part of a mkdtemp name is masked behind "temp-". */
function prefixOf(method: string, path: unknown): unknown {
  if (method !== "mkdtemp") return path;
  if (typeof path === "string") return `${path}temp-`;
  return Buffer.isBuffer(path) && path.length > 0
    ? Buffer.concat([path, Buffer.from("temp-")])
    : path;
}

const TYPED: readonly Call[] = [
  ...["access", "stat", "lstat", "statfs", "readFile", "readdir", "readlink", "realpath"].map(
    (method) => call(method),
  ),
  ...["mkdir", "rmdir", "rm", "unlink", "truncate", "opendir"].map((method) => call(method)),
  call("writeFile", "new"),
  call("appendFile", "more"),
  call("chmod", 0o600),
  call("chown", 1, 1),
  call("lchown", 1, 1),
  call("utimes", 1, 2),
  call("lutimes", 1, 2),
  call("open", "r"),
  { ...call("exists"), forms: ["sync"] },
];
const { "an empty Buffer": _emptyBuffer, ...NOT_EMPTY_TYPES } = PATH_TYPES;
export const TYPE_PROBES: readonly Probe[] = [
  ...pathProbes(TYPED, PATH_TYPES),
  // What is no string gets no mark behind which the random part of the name could be masked.
  ...pathProbes([call("mkdtemp")], NOT_EMPTY_TYPES).filter(({ name }) => !/URL|Uint8/.test(name)),
];

const PAIRS: readonly Call[] = [
  call("rename"),
  call("link"),
  call("symlink"),
  call("copyFile"),
  call("copyFile", COPYFILE_EXCL),
  call("cp"),
  call("cp", { recursive: true }),
  call("cp", { recursive: true, force: false, errorOnExist: true }),
  call("cp", { recursive: true, dereference: true, preserveTimestamps: true }),
  call("cp", { recursive: true, verbatimSymlinks: true }),
];

const SOURCES = [
  "file",
  "full directory",
  "empty directory",
  "missing",
  "below a file",
  "file with a slash",
  "directory with a slash",
  "link to a file",
  "link to a directory",
  "dangling link",
  "link to itself",
  "hard link",
  "name of 256 bytes",
  "empty",
  "dot",
];
const TARGETS = [
  ...SOURCES,
  "missing with a slash",
  "missing in a missing directory",
  "other hard link",
  "below the source",
];

const targetOf = (kind: string): PathOf =>
  kind === "below the source"
    ? ({ directory }) => `${directory}/full/deep/below`
    : (PATHS[kind] as PathOf);

/** Where Node's own cpSync ends the process: an exception that its C++ does not catch. */
const ABORTING = ["dangling link", "link to itself", "below a file", "name of 256 bytes"];
const aborts = (source: string, target: string): boolean =>
  ABORTING.includes(source) || ABORTING.includes(target);
const ASYNCHRONOUS: readonly Form[] = ["callback", "promise"];

/** Each call of two paths on each pair. */
export const PAIR_PROBES: readonly Probe[] = PAIRS.flatMap(({ method, rest, label }) =>
  SOURCES.flatMap((source) =>
    TARGETS.map((target) => ({
      name: `${label} of ${source} to ${target}`,
      method,
      ...(method === "cp" && aborts(source, target) ? { forms: ASYNCHRONOUS } : {}),
      arguments: (place) => [(PATHS[source] as PathOf)(place), targetOf(target)(place), ...rest],
    })),
  ),
);

/** Types of the second path, and of the first beside a good second. */
export const PAIR_TYPE_PROBES: readonly Probe[] = [
  "rename",
  "link",
  "symlink",
  "copyFile",
  "cp",
].flatMap((method) =>
  Object.entries(PATH_TYPES).flatMap(([kind, pathOf]): Probe[] => [
    {
      name: `${method}(${kind}, missing)`,
      method,
      arguments: (place) => [pathOf(place), `${place.directory}/missing`],
    },
    {
      name: `${method}(other, ${kind})`,
      method,
      arguments: (place) => [`${place.directory}/other`, pathOf(place)],
    },
  ]),
);

const ELSEWHERE = ["access", "readFile", "readlink", "realpath"];
export const LOOKING_PROBES: readonly Probe[] = [
  ...pathProbes(LOOKING, PATHS),
  ...pathProbes(
    LOOKING.filter(({ method }) => ELSEWHERE.includes(method)),
    RELATIVE_PATHS,
  ),
];
const { empty: _empty, ...NOT_EMPTY } = PATHS;
export const CHANGING_PROBES: readonly Probe[] = [
  ...pathProbes(CHANGING, PATHS),
  ...pathProbes(MAKING, NOT_EMPTY),
];
export const OPENING_PROBES: readonly Probe[] = pathProbes(OPENING, PATHS);
