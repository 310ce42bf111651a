/**
 * What a load process says while it works, a line of JSON each, before (`begin`) and after (`ack`)
 * each step: after `ack` the step must survive whatever happens to the server.
 */

/** Blocks of the file that is overwritten in place. */
export const BLOCKS = 64;
export const BLOCK_SIZE = 4096;
/** Files that are replaced, and names that come and go. */
export const REPLACED = 8;
export const TOGGLED = 16;

export type Step =
  /** Write version `version` to a new file, fsync, rename it over `file`, fsync the directory. */
  | { readonly kind: "replace"; readonly file: number; readonly version: number }
  /** Append record `version` to the log, fdatasync. */
  | { readonly kind: "append"; readonly version: number }
  /** Overwrite blocks [first, end) with `version`, fsync. */
  | {
      readonly kind: "overwrite";
      readonly first: number;
      readonly end: number;
      readonly version: number;
    }
  /** Make the name, or take it away; fsync of the directory. */
  | { readonly kind: "toggle"; readonly file: number; readonly exists: boolean }
  /** Move the directory to its other name; fsync of the directory around it. */
  | { readonly kind: "move"; readonly to: number };

export interface Line {
  readonly at: "begin" | "ack";
  readonly step: Step;
}

/** Bytes of version `version` of a replaced file: its head says what it is, the rest follows from it. */
export function replacedContent(file: number, version: number): Uint8Array {
  return content(`file ${file} version ${version}\n`, (file * 7919 + version * 104_729) % 30_000);
}

/** Bytes of one record of the log. */
export function logRecord(version: number): Uint8Array {
  return content(`record ${version}\n`, (version * 7919) % 3000);
}

function content(head: string, more: number): Uint8Array {
  const bytes = new Uint8Array(head.length + more);
  bytes.set(new TextEncoder().encode(head));
  let state = head.length * 2_654_435_761 + more;
  for (let index = head.length; index < bytes.length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** One block: in each aligned 8 bytes its number and its version, so that a torn one can be told. */
export function blockContent(block: number, version: number): Uint8Array {
  const words = new Uint32Array(BLOCK_SIZE / 4);
  for (let index = 0; index < words.length; index += 2) {
    words[index] = block + 1;
    words[index + 1] = version;
  }
  return new Uint8Array(words.buffer);
}
