/** What the builders of operations see, and what they share. */
import type { Capabilities } from "@xiplab/core";
import type { ModelFs, ModelLimits } from "../model/model-fs.ts";
import type { ModelNode } from "../model/node.ts";
import type { FileRef, OperationBody, OperationName } from "../operations.ts";
import type { Dice } from "./dice.ts";
import { type Survey, existing, somePos } from "./places.ts";

export interface GeneratorConfig {
  /** What a design lacks is not asked for. */
  readonly capabilities?: Partial<Capabilities>;
  readonly limits?: ModelLimits;
  /** Pages that all files together may have: keep it well below the device. */
  readonly pagesMax: number;
  /** Files, directories and links that may exist at once. */
  readonly nodesMax: number;
  /** MAP_SYNC may be asked for. */
  readonly mapSync: boolean;
  /** Root alone acts. */
  readonly rootOnly: boolean;
  /** Operations that are never drawn. */
  readonly exclude?: readonly OperationName[];
}

export interface Draw {
  readonly dice: Dice;
  readonly model: ModelFs;
  readonly found: Survey;
  readonly config: GeneratorConfig;
  /** Modes of fallocate that may be drawn. */
  readonly fallocModes: readonly number[];
  /** Where content was touched lately, newest first: what was right there may be wrong by now. */
  readonly recent: readonly number[];
  /** A number that no operation before had. */
  readonly seed: number;
}

/** How often an operation is drawn, relative to the others, and its arguments. */
export type Builders = Readonly<
  Partial<Record<OperationName, readonly [weight: number, build: (draw: Draw) => OperationBody]>>
>;

/** A file by path or by an open slot. */
export function someFile(draw: Draw): FileRef {
  const { dice, found, model } = draw;
  if (model.regions.size > 0 && dice.chance(35)) return mappedFile(draw);
  const slots = [...model.files.keys()];
  if (slots.length > 0 && dice.chance(40)) return dice.pick(slots);
  return existing(dice, found, dice.chance(95) ? found.files : [...found.files, ...found.symlinks]);
}

/** A file that is mapped, by path or by slot: what changes has to show in its regions. */
function mappedFile({ dice, found, model }: Draw): FileRef {
  const { node } = dice.pick([...model.regions.values()]);
  const slots = [...model.files].filter(([, file]) => file.node === node).map(([slot]) => slot);
  const path = found.pathOf.get(node);
  if (path !== undefined && (slots.length === 0 || dice.chance(50))) return path;
  return slots.length > 0 ? dice.pick(slots) : "/unmapped";
}

/** A position in or around the content of `file`. */
export function posIn({ dice, model, recent }: Draw, file: FileRef): number {
  if (recent.length > 0 && dice.chance(25)) {
    return Math.max(0, dice.pick(recent) + dice.pick([0, 0, 0, -1, 1, 64, -100, 4096, -4096]));
  }
  return somePos(dice, sizeOf(model, file), model.limits.sizeMax);
}

export function sizeOf(model: ModelFs, file: FileRef): number {
  if (typeof file === "number") return model.files.get(file)?.node.content.size ?? 0;
  return nodeAt(model, file)?.content.size ?? 0;
}

/** What a plain path of names leads to; links are not followed. */
export function nodeAt(model: ModelFs, path: string): ModelNode | null {
  let node = model.root;
  for (const name of path.split("/").filter((part) => part !== "")) {
    const next = node.entries.get(name);
    if (next === undefined) return null;
    node = next;
  }
  return node;
}

/** A slot that is free, most of the time. */
export function freeSlot(dice: Dice, taken: ReadonlyMap<number, unknown>, count: number): number {
  const free = Array.from({ length: count }, (_, slot) => slot).filter((slot) => !taken.has(slot));
  return free.length > 0 && dice.chance(95) ? dice.pick(free) : dice.between(0, count - 1);
}

/** A slot that is taken, most of the time. */
export function takenSlot(dice: Dice, taken: ReadonlyMap<number, unknown>, count: number): number {
  return taken.size > 0 && dice.chance(95) ? dice.pick([...taken.keys()]) : dice.between(0, count);
}
