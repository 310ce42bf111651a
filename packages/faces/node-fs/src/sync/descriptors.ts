/**
 * The file descriptors of one instance. As a kernel's: the lowest free number is given out. They
 * start at 3, for 0 to 2 are the streams of the process, and they are numbers of this instance alone:
 * neither node:fs nor another instance knows them.
 */
import { FsError, type OpenFile } from "@xiplab/core";

const DESCRIPTOR_FIRST = 3;
/** As many as Node itself may have on Linux; whoever gets there leaks. */
const DESCRIPTORS_MAX = 1 << 20;

export class Descriptors {
  /** Indexed by descriptor less DESCRIPTOR_FIRST; null where it is free. */
  readonly #files: (OpenFile | null)[] = [];
  /** No index below is free. */
  #freeFrom = 0;

  /** The open file behind a number, or undefined. HOT. */
  get(fd: number): OpenFile | undefined {
    return this.#files[fd - DESCRIPTOR_FIRST] ?? undefined;
  }

  /** Give `file` a number. HOT. @throws FsError EMFILE */
  add(file: OpenFile): number {
    const files = this.#files;
    let index = this.#freeFrom;
    while (index < files.length && files[index] !== null) index++;
    if (index >= DESCRIPTORS_MAX) throw new FsError("EMFILE");
    files[index] = file;
    this.#freeFrom = index + 1;
    return index + DESCRIPTOR_FIRST;
  }

  /** The number is free again. */
  remove(fd: number): void {
    const index = fd - DESCRIPTOR_FIRST;
    this.#files[index] = null;
    if (index < this.#freeFrom) this.#freeFrom = index;
  }

  /** The numbers in use, in order. */
  numbers(): number[] {
    const numbers: number[] = [];
    for (const [index, file] of this.#files.entries()) {
      if (file !== null) numbers.push(index + DESCRIPTOR_FIRST);
    }
    return numbers;
  }
}
