/** `--stats`: what a mount did, for people; and what it should have given back. */
import { type Context, print } from "../context.ts";
import { formatSize } from "../text.ts";
import type { CensusAtEnd, MountStats } from "./protocol.ts";

const NS_PER_MS = 1e6;

/** The root alone is held at the end of a mount. */
const REFERENCED_AT_END = 1;

/** What was not given back, in words, or null. */
export function leaksInWords({
  referenced,
  openFiles,
  nodes,
  handles,
}: CensusAtEnd): string | null {
  const counts = [
    [referenced - REFERENCED_AT_END, "referenced inodes"],
    [openFiles, "open files"],
    [nodes, "nodes of the kernel"],
    [handles, "handles"],
  ] as const;
  const leaks = counts.filter(([number]) => number !== 0);
  if (leaks.length === 0) return null;
  return leaks.map(([number, what]) => `${number} ${what}`).join(", ");
}

/** A table: one figure a line. */
export function printStats(context: Context, image: string, stats: MountStats): void {
  const rows = [...countRows(stats), ...mediaRows(stats), ...requestRows(stats)];
  const width = Math.max(...rows.map(([label]) => label.length));
  const valueWidth = Math.max(...rows.map(([, value]) => value.length));
  const access = stats.notMapped === null ? "mapped" : `read and written (${stats.notMapped})`;
  print(context, `${image}: ${stats.personality}, ${access}`);
  for (const [label, value] of rows) {
    print(context, `  ${label.padEnd(width)}  ${value.padStart(valueWidth)}`);
  }
}

type Row = readonly [label: string, value: string];

function countRows(stats: MountStats): Row[] {
  const { stores, flushes, fences, transactions, bytes, atEnd } = stats;
  return [
    ["stores", figure(stores)],
    ["flushed lines", figure(flushes)],
    ["fences", figure(fences)],
    ["transactions", figure(transactions)],
    ...Object.entries(bytes).map(
      ([purpose, sum]) => [`${purpose} stored`, formatSize(sum)] as const,
    ),
    ["inodes in memory", figure(atEnd.inodes)],
    ["inodes held at the end", figure(atEnd.referenced)],
  ];
}

function mediaRows({ media }: MountStats): Row[] {
  if (media === null) return [];
  return [
    [`modelled time, ${media.model}`, `${figure(media.modelledNs / NS_PER_MS)} ms`],
    ["waited for it", `${figure(media.waitedNs / NS_PER_MS)} ms`],
    ["media bytes per byte", media.writeAmplification.toFixed(2)],
  ];
}

const requestRows = ({ requests }: MountStats): Row[] =>
  Object.entries(requests)
    .toSorted(([, one], [, other]) => other - one)
    .map(([name, times]) => [`requests ${name}`, figure(times)]);

const figure = (value: number): string => Math.round(value).toLocaleString("en");
