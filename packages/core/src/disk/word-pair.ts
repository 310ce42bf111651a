/**
 * Two aligned 8-byte words, anywhere on the device, that change at once: by a redo intent of one
 * cache line. Once the intent is durable the change has happened. Storing the words again does no
 * harm, so recovery does just that.
 *
 *   intent → flush, fence   COMMIT POINT
 *   words → flush, fence
 *   no intent → flush, fence
 *
 */
import { type PmemDevice, PURPOSE_JOURNAL, type Purpose, SEGMENT_SIZE } from "../spec/device.ts";
import { LINE_SIZE } from "../spec/units.ts";
import { assert } from "../spec/errors.ts";
import { crc32c } from "./crc32c.ts";
import { pad, sizeOf, struct, u32le, u64le } from "./struct.ts";

/** A word to store: two halves, and the device byte that they go to. */
export interface Word {
  readonly at: number;
  readonly low: number;
  readonly high: number;
}

/**
 * An intent. It has a cache line for itself. The checksum is of all behind it. There is no intent
 * where `firstAt` is 0, or where the checksum does not hold: that of one which was cut short.
 */
export const WORD_PAIR = struct("word pair", 0x28, {
  reserved: pad(0x00, 4),
  checksum: u32le(0x04),
  firstAt: u64le(0x08),
  firstLow: u32le(0x10),
  firstHigh: u32le(0x14),
  secondAt: u64le(0x18),
  secondLow: u32le(0x20),
  secondHigh: u32le(0x24),
});
const SIZE = sizeOf(WORD_PAIR);

const checksumOf = (view: DataView, at: number): number => crc32c(view, at + 8, SIZE - 8);

/** Store both words, or none, durably. `intentAt` is the device byte of a line for intents. */
export function storeWordPair(
  device: PmemDevice,
  intentAt: number,
  words: readonly [Word, Word],
  purpose: Purpose,
): void {
  assert(intentAt % LINE_SIZE === 0, "an intent has a line");
  const bytes = new Uint8Array(SIZE);
  const view = new DataView(bytes.buffer);
  const [first, second] = words;
  assert(first.at > 0, "a word has a place");
  WORD_PAIR.firstAt.set(view, 0, first.at);
  WORD_PAIR.firstLow.set(view, 0, first.low);
  WORD_PAIR.firstHigh.set(view, 0, first.high);
  WORD_PAIR.secondAt.set(view, 0, second.at);
  WORD_PAIR.secondLow.set(view, 0, second.low);
  WORD_PAIR.secondHigh.set(view, 0, second.high);
  WORD_PAIR.checksum.set(view, 0, checksumOf(view, 0));
  device.store(intentAt, bytes, 0, SIZE, PURPOSE_JOURNAL);
  // COMMIT POINT: the intent holds. It is durable before any of its words is.
  device.persist(intentAt, SIZE);
  redoWordPair(device, intentAt, words, purpose);
}

/** The words of the intent at `intentAt`; none where there is no intent. */
export function readWordPair(device: PmemDevice, intentAt: number): Word[] {
  const view = device.view(intentAt, SIZE);
  const from = intentAt % SEGMENT_SIZE;
  const first = {
    at: WORD_PAIR.firstAt.get(view, from),
    low: WORD_PAIR.firstLow.get(view, from),
    high: WORD_PAIR.firstHigh.get(view, from),
  };
  const second = {
    at: WORD_PAIR.secondAt.get(view, from),
    low: WORD_PAIR.secondLow.get(view, from),
    high: WORD_PAIR.secondHigh.get(view, from),
  };
  const holds = WORD_PAIR.checksum.get(view, from) === checksumOf(view, from);
  return holds && first.at !== 0 ? [first, second] : [];
}

/** Store the words of an intent, and remove it. Whoever recovers has verified where they go. */
export function redoWordPair(
  device: PmemDevice,
  intentAt: number,
  words: readonly Word[],
  purpose: Purpose,
): void {
  for (const { at, low, high } of words) {
    device.storeU64(at, low, high, purpose);
    device.flush(at, 8);
  }
  // The words are durable before the intent goes.
  device.fence();
  device.storeU64(intentAt + WORD_PAIR.firstAt.offset, 0, 0, PURPOSE_JOURNAL);
  // It is gone before the words change again.
  device.persist(intentAt + WORD_PAIR.firstAt.offset, 8);
}
