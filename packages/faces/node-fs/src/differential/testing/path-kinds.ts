/** Everything that a program may hand in as a path, by what it leads to. */
import { pathToFileURL } from "node:url";
import { bytesPath, type Place } from "./world.ts";

export type PathOf = (place: Place) => unknown;

const under =
  (name: string): PathOf =>
  ({ directory }) =>
    `${directory}/${name}`;

/** Paths that mean something: what stands there, and in which way it is reached. */
export const PATHS: Readonly<Record<string, PathOf>> = {
  file: under("file"),
  "empty file": under("empty"),
  "full directory": under("full"),
  "empty directory": under("hollow"),
  missing: under("missing"),
  "missing in a missing directory": under("missing/child"),
  "below a file": under("file/child"),
  "file with a slash": under("file/"),
  "directory with a slash": under("hollow/"),
  "missing with a slash": under("missing/"),
  "link to a file": under("link"),
  "link to a file with a slash": under("link/"),
  "link to a directory": under("dirlink"),
  "link to a directory with a slash": under("dirlink/"),
  "through a link": under("dirlink/inner"),
  "dangling link": under("dangling"),
  "below a dangling link": under("dangling/child"),
  "link to itself": under("loop"),
  "circle of links": under("ping"),
  "below a circle": under("ping/child"),
  "hard link": under("hard"),
  "other hard link": under("hard2"),
  "name of 255 bytes": under("y".repeat(255)),
  "name of 256 bytes": under("x".repeat(256)),
  "path of 5000 bytes": under(`${"x".repeat(99)}/`.repeat(50)),
  "text beyond ASCII": under("ünïcode 名"),
  "dot dot": under("full/../file"),
  "dot dot after a link": under("dirlink/../file"),
  "dot dot after a file": under("file/../file"),
  "dot dot after nothing": under("missing/../file"),
  "double slashes": under("/.//full///inner"),
  dot: under("full/."),
  "ends in dot dot": under("full/deep/.."),
  "the directory itself": ({ directory }) => directory,
  empty: () => "",
};

/** Only for calls that look: what they find is outside of the probe's directory. */
export const RELATIVE_PATHS: Readonly<Record<string, PathOf>> = {
  "relative and missing": () => "no-such-directory/of-this-name",
  "relative to where the program stands": () => "no-such-name",
  "the root": () => "/",
  "above the root": () => "/../..",
};

/** Other types for a path, valid and not. Numbers are in BAD_DESCRIPTORS: some calls take one. */
export const PATH_TYPES: Readonly<Record<string, PathOf>> = {
  "a Buffer": ({ directory }) => Buffer.from(`${directory}/file`),
  "bytes that are no UTF-8": ({ directory }) => bytesPath(directory),
  "missing bytes that are no UTF-8": ({ directory }) =>
    bytesPath(directory, Buffer.from([0x80, 0x2f, 0xff])),
  "a Uint8Array": ({ directory }) => new TextEncoder().encode(`${directory}/file`),
  "a file URL": ({ directory }) => pathToFileURL(`${directory}/file`),
  "a file URL with escapes": ({ directory }) => pathToFileURL(`${directory}/ünïcode 名`),
  "a missing file URL": ({ directory }) => pathToFileURL(`${directory}/missing`),
  "a web URL": () => new URL("https://example.org/file"),
  "a URL with a host": () => new URL("file://example.org/file"),
  "a URL with an escaped slash": () => new URL("file:///a%2Fb"),
  "a URL with a NUL": () => new URL("file:///a%00b"),
  "an object like a URL": () => ({ href: "file:///x", protocol: "file:", pathname: "/x" }),
  "text with a NUL": ({ directory }) => `${directory}/file\0`,
  "bytes with a NUL": ({ directory }) => Buffer.from(`${directory}/file\0`),
  "an empty Buffer": () => Buffer.alloc(0),
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  "an object": () => ({}),
  "an array": () => ["file"],
  "a symbol": () => Symbol("path"),
  "a bigint": () => 1n,
  "a String object": () => Object("file") as unknown,
  "a Uint16Array": () => new Uint16Array(4),
  "an ArrayBuffer": () => new ArrayBuffer(4),
};

/** Numbers for a descriptor that no program has open, and what is no number. */
export const BAD_DESCRIPTORS: Readonly<Record<string, unknown>> = {
  "-1": -1,
  "999999": 999_999,
  "1.5": 1.5,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "2^31": 2 ** 31,
  undefined,
  null: null,
  text: "3",
  true: true,
  object: {},
  array: [],
  symbol: Symbol("fd"),
  bigint: 1n,
};

/** For any other argument. */
export const BAD_VALUES: Readonly<Record<string, unknown>> = {
  undefined,
  null: null,
  "0": 0,
  "1": 1,
  "-1": -1,
  "-2": -2,
  "1.5": 1.5,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "2^31": 2 ** 31,
  "2^32": 2 ** 32,
  "2^53": 2 ** 53,
  "empty text": "",
  text: "text",
  "octal text": "0644",
  "number as text": "7",
  true: true,
  false: false,
  object: {},
  array: [],
  symbol: Symbol("value"),
  bigint: 5n,
  "negative bigint": -5n,
  date: new Date(86_400_000),
  regexp: /x/,
  buffer: Buffer.from("bytes"),
  "array of words": new Uint16Array([0x6161, 0x6262]),
  "array buffer": new ArrayBuffer(4),
  "data view": new DataView(new ArrayBuffer(4)),
};
