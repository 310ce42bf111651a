/**
 * Listings of directories that were asked for twice without a change in between: a program that lists
 * does so in several calls, and comes back. The hashes that order the names cost more than all else of
 * a listing.
 *
 * Unlike the hints of a directory a listing is content: who changes a name calls `forgetListing`.
 */
import { assert, type DirBatch } from "@xiplab/core";
import type { DirectoryState } from "./find.ts";

/** Names that are kept, of all directories together: some megabytes. */
const NAMES_MAX = 2 ** 16;
/** An empty directory counts as so many names. */
const NAMES_MIN = 16;

interface Kept {
  readonly state: DirectoryState;
  readonly listing: DirBatch;
}

/** Those of a mount. The oldest go first. */
export class Listings {
  private readonly kept: Kept[] = [];
  /** Of `kept`, forgotten ones too. */
  private names = 0;

  /** A listing of all names, in order. */
  keep(state: DirectoryState, listing: DirBatch): void {
    assert(listing.names.length === listing.cookies.length, "a name has a cookie");
    state.listing = listing;
    this.kept.push({ state, listing });
    this.names += weightOf(listing);
    while (this.names > NAMES_MAX) {
      const oldest = this.kept.shift()!;
      this.names -= weightOf(oldest.listing);
      if (oldest.state.listing === oldest.listing) oldest.state.listing = null;
    }
  }
}

const weightOf = ({ names }: DirBatch): number => Math.max(NAMES_MIN, names.length);

/** A name of the directory comes, goes, or leads elsewhere. HOT. */
export function forgetListing(state: DirectoryState | null): void {
  if (state === null) return;
  state.listing = null;
  state.isListed = false;
}

/** As FileSystem.readdir, from a kept listing. Entries with one cookie come in one call. */
export function listKept(listing: DirBatch, cookie: number, batch: DirBatch, max: number): boolean {
  const { cookies } = listing;
  const count = cookies.length;
  const first = firstBehind(cookies, cookie);
  let left = max;
  let index = first;
  while (index < count) {
    let end = index + 1;
    while (end < count && cookies[end] === cookies[index]) end++;
    if (end - index > left && (index > first || left === 0)) return true;
    left -= end - index;
    for (; index < end; index++) {
      batch.names.push(listing.names[index]!);
      batch.inos.push(listing.inos[index]!);
      batch.types.push(listing.types[index]!);
      batch.cookies.push(cookies[index]!);
    }
  }
  return false;
}

/** Index of the first entry that stands behind the cookie. */
function firstBehind(cookies: readonly number[], cookie: number): number {
  let low = 0;
  for (let high = cookies.length; low < high;) {
    const middle = (low + high) >>> 1;
    if (cookies[middle]! <= cookie) low = middle + 1;
    else high = middle;
  }
  return low;
}
