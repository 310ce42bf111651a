/**
 * Arguments as the bytes that were typed. Node decodes the command line as UTF-8 and puts U+FFFD
 * for what is not; names of files may be any bytes, and Linux still has them.
 */
import { readFileSync } from "node:fs";

const REPLACEMENT = "\ufffd";

/** The bytes of one argument. Where they cannot be found, the UTF-8 of the text. */
export function argumentBytes(text: string): Buffer {
  if (!text.includes(REPLACEMENT)) return Buffer.from(text);
  return typedArguments().find((bytes) => bytes.toString() === text) ?? Buffer.from(text);
}

/** The words of this process's command line; none where there is no /proc. */
function typedArguments(): Buffer[] {
  try {
    return splitNul(readFileSync("/proc/self/cmdline"));
  } catch {
    // Not Linux: the decoded text is all there is.
    return [];
  }
}

/** Words that each end with a NUL byte. */
export function splitNul(bytes: Buffer): Buffer[] {
  const words: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const nul = bytes.indexOf(0, start);
    const end = nul < 0 ? bytes.length : nul;
    words.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return words;
}
