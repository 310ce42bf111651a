/**
 * Two aligned 8-byte words, anywhere on the device, that change at once: by a redo intent of one
 * cache line. Once the intent is durable the change has happened. Storing the words again does no
 * harm, so recovery does just that.
 *
 *   intent → flush, fence   COMMIT POINT
 *   words → flush, fence
 *   no intent → flush, fence
 *
 *   0x0 checksum u32le (of what follows)   0x8 at u64le, low u32le, high u32le   0x18 the same
 *
 * There is no intent where `at` of the first word is 0, or where the checksum does not hold: that
 * of an intent which was cut short.
 */
import { type PmemDevice, PURPOSE_JOURNAL, type Purpose, SEGMENT_SIZE } from "../spec/device.ts";
import { LINE_SIZE } from "../spec/units.ts";
import { assert } from "../spec/errors.ts";
import { crc32c } from "./crc32c.ts";
import { struct, u32le, u64le } from "./struct.ts";

/** A word to store: two halves, and the device byte that they go to. */
export interface Word {
  readonly at: number;
  readonly low: number;
  readonly high: number;
}

const WORD = struct("word", 16, { at: u64le(0x0), low: u32le(0x8), high: u32le(0xc) });
const PLACES = [0x8, 0x18];
/** Bytes of an intent. It has a cache line for itself. */
const SIZE = 0x28;

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
  for (const [index, { at, low, high }] of words.entries()) {
    assert(at > 0, "a word has a place");
    WORD.at.set(view, PLACES[index]!, at);
    WORD.low.set(view, PLACES[index]!, low);
    WORD.high.set(view, PLACES[index]!, high);
  }
  view.setUint32(0, crc32c(view, PLACES[0]!, SIZE - PLACES[0]!), true);
  device.store(intentAt, bytes, 0, SIZE, PURPOSE_JOURNAL);
  // COMMIT POINT: the intent holds. It is durable before any of its words is.
  device.persist(intentAt, SIZE);
  redoWordPair(device, intentAt, words, purpose);
}

/** The words of the intent at `intentAt`; none where there is no intent. */
export function readWordPair(device: PmemDevice, intentAt: number): Word[] {
  const view = device.view(intentAt, SIZE);
  const from = intentAt % SEGMENT_SIZE;
  const words = PLACES.map((place) => ({
    at: WORD.at.get(view, from + place),
    low: WORD.low.get(view, from + place),
    high: WORD.high.get(view, from + place),
  }));
  const checksum = crc32c(view, from + PLACES[0]!, SIZE - PLACES[0]!);
  return words[0]!.at !== 0 && view.getUint32(from, true) === checksum ? words : [];
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
  device.storeU64(intentAt + PLACES[0]!, 0, 0, PURPOSE_JOURNAL);
  // It is gone before the words change again.
  device.persist(intentAt + PLACES[0]!, 8);
}
