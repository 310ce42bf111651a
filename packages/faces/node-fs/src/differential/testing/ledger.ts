/**
 * Where createFs is known to differ from Node's node:fs, and why: what Node answers, and what ours
 * does. A difference that is not in here fails the suite, also one of the same probe with another
 * answer or in what is left behind; so does an entry that meets no difference where every probe runs.
 */
import type { Difference } from "./compare.ts";
import type { Form } from "./run-probe.ts";

export interface Entry {
  readonly forms: readonly Form[];
  /** Of the probe's name. */
  readonly probes: RegExp;
  readonly node: RegExp;
  readonly ours: RegExp;
  readonly why: string;
  /** May what is left behind differ too? */
  readonly tree?: boolean;
  /** Node's answer is not always the same: the entry may meet nothing. */
  readonly isChance?: boolean;
}

const SYNC: readonly Form[] = ["sync"];
const LATER: readonly Form[] = ["callback", "promise"];
const RETURNS = /^(returns|resolves) undefined$/;
/** Of the C++ standard library: a positive number and words that are not Node's. */
const STANDARD =
  /^throws Error\(name="Error" code="E?[A-Z]*" errno=(\d+|-4094) syscall="(cp|rm|unlink)"/;
const SYSTEM = /Error\(name="Error" code="E[A-Z]+" errno=-\d+ syscall="[a-z]+"/;
const CP_CODE = /^throws (System)?Error\(name="(System)?Error" code="ERR_FS_(CP_\w+|EISDIR)"/;
const NOT_FOUND = /"(ENOENT|ENOTDIR|ENAMETOOLONG|ELOOP)" errno=-\d+ syscall="l?stat"/;
const UNFOUND = "missing|below a file|file with a slash|dangling link|link to itself|empty";

export const LEDGER: readonly Entry[] = [
  {
    forms: SYNC,
    probes: /^opendir\(path.*\) of /,
    node: /^throws .*syscall="opendir" path=undefined .*, opendir$/,
    ours: /^throws .*syscall="opendir" path=".*, opendir '/s,
    why: "opendirSync of Node leaves the path out of its errors; opendir and ours name it",
  },
  {
    forms: SYNC,
    probes: /^cp\(.* to missing with a slash$/,
    node: /^throws .*"(EISDIR" errno=21 syscall="cp"|EEXIST" errno=-17 syscall="symlink"|ERR_FS_CP_EEXIST")/,
    ours: /^(throws .*"(EISDIR" errno=-21 syscall="copyfile"|ENOENT" errno=-2 syscall="symlink")|returns undefined$)/,
    why: "cpSync of Node makes a directory of a target that ends in a slash, then trips over it",
    tree: true,
  },
  {
    forms: SYNC,
    probes: /^cp\(.* to file with a slash$/,
    node: /^throws .*"(ERR_FS_CP_EINVAL"|EEXIST" errno=17 |EISDIR" errno=-21 )/,
    ours: /^throws .*"ENOTDIR" errno=-20 syscall="l?stat" path="DIR\/file\/"/,
    why: "cpSync of Node compares paths as text: says that file/ is below file, or makes it",
  },
  {
    forms: SYNC,
    probes: /^cp\(path, .*\) of .* to empty$/,
    node: /^throws .*"EINVAL" errno=22 syscall="cp"/,
    ours: /^throws .*"ENOENT" errno=-2 syscall="mkdir"/,
    why: "an error of C++ for the empty path, with a positive number and no words of libuv",
  },
  {
    forms: SYNC,
    probes: /^cp\(path.*\) of (dot|link to a directory) to below the source$/,
    node: /^throws .*"(ENAMETOOLONG" errno=36 |ERR_FS_EISDIR")/,
    ours: /^throws .*"ERR_FS_CP_EINVAL"/,
    why: "cpSync of Node copies full/. into itself until names are too long, for it compares text",
    tree: true,
  },
  {
    forms: SYNC,
    probes: /^cp\(path, .*"dereference":true.*\) of link to a file to /,
    node: new RegExp(`${STANDARD.source}|${CP_CODE.source}|^returns undefined$`),
    ours: new RegExp(`${CP_CODE.source}|^returns undefined$`),
    why: "cpSync of Node does not dereference in its checks: a file replaces an empty directory",
    tree: true,
  },
  {
    forms: SYNC,
    probes: /^cp\((other, )?(missing )?bytes that are no UTF-8/,
    node: /^(returns undefined$|throws .*"ENOENT" errno=-2 syscall="lstat")/,
    ours: /^throws .*"ERR_INVALID_ARG_VALUE".* must be UTF-8\. /,
    why: "cp takes text by its documentation; ours walks by text and refuses bytes that are none",
    tree: true,
  },
  {
    forms: LATER,
    probes: /^cp\(bytes that are no UTF-8, missing\)$/,
    node: /"ERR_INVALID_ARG_TYPE".* must be of type string\./,
    ours: /"ENOENT" errno=-2 syscall="lstat"/,
    why: "bytes for a path of cp are refused after a first look, in which ours reads them as text",
  },
  {
    forms: LATER,
    probes: new RegExp(`^cp\\(path.*\\) of (${UNFOUND}|name of 256 bytes) to `),
    node: NOT_FOUND,
    ours: NOT_FOUND,
    why: "cp of Node asks for both ends at the same time: where both fail, one of them tells",
    isChance: true,
  },
  {
    forms: SYNC,
    probes: /^rm\(path, .*"recursive":true.*\) of /,
    node: STANDARD,
    ours: new RegExp(`^throws ${SYSTEM.source}`),
    why: "rmSync of Node is remove_all of C++: positive numbers, no codes, and what is below goes",
    tree: true,
  },
  {
    forms: SYNC,
    probes: /^rm: 2\^31 for the option maxRetries$/,
    node: /^throws .* Unknown error: Success /,
    ours: RETURNS,
    why: "rmSync of Node counts attempts in 31 bits: 2^31 are none at all",
    tree: true,
  },
  {
    forms: LATER,
    probes: /^rm\(path, .*"recursive":true.*\) of link to a directory with a slash$/,
    node: /^(returns undefined, calls back \(null\)|resolves undefined)$/,
    ours: /"ENOTDIR" errno=-20 syscall="rmdir"/,
    why: "rm of Node removes nothing and says nothing; ours says why, as rmSync of Node does",
  },
  {
    forms: LATER,
    probes: /^mkdir\(path, \{"recursive":true\}\) of below a dangling link$/,
    node: /"ENOTDIR" errno=-20 syscall="mkdir" path="DIR\/dangling"/,
    ours: /"ENOENT" errno=-2 syscall="mkdir" path="DIR\/dangling\/child"/,
    why: "the forms of Node say different things; all of ours say what mkdirSync does",
  },
  {
    forms: ["callback"],
    probes: /^readv: array for argument 1 of 3$/,
    node: /"called back before it returned"/,
    ours: /^returns undefined, calls back \(Error\(.*"EINVAL"/,
    why: "readv of Node of no buffers calls back before it returns, which nobody can rely on",
  },
  {
    forms: ["promise"],
    probes: /^opendir with 0 of 2 arguments$/,
    node: /The "callback" argument must be of type function\. Received undefined$/,
    ours: /The "path" argument must be of type string or an instance of Buffer or URL\. /,
    why: "opendir of fs.promises without arguments takes its own callback for the path",
  },
];

/** The entry for a difference, or null. */
export function known(form: Form, { probe, expected, found }: Difference): Entry | null {
  const isTree = probe.endsWith(": tree");
  const name = isTree ? probe.slice(0, -": tree".length) : probe;
  const isMet = (entry: Entry): boolean =>
    isTree ? entry.tree === true : entry.node.test(expected) && entry.ours.test(found);
  return (
    LEDGER.find((entry) => {
      return entry.forms.includes(form) && entry.probes.test(name) && isMet(entry);
    }) ?? null
  );
}
