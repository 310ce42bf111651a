/**
 * A mount that is recorded: transactions on a few blocks, with what each leaves. In the recording,
 * mark 2 n says that transaction n is being committed, 2 n + 1 that it is durable.
 */
import { createPmem, type Pmem, PURPOSE_DATA, Recorder } from "@xiplab/core";
import { JBD2_MAGIC } from "../format/jbd2.ts";
import { SUPERBLOCK } from "../format/superblock.ts";
import { superBuffer } from "../super-buffer.ts";
import * as t from "./testing.ts";

export const BLOCKS = [3000, 3001, 3002, 3003, 3004, 3005];
/** Metadata at first, then freed, then data that no replay may overwrite. */
export const REUSED = 3010;
/** Values of data in place, that are told from metadata by it. */
export const DATA = 200;
/** What the superblock says, beside blocks in a state. */
export const NUMBER = -1;

/** What blocks hold after so many transactions. */
export type State = Map<number, number>;

export class Run {
  readonly recorder = new Recorder();
  readonly device: Pmem;
  readonly start: Pmem;
  readonly states: State[] = [new Map()];
  /** The metadata of the run. */
  readonly blocks: readonly number[];
  private mounted: t.Mounted | null = null;

  constructor(args: readonly string[], blocks: readonly number[]) {
    this.blocks = blocks;
    this.start = t.imageOf(16, ...args);
    const device = createPmem({ size: this.start.size, observers: [this.recorder] });
    this.device = t.copyDevice(this.start, device);
    this.recorder.start();
  }

  mount(): void {
    this.mounted = t.openOn(this.device);
  }

  unmount(): void {
    t.close(this.mounted!);
  }

  checkpoint(): void {
    this.mounted!.journal.checkpoint();
  }

  /** One transaction: `values` of blocks; undefined frees the block. */
  commit(values: ReadonlyArray<readonly [number, number | undefined]>): void {
    const mounted = this.mounted!;
    const number = this.states.length;
    const state: State = new Map(this.states.at(-1)).set(NUMBER, number);
    mounted.journal.run(values.length + 1, () => {
      for (const [pblk, value] of values) {
        if (value === undefined) {
          mounted.buffers.forget(pblk as never);
          state.delete(pblk);
          continue;
        }
        const buffer = t.fill(mounted, pblk, value);
        // Some begin as blocks of the log do.
        if (value % 3 === 0) buffer.view.setUint32(buffer.at, JBD2_MAGIC);
        state.set(pblk, value);
      }
      const { buffers, geometry } = mounted;
      const buffer = superBuffer(buffers);
      buffers.write(buffer);
      const at = buffer.at + geometry.superOffset;
      SUPERBLOCK.freeInodes.set(buffer.view, at, number);
      SUPERBLOCK.wtime.set(buffer.view, at, 1000 + number);
    });
    this.states.push(state);
    this.recorder.mark(2 * number);
    mounted.journal.commit();
    this.recorder.mark(2 * number + 1);
  }

  /** Data in place, in a block that was freed: durable at once, and never overwritten. */
  reuse(value: number): void {
    const number = this.states.length;
    const data = new Uint8Array(this.mounted!.geometry.blockSize).fill(value);
    this.device.storeNonTemporal(REUSED * data.length, data, 0, data.length, PURPOSE_DATA);
    this.device.fence();
    this.states.push(new Map(this.states.at(-1)).set(REUSED, value));
    this.recorder.mark(2 * number);
    this.recorder.mark(2 * number + 1);
  }
}

/** Two mounts with all that a journal does but running full. */
export function wholeLife(args: readonly string[]): Run {
  const run = new Run(args, BLOCKS);
  run.mount();
  run.commit([[BLOCKS[0]!, 1]]);
  run.commit(BLOCKS.map((pblk, index) => [pblk, 2 + index]));
  run.checkpoint();
  run.commit([
    [BLOCKS[1]!, 6],
    [REUSED, 9],
  ]);
  run.commit([
    [BLOCKS[2]!, 8],
    [REUSED, undefined],
  ]);
  run.reuse(DATA);
  run.commit([[BLOCKS[2]!, 10]]);
  run.unmount();
  run.mount();
  run.commit(BLOCKS.map((pblk, index) => [pblk, 20 + index]));
  run.unmount();
  return run;
}
