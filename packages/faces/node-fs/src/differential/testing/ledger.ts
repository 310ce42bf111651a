/**
 * Where createFs is known to differ from Node's node:fs, and why. A difference that is not in here
 * fails the suite; so does an entry that meets no difference any more where every probe runs.
 */
import type { Form } from "./run-probe.ts";

export interface Entry {
  readonly forms: readonly Form[];
  /** Of the probe's name. */
  readonly probes: RegExp;
  readonly why: string;
}

const SYNC: readonly Form[] = ["sync"];
const LATER: readonly Form[] = ["callback", "promise"];
const EVERY: readonly Form[] = [...SYNC, ...LATER];

export const LEDGER: readonly Entry[] = [
  {
    forms: SYNC,
    probes: /^opendir/,
    why: "opendirSync of Node leaves the path out of its errors; ours names it, as opendir does",
  },
  {
    forms: SYNC,
    probes: /^cp\(/,
    why: "cpSync of Node is C++ with words and an order of checks of its own; ours is that of cp",
  },
  {
    forms: LATER,
    probes: /^cp\(/,
    why: "cp looks at both paths at the same time, so which error wins is chance; takes no bytes",
  },
  {
    forms: EVERY,
    probes:
      /^rm\(path, \{"recursive":true.* of (below a circle|link to a directory with a slash|dot)/,
    why: "Node's recursive rm is C++'s remove_all, whose errors have positive numbers and no words",
  },
  {
    forms: LATER,
    probes: /^mkdir\(path, \{"recursive":true\}\) of below a dangling link/,
    why: "of a dangling link on the way the forms of Node say different things",
  },
  {
    forms: LATER,
    probes: /^readFile\(path.* of .*(directory|dot)/,
    why: "to be mended: what reading a directory says",
  },
  {
    forms: ["callback"],
    probes: /^(read|readv|write|writev)(:| with )/,
    why: "to be mended: the order in which bad buffers, offsets and callbacks are refused",
  },
  {
    forms: ["promise"],
    probes:
      /^(readFile|writeFile|appendFile|readlink|realpath|readdir|mkdir)(\(path\) of |:| with )/,
    why: "to be mended: the words of promises for arguments that the other forms refuse alike",
  },
];

/** The entry for a difference, or null. */
export function known(form: Form, probe: string): Entry | null {
  return LEDGER.find((entry) => entry.forms.includes(form) && entry.probes.test(probe)) ?? null;
}
