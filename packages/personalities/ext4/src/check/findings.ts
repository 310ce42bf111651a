/** What a check has found so far. */
import type { Corruption } from "@xiplab/core";

/** More say nothing new: an image with so many is beyond reading. This also bounds the work that a
 * hostile image can cause, for what is claimed twice is a finding each time. */
const FINDINGS_MAX = 500;

/** Thrown by `Findings.add` when there are enough of them; `check` catches it. */
export class EnoughFound extends Error {
  override readonly name = "EnoughFound";
}

export class Findings {
  readonly list: Corruption[] = [];

  /** See `Corruption`. @throws EnoughFound */
  add(
    structure: string,
    at: string | number,
    field: string,
    found: string | number,
    expected: string | number,
  ): void {
    this.push({ structure, at, field, found, expected });
  }

  /** @throws EnoughFound */
  push(corruption: Corruption): void {
    this.list.push(corruption);
    if (this.list.length >= FINDINGS_MAX) throw new EnoughFound();
  }
}

/** Where nobody listens. */
export class NoFindings extends Findings {
  override push(): void {}
}
