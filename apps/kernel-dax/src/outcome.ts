/** What a scenario left: the same record from the kernel and from xiplab. */

/** In blocks of 4 KiB. */
export interface ExtentState {
  readonly lblk: number;
  readonly length: number;
  readonly unwritten: boolean;
  readonly pblk: number;
}

export interface Outcome {
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of the content, in hexadecimal digits. */
  readonly digest: string;
  readonly extents: readonly ExtentState[];
}

/** "0-9u 10-12 13-255u": blocks of the file, u for unwritten. What touches in every way is one. */
export function extentText({ extents }: Outcome): string {
  const joined: Array<{ lblk: number; length: number; unwritten: boolean }> = [];
  for (const { lblk, length, unwritten } of extents) {
    const last = joined.at(-1);
    if (last?.unwritten === unwritten && last.lblk + last.length === lblk) last.length += length;
    else joined.push({ lblk, length, unwritten });
  }
  return joined
    .map(({ lblk, length, unwritten }) => {
      const end = length === 1 ? "" : `-${lblk + length - 1}`;
      return `${lblk}${end}${unwritten ? "u" : ""}`;
    })
    .join(" ");
}

/** Runs of the file that are in one piece on the device. */
export function pieces({ extents }: Outcome): number {
  let count = 0;
  for (const [index, { lblk, pblk }] of extents.entries()) {
    const before = extents[index - 1];
    const follows =
      before !== undefined &&
      before.lblk + before.length === lblk &&
      before.pblk + before.length === pblk;
    if (!follows) count++;
  }
  return count;
}
