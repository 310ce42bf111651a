/** The directories of an image and where their blocks are, as pass 1 finds them for pass 2. */
import type { RunReader } from "./block-map.ts";
import { Numbers } from "./numbers.ts";

export class DirectoriesFound implements RunReader {
  readonly inos = new Numbers();
  /** Directory that holds the name of each, 0 where none was seen. */
  readonly parents = new Numbers();
  /** What ".." says. */
  readonly dotdots = new Numbers();
  readonly sizeBlocks = new Numbers();
  readonly flags = new Numbers();
  readonly seeds = new Numbers();
  /** Index of the first run of each. */
  readonly firstRuns = new Numbers();
  readonly runLblks = new Numbers();
  readonly runPblks = new Numbers();
  readonly runLengths = new Numbers();

  get count(): number {
    return this.inos.length;
  }

  /** A directory: its runs follow. Returns its index. */
  add(ino: number, seed: number, flags: number, sizeBlocks: number): number {
    this.inos.push(ino);
    this.seeds.push(seed);
    this.flags.push(flags);
    this.sizeBlocks.push(sizeBlocks);
    this.parents.push(0);
    this.dotdots.push(0);
    this.firstRuns.push(this.runLblks.length);
    return this.count - 1;
  }

  run(lblk: number, pblk: number, length: number): void {
    this.runLblks.push(lblk);
    this.runPblks.push(pblk);
    this.runLengths.push(length);
  }

  /** One after the last run of a directory. */
  endOfRuns(index: number): number {
    return index + 1 < this.count ? this.firstRuns.at(index + 1) : this.runLblks.length;
  }
}
