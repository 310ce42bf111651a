/**
 * The buffer between the memory bus and a medium that writes in lines larger than the CPU's: the
 * XPBuffer of Optane. It decides how many bytes the medium writes for what the CPU sends.
 *
 * The rules, and why:
 * - A media line that is complete is written at once and keeps its place. A whole line that has no
 *   place yet passes through. (FAST'20 §5.1: full lines cost no amplification.)
 * - A new partial line takes the place of a random one. What was incomplete is written with a
 *   read-modify-write of the whole line.
 * Random, not least recently used: the published curve over the region size (09-infer_xpbuffer.csv)
 * rises from 1.04 to 1.36, 1.61, 1.82 and 2.04 at 18, 20, 24, 32 and 64 KB; LRU steps from 1 to 2 at
 * the first line too many. "Random" is a fixed sequence: the same stores give the same figures.
 */
import { assert } from "../spec/errors.ts";
import { LINE_SIZE } from "../spec/units.ts";

export class WriteCombiningBuffer {
  mediaWrites = 0;
  readModifyWrites = 0;
  private readonly linesPerMediaLine: number;
  private readonly complete: number;
  private readonly capacity: number;
  /** Media line in each place, and which of its CPU lines have changed. */
  private readonly tags: number[] = [];
  private readonly masks: Uint8Array;
  private readonly placeOf = new Map<number, number>();
  private random = 1;

  /** `mediaLineSize` in bytes, at most 8 CPU lines; `capacity` in media lines, 0 for no buffer. */
  constructor(mediaLineSize: number, capacity: number) {
    this.linesPerMediaLine = mediaLineSize / LINE_SIZE;
    assert(this.linesPerMediaLine >= 1, "a media line holds a CPU line");
    assert(this.linesPerMediaLine <= 8, "a byte masks the CPU lines of a media line");
    this.complete = 2 ** this.linesPerMediaLine - 1;
    this.capacity = capacity;
    this.masks = new Uint8Array(capacity);
  }

  /** CPU lines `first` to `last` (numbers from the device's start) arrive. HOT. */
  write(first: number, last: number): void {
    const per = this.linesPerMediaLine;
    if (per === 1) {
      this.mediaWrites += last - first + 1;
      return;
    }
    for (let line = first; line <= last;) {
      const mediaLine = Math.floor(line / per);
      const from = line - mediaLine * per;
      const to = Math.min(last - mediaLine * per, per - 1);
      this.arrive(mediaLine, (1 << (to + 1)) - (1 << from));
      line += to - from + 1;
    }
  }

  /** Everything that waits goes to the medium, as when the power is switched off. */
  drain(): void {
    for (const place of this.placeOf.values()) this.evict(place);
    this.placeOf.clear();
    this.tags.length = 0;
    assert(
      this.masks.every((mask) => mask === 0),
      "nothing waits after a drain",
    );
  }

  private arrive(mediaLine: number, mask: number): void {
    let place = this.placeOf.get(mediaLine);
    if (place === undefined) {
      if (mask === this.complete) {
        this.mediaWrites++;
        return;
      }
      if (this.capacity === 0) {
        this.mediaWrites++;
        this.readModifyWrites++;
        return;
      }
      place = this.makePlace(mediaLine);
    }
    this.masks[place]! |= mask;
    if (this.masks[place] === this.complete) this.evict(place);
  }

  private makePlace(mediaLine: number): number {
    let place = this.tags.length;
    if (place === this.capacity) {
      this.random = (Math.imul(this.random, 1664525) + 1013904223) >>> 0;
      place = (this.random >>> 16) % this.capacity;
      this.evict(place);
      this.placeOf.delete(this.tags[place]!);
    }
    this.tags[place] = mediaLine;
    this.placeOf.set(mediaLine, place);
    return place;
  }

  private evict(place: number): void {
    const mask = this.masks[place]!;
    if (mask === 0) return;
    this.mediaWrites++;
    if (mask !== this.complete) this.readModifyWrites++;
    this.masks[place] = 0;
  }
}
