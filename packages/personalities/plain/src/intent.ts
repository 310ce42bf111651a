/**
 * The intent of a rename: two head words that change together. Once the intent is durable the
 * rename has happened. Storing the words again does no harm, so recovery does just that.
 */
import { type PmemDevice, PURPOSE_JOURNAL, PURPOSE_METADATA, sizeOf } from "@xiplab/core";
import { UNIT_SIZE } from "./format/dirent.ts";
import { checksumOf, INTENT, INTENT_AT, WORD } from "./format/superblock.ts";
import { corrupt, pblkToDevByte, type Superblock } from "./geometry.ts";

/** The head word of a dirent, and the device byte of its unit. */
export interface Word {
  readonly at: number;
  readonly ino: number;
  readonly tail: number;
}

const PLACES = [INTENT.first.offset, INTENT.second.offset];

/** Store all of `words`, which are two, or none; durably. */
export function storeWords(device: PmemDevice, words: readonly Word[]): void {
  const bytes = new Uint8Array(sizeOf(INTENT));
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) {
    WORD.at.set(view, PLACES[index]!, word.at);
    WORD.ino.set(view, PLACES[index]!, word.ino);
    WORD.tail.set(view, PLACES[index]!, word.tail);
  }
  INTENT.checksum.set(view, 0, checksumOf(INTENT, view, 0));
  device.store(INTENT_AT, bytes, 0, bytes.length, PURPOSE_JOURNAL);
  // COMMIT POINT: the intent holds. It is durable before any of the words is.
  device.persist(INTENT_AT, bytes.length);
  redo(device, words);
}

/** Do what an intent says, and remove it. */
export function redo(device: PmemDevice, words: readonly Word[]): void {
  for (const { at, ino, tail } of words) {
    device.storeU64(at, ino, tail, PURPOSE_METADATA);
    device.flush(at, 8);
  }
  // The words are durable before the intent goes.
  device.fence();
  const at = INTENT_AT + INTENT.first.offset;
  device.storeU64(at, 0, 0, PURPOSE_JOURNAL);
  // It is gone before the words change again.
  device.persist(at, 8);
}

/** The words of the intent; none where there is no intent. @throws CorruptionError */
export function readIntent(device: PmemDevice, sb: Superblock): Word[] {
  const view = device.view(INTENT_AT, sizeOf(INTENT));
  const words = PLACES.map((place) => ({
    at: WORD.at.get(view, INTENT_AT + place),
    ino: WORD.ino.get(view, INTENT_AT + place),
    tail: WORD.tail.get(view, INTENT_AT + place),
  }));
  // A checksum that is wrong is that of an intent which a power cut kept from being complete.
  const whole = INTENT.checksum.get(view, INTENT_AT) === checksumOf(INTENT, view, INTENT_AT);
  if (words[0]!.at === 0 || !whole) return [];
  for (const { at, ino } of words) {
    const inside = at >= pblkToDevByte(sb.dataStart) && at < pblkToDevByte(sb.blocks);
    if (!inside || at % UNIT_SIZE !== 0) corrupt("plain intent", INTENT_AT, "at", at, "a unit");
    if (ino > sb.inodes) corrupt("plain intent", INTENT_AT, "ino", ino, `<= ${sb.inodes}`);
  }
  return words;
}
