/**
 * The cost meter: what a run would have taken on real memory, and what the medium would have
 * written. It observes a device and adds up; nothing is delayed.
 *
 * The model, for one thread:
 * - A load costs by line: the CPU cache (direct-mapped), or the memory at random, sequential or
 *   streaming cost. Lines of one call after the first stream.
 * - A cached store costs its line, after a load of the line where the cache lacks it; it does not
 *   wait for the line, so lines in sequence stream in.
 * - A flush of a dirty line, and a non-temporal store, cost what it takes to send a line. The fence
 *   then waits for the last to arrive. Small non-temporal stores to one line combine until then.
 * - Lines that leave the CPU go through the write-combining buffer to the medium. The medium works
 *   while the CPU goes on, until it lags behind by more than the buffer holds: then stores wait.
 * - A dirty line that another line pushes out of the CPU cache leaves too, at no cost in time.
 *
 * Not modelled: several threads, interleaving over DIMMs, NUMA, wear levelling's rare 50 us, and the
 * time of the software itself (`idle` tells the meter about it).
 */
import type { Purpose } from "../spec/device.ts";
import { assert } from "../spec/errors.ts";
import { LINE_SIZE } from "../spec/units.ts";
import type { MediaModel } from "./media-models.ts";
import type { PmemObserver } from "./observer.ts";
import { WriteCombiningBuffer } from "./write-combining.ts";

const NO_LINE = -2;

export class CostMeter implements PmemObserver {
  readonly model: MediaModel;
  /** Nanoseconds so far. Take differences to cost an operation. */
  modelledNs = 0;
  /** Bytes that left the CPU for the memory, in whole lines. */
  cpuBytesWritten = 0;
  private readonly buffer: WriteCombiningBuffer;
  private readonly costs: Costs;
  /** The CPU cache: which line is in each place, and whether it is dirty. */
  private readonly cached: Float64Array;
  private readonly dirty: Uint8Array;
  /** The low bits of a line's number are its place; `&` takes them of any integer below 2^53. */
  private readonly placeMask: number;
  private lastLoaded = NO_LINE;
  private lastNonTemporal = NO_LINE;
  private waitsForFlush = false;
  private waitsForNonTemporal = false;
  /** When the medium will have written what it was given. */
  private mediaFreeAtNs = 0;
  private readonly mediaLagMaxNs: number;

  constructor(model: MediaModel) {
    this.model = model;
    this.costs = costsOf(model);
    this.buffer = new WriteCombiningBuffer(model.mediaLineSize.value, model.bufferLines.value);
    this.mediaLagMaxNs = model.bufferLines.value * model.mediaWriteNs.value;
    const places = model.cacheLines.value;
    assert((places & (places - 1)) === 0, "the places of the CPU cache are a power of two");
    this.placeMask = places - 1;
    this.cached = new Float64Array(places).fill(NO_LINE);
    this.dirty = new Uint8Array(places);
  }

  get mediaBytesWritten(): number {
    return this.buffer.mediaWrites * this.model.mediaLineSize.value;
  }

  /** Media lines that had to be read first, because the CPU sent only a part. */
  get readModifyWrites(): number {
    return this.buffer.readModifyWrites;
  }

  /** Media bytes per byte that left the CPU; 1 before anything did. See `settle`. */
  get writeAmplification(): number {
    return this.cpuBytesWritten === 0 ? 1 : this.mediaBytesWritten / this.cpuBytesWritten;
  }

  /** Time passes without the memory: the medium catches up. Not part of `modelledNs`. */
  idle(durationNs: number): void {
    this.mediaFreeAtNs -= durationNs;
  }

  /**
   * Let everything that waits in the buffer reach the medium, at no cost in time: before reading
   * `mediaBytesWritten` or `writeAmplification` at the end of a short run.
   */
  settle(): void {
    this.buffer.drain();
  }

  /** HOT. */
  onLoad(offset: number, length: number): void {
    const first = Math.floor(offset / LINE_SIZE);
    const last = Math.floor((offset + length - 1) / LINE_SIZE);
    const mask = this.placeMask;
    let hits = 0;
    for (let line = first; line <= last; line++) if (this.cached[line & mask] === line) hits++;
    if (hits > 0) {
      this.modelledNs += this.costs.cacheHitNs + (hits - 1) * this.costs.cacheStreamNs;
    }
    this.fetch(first, last, this.costs.loadSequentialNs);
  }

  /** HOT. */
  onStore(offset: number, bytes: Uint8Array, nonTemporal: boolean, _purpose: Purpose): void {
    const first = Math.floor(offset / LINE_SIZE);
    const last = Math.floor((offset + bytes.length - 1) / LINE_SIZE);
    if (nonTemporal) {
      this.storeNonTemporal(first, last);
      return;
    }
    // A store does not wait for its line: lines in sequence stream in.
    this.fetch(first, last, this.costs.loadStreamNs);
    this.modelledNs += (last - first + 1) * this.costs.storeLineNs;
    const mask = this.placeMask;
    for (let line = first; line <= last; line++) this.dirty[line & mask] = 1;
  }

