/** A comparison as people read it: a table per workload, and what the crash explorer found. */
import type { ComparisonRow, CrashVerdict } from "@xiplab/workload";
import { formatBytes, formatCount, formatNs, formatRatio, formatShare } from "./format.ts";
import { type Column, plainStyle, renderTable, type Style, type TableData } from "./table.ts";

/** What a workload does, in words: printed above its table. */
export type WorkloadTitles = Readonly<Record<string, string>>;

export interface ComparisonLayout {
  /** Columns of the terminal. */
  readonly width: number;
  readonly style?: Style;
  readonly titles?: WorkloadTitles;
}

/** All workloads, one table each, in the order in which they first come. */
export function renderComparison(rows: readonly ComparisonRow[], layout: ComparisonLayout): string {
  const style = layout.style ?? plainStyle;
  const sections = unique(rows.map((row) => row.workload)).map((workload) => {
    const own = rows.filter((row) => row.workload === workload);
    const title = layout.titles?.[workload];
    const ops = unique(own.map((row) => row.ops));
    const count = `${formatCount(Math.max(...ops))} ops`;
    const heading = `${style("bold", workload)}  ${title === undefined ? "" : `${title}, `}${count}`;
    return `${heading}\n\n${renderTable(workloadTable(own, style), layout.width, style)}`;
  });
  return sections.join("\n\n\n");
}

/** "plain zero", "plain delalloc"; a negative control carries a dagger. */
export function designLabel(row: ComparisonRow): string {
  const mode = row.data === "xip" ? row.unwritten : row.data;
  return `${row.personality} ${mode}${row.sound ? "" : " †"}`;
}

/** "0 of 340", "12 lost, 3 stale of 340"; "-" where nothing was explored. */
export function formatVerdict(crash: CrashVerdict | null): string {
  if (crash === null) return "-";
  const parts = [
    crash.lost > 0 ? `${crash.lost} lost` : "",
    crash.stale > 0 ? `${crash.stale} stale` : "",
    crash.broken > 0 ? `${crash.broken} broken` : "",
  ].filter((part) => part !== "");
  return `${parts.length === 0 ? "0" : parts.join(", ")} of ${crash.states}`;
}

export const isConvicted = (crash: CrashVerdict): boolean =>
  crash.lost + crash.stale + crash.broken > 0;

interface Field {
  readonly column: Column;
  readonly text: (row: ComparisonRow) => string;
}

const right = (...title: string[]): Column => ({ title, align: "right" });
const left = (...title: string[]): Column => ({ title, align: "left" });

/** One line per design; the figures that depend on the medium side by side. */
function workloadTable(rows: readonly ComparisonRow[], style: Style): TableData {
  const medias = unique(rows.map((row) => row.media));
  const designs = unique(rows.map(designLabel));
  const find = (design: string, media: string): ComparisonRow | undefined =>
    rows.find((row) => designLabel(row) === design && row.media === media);
  const first = (design: string): ComparisonRow => rows.find((row) => designLabel(row) === design)!;

  const shared = [...leadingFields(style), ...storedFields(rows), ...shapeFields()];
  const columns = [left("design"), shared[0]!.column];
  for (const media of medias)
    for (const field of MEDIA_FIELDS) columns.push(mediaColumn(field, media));
  columns.push(...shared.slice(1).map((field) => field.column));
  return {
    columns,
    rows: designs.map((design) => {
      const cells = [design, shared[0]!.text(first(design))];
      for (const media of medias) {
        const row = find(design, media);
        for (const field of MEDIA_FIELDS) cells.push(row === undefined ? "-" : field.text(row));
      }
      cells.push(...shared.slice(1).map((field) => field.text(first(design))));
      return cells;
    }),
  };
}

const mediaColumn = (field: Field, media: string): Column => ({
  ...field.column,
  title: [media, ...field.column.title],
});

const MEDIA_FIELDS: readonly Field[] = [
  // Where writing is put off, one sync pays for all: no percentile shows it, the mean does.
  { column: right("mean/op"), text: (row) => formatNs(row.modelledNsPerOp.mean) },
  { column: right("p50/op"), text: (row) => formatNs(row.modelledNsPerOp.p50) },
  { column: right("p99/op"), text: (row) => formatNs(row.modelledNsPerOp.p99) },
  { column: right("w.amp"), text: (row) => formatRatio(row.mediaWriteAmplification) },
];

const leadingFields = (style: Style): Field[] => [
  { column: right("wall", "/op"), text: (row) => formatNs(row.wallNsPerOp) },
  { column: left("crash states", "convicted"), text: (row) => verdictCell(row, style) },
  {
    column: left("read", "back"),
    text: (row) => (row.verified ? style("green", "ok") : style("red", "wrong")),
  },
];

function verdictCell(row: ComparisonRow, style: Style): string {
  const text = formatVerdict(row.crash);
  if (row.crash === null) return text;
  return isConvicted(row.crash) ? style("red", text) : style("green", text);
}

/** Bytes and their share of all bytes stored. Purposes for which no design stored a byte have no
 * column. */
function storedFields(rows: readonly ComparisonRow[]): Field[] {
  const purposes = ["data", "metadata", "journal", "zeroing", "checkpoint"] as const;
  const titles = { metadata: "meta", checkpoint: "ckpt" };
  const used = purposes.filter((purpose) => rows.some((row) => row.bytes[purpose] > 0));
  return used.map((purpose) => ({
    column: right("stored", purpose in titles ? titles[purpose as keyof typeof titles] : purpose),
    text: ({ bytes }) => {
      const total = Object.values(bytes).reduce((sum, one) => sum + one, 0);
      return `${formatBytes(bytes[purpose])} ${formatShare(bytes[purpose] / total).padStart(5)}`;
    },
  }));
}

const shapeFields = (): Field[] => [
  { column: right("flush", "/op"), text: (row) => formatRatio(row.flushes / row.ops) },
  { column: right("fence", "/op"), text: (row) => formatRatio(row.fences / row.ops) },
  { column: right("trans.", "/op"), text: (row) => formatRatio(row.transactions / row.ops) },
  { column: right("extents", "/file"), text: (row) => formatRatio(row.extentsPerFile) },
  { column: right("space", "used"), text: (row) => formatBytes(row.spaceUsed) },
];

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];
