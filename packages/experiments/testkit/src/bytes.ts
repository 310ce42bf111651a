/** Searches in bytes, four at a time where the buffers are aligned: comparing is most of a run. */

/** Index of the first byte that differs in two arrays of one length; -1 if none does. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const [wordsA, wordsB] = [wordsOf(a), wordsOf(b)];
  let index = 0;
  if (wordsA !== null && wordsB !== null) {
    let word = 0;
    while (word < wordsA.length && wordsA[word] === wordsB[word]) word++;
    index = word * 4;
  }
  while (index < a.length && a[index] === b[index]) index++;
  return index < a.length ? index : -1;
}

/** Index of the first byte that is not zero; -1 if all are. */
export function firstNonZero(bytes: Uint8Array): number {
  const words = wordsOf(bytes);
  let index = 0;
  if (words !== null) {
    let word = 0;
    while (word < words.length && words[word] === 0) word++;
    index = word * 4;
  }
  while (index < bytes.length && bytes[index] === 0) index++;
  return index < bytes.length ? index : -1;
}

/** The whole words of an aligned array; null where it is not aligned. */
function wordsOf(bytes: Uint8Array): Uint32Array | null {
  if (bytes.byteOffset % 4 !== 0) return null;
  return new Uint32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4));
}
