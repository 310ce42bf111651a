/**
 * A stream of operations that looks at the model to hit what exists: names collide, files overlap,
 * handles outlive names. It only chooses; whoever runs the operations compares.
 */
import {
  type Capabilities,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
} from "@xiplab/core";
import { applyToModel } from "../model/apply-to-model.ts";
import { ModelFs } from "../model/model-fs.ts";
import type { Operation, OperationName } from "../operations.ts";
import type { UserName } from "../users.ts";
import type { Dice } from "./dice.ts";
import { attributeOperations } from "./attributes.ts";
import { fileOperations } from "./files.ts";
import { nameOperations } from "./names.ts";
import type { Builders, Draw, GeneratorConfig } from "./draw.ts";
import { survey } from "./places.ts";

export const DEFAULT_CONFIG: GeneratorConfig = {
  pagesMax: 1000,
  nodesMax: 40,
  mapSync: false,
  rootOnly: false,
};

const BUILDERS: Builders = { ...fileOperations, ...nameOperations, ...attributeOperations };

const RECENT_MAX = 4;

/** The operations that are drawn. */
export const DRAWN = Object.keys(BUILDERS) as OperationName[];

export class Generator {
  private readonly model: ModelFs;
  private readonly dice: Dice;
  private readonly config: GeneratorConfig;
  private readonly weights: readonly (readonly [OperationName, number])[];
  private readonly fallocModes: readonly number[];
  private recent: readonly number[] = [];
  private count = 0;

  constructor(dice: Dice, config: GeneratorConfig) {
    this.dice = dice;
    this.config = config;
    this.model = new ModelFs(config.limits);
    this.fallocModes = fallocModes(config.capabilities ?? {});
    const absent = new Set([...(config.exclude ?? []), ...lacking(config.capabilities ?? {})]);
    this.weights = Object.entries(BUILDERS)
      .map(([name, [weight]]) => [name as OperationName, weight] as const)
      .filter(([name]) => !absent.has(name));
  }

  next(): Operation {
    const operation = this.opening() ?? this.relief() ?? this.draw();
    this.count++;
    this.remember(operation);
    this.model.now = { sec: this.count, nsec: 0 };
    applyToModel(this.model, operation);
    return operation;
  }

  /** Places where users without privileges can work. */
  private opening(): Operation | null {
    if (this.count === 0) return { op: "chmod", file: "/", mode: 0o777 };
    if (this.count === 1) return { op: "mkdir", path: "/g", mode: 0o755 };
    if (this.count === 2) return { op: "chmod", file: "/g", mode: 0o1777 };
    if (this.count === 3 && !this.config.rootOnly) {
      return { op: "mkdir", path: "/h", mode: 0o755, as: "alice" };
    }
    return null;
  }

  /** Nothing grows without bound: room is made before it runs out. */
  private relief(): Operation | null {
    const found = survey(this.model);
    if (found.pages > this.config.pagesMax) {
      const slots = [...this.model.files.keys()];
      if (slots.length > 0 && this.dice.chance(50))
        return { op: "close", slot: this.dice.pick(slots) };
      const regions = [...this.model.regions.keys()];
      if (regions.length > 0) return { op: "unmap", region: this.dice.pick(regions) };
      if (found.files.length > 0) return { op: "unlink", path: this.dice.pick(found.files) };
    }
    if (found.all.length > this.config.nodesMax && this.dice.chance(60)) {
      const path = this.dice.pick(found.all);
      return found.directories.includes(path) ? { op: "rmdir", path } : { op: "unlink", path };
    }
    return null;
  }

  private remember(operation: Operation): void {
    const pos = touchedBy(this.model, operation);
    if (pos !== null) this.recent = [pos, ...this.recent].slice(0, RECENT_MAX);
  }

  private draw(): Operation {
    const name = this.dice.weighted(this.weights);
    const found = survey(this.model);
    const { dice, model, config, recent, fallocModes: modes } = this;
    const draw: Draw = { dice, model, found, config, recent, fallocModes: modes, seed: this.count };
    const body = BUILDERS[name]![1](draw);
    const as = this.someone();
    return as === "root" ? body : { ...body, as };
  }

  private someone(): UserName {
    if (this.config.rootOnly) return "root";
    return this.dice.weighted([
      ["root", 75],
      ["alice", 15],
      ["bob", 10],
    ]);
  }
}

/** Where an operation touches content, or null. */
function touchedBy(model: ModelFs, operation: Operation): number | null {
  switch (operation.op) {
    case "write":
    case "read":
    case "fallocate":
      return operation.pos;
    case "truncate":
      return operation.size;
    case "load":
    case "store": {
      const region = model.regions.get(operation.region);
      return region === undefined ? null : region.pos + operation.offset;
    }
    default:
      return null;
  }
}

function lacking(capabilities: Partial<Capabilities>): OperationName[] {
  const names: OperationName[] = [];
  const lacks = (name: keyof Capabilities): boolean => typeof capabilities[name] === "string";
  if (lacks("hardLinks")) names.push("link", "linkFile");
  if (lacks("symlinks")) names.push("symlink", "readlink");
  if (lacks("deviceNodes")) names.push("mknod");
  if (lacks("xattrs")) names.push("setxattr", "getxattr", "listxattr", "removexattr");
  return names;
}

function fallocModes(capabilities: Partial<Capabilities>): number[] {
  const has = (name: keyof Capabilities): boolean => typeof capabilities[name] !== "string";
  const modes = [0, FALLOC_FL_KEEP_SIZE];
  if (has("punchHole")) modes.push(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
  if (has("zeroRange"))
    modes.push(FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
  if (has("collapseRange")) modes.push(FALLOC_FL_COLLAPSE_RANGE);
  if (has("insertRange")) modes.push(FALLOC_FL_INSERT_RANGE);
  return modes;
}