  /** HOT. */
  onFlush(offset: number, length: number): void {
    const mask = this.placeMask;
    const last = Math.floor((offset + length - 1) / LINE_SIZE);
    for (let line = Math.floor(offset / LINE_SIZE); line <= last; line++) {
      const place = line & mask;
      if (this.cached[place] === line && this.dirty[place] === 1) {
        this.dirty[place] = 0;
        this.modelledNs += this.costs.flushLineNs;
        this.waitsForFlush = true;
        this.send(line, line);
      } else {
        // Nothing to write back: the cache is asked, and that is all.
        this.modelledNs += this.costs.cacheHitNs;
      }
    }
  }

  /** HOT. */
  onFence(): void {
    const { flushDrainNs, nonTemporalDrainNs } = this.costs;
    let drainNs = this.costs.fenceNs;
    if (this.waitsForFlush) drainNs = flushDrainNs;
    if (this.waitsForNonTemporal) drainNs = Math.max(drainNs, nonTemporalDrainNs);
    this.modelledNs += drainNs;
    this.waitsForFlush = false;
    this.waitsForNonTemporal = false;
    this.lastNonTemporal = NO_LINE;
  }

  /** Bring into the cache what is not there; what follows the line fetched last is in sequence. */
  private fetch(first: number, last: number, sequentialNs: number): void {
    const mask = this.placeMask;
    const { cached, costs } = this;
    let missNs = first === this.lastLoaded + 1 ? sequentialNs : costs.loadRandomNs;
    let costNs = 0;
    for (let line = first; line <= last; line++) {
      const place = line & mask;
      if (cached[place] === line) continue;
      if (this.dirty[place] === 1) this.pushOut(place);
      cached[place] = line;
      costNs += missNs;
      missNs = costs.loadStreamNs;
    }
    this.lastLoaded = last;
    this.modelledNs += costNs;
  }

  private storeNonTemporal(first: number, last: number): void {
    const mask = this.placeMask;
    for (let line = first; line <= last; line++) {
      const place = line & mask;
      if (this.cached[place] !== line) continue;
      // The line leaves the cache: what was dirty in it goes with the store.
      this.cached[place] = NO_LINE;
      this.dirty[place] = 0;
    }
    // What continues the line of the last store is in the same write-combining buffer of the CPU.
    const from = first === this.lastNonTemporal ? first + 1 : first;
    this.lastNonTemporal = last;
    this.waitsForNonTemporal = true;
    if (from > last) return;
    this.modelledNs += (last - from + 1) * this.costs.nonTemporalLineNs;
    this.send(from, last);
  }

  private pushOut(place: number): void {
    this.dirty[place] = 0;
    this.send(this.cached[place]!, this.cached[place]!);
  }

  /** Lines leave the CPU. The medium gets work; where it lags too far behind, the CPU waits. */
  private send(first: number, last: number): void {
    this.cpuBytesWritten += (last - first + 1) * LINE_SIZE;
    const before = this.buffer.mediaWrites;
    this.buffer.write(first, last);
    const workNs = (this.buffer.mediaWrites - before) * this.costs.mediaWriteNs;
    this.mediaFreeAtNs = Math.max(this.mediaFreeAtNs, this.modelledNs) + workNs;
    const soonestNs = this.mediaFreeAtNs - this.mediaLagMaxNs;
    if (this.modelledNs < soonestNs) this.modelledNs = soonestNs;
  }
}

/** The figures alone, as plain numbers: they are read for every event. */
interface Costs {
  readonly loadRandomNs: number;
  readonly loadSequentialNs: number;
  readonly loadStreamNs: number;
  readonly cacheHitNs: number;
  readonly cacheStreamNs: number;
  readonly storeLineNs: number;
  readonly flushLineNs: number;
  readonly nonTemporalLineNs: number;
  readonly fenceNs: number;
  readonly flushDrainNs: number;
  readonly nonTemporalDrainNs: number;
  readonly mediaWriteNs: number;
}

function costsOf(model: MediaModel): Costs {
  return {
    loadRandomNs: model.loadRandomNs.value,
    loadSequentialNs: model.loadSequentialNs.value,
    loadStreamNs: model.loadStreamNs.value,
    cacheHitNs: model.cacheHitNs.value,
    cacheStreamNs: model.cacheStreamNs.value,
    storeLineNs: model.storeLineNs.value,
    flushLineNs: model.flushLineNs.value,
    nonTemporalLineNs: model.nonTemporalLineNs.value,
    fenceNs: model.fenceNs.value,
    flushDrainNs: model.flushDrainNs.value,
    nonTemporalDrainNs: model.nonTemporalDrainNs.value,
    mediaWriteNs: model.mediaWriteNs.value,
  };
}
