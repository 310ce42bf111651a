/** Sequences of operations as a fast-check arbitrary: seeded, and shrunk to short sequences. */
import * as fc from "fast-check";
import { assert } from "@xiplab/core";
import type { Operation } from "../operations.ts";
import { Dice } from "./dice.ts";
import type { GeneratorConfig } from "./draw.ts";
import { Generator } from "./generator.ts";

/** Where in the search for a shorter sequence a candidate stands. */
interface ShrinkContext {
  readonly chunk: number;
}

/**
 * `length` generated operations. On a failure it shrinks by leaving operations out, in halves,
 * quarters, down to single ones, and then makes single operations simpler, until `shrinkMs`
 * milliseconds have passed.
 */
export class OperationsArbitrary extends fc.Arbitrary<Operation[]> {
  /** Told by the property: what follows `at` is not needed, what is `idle` most likely neither. */
  failure: { readonly at: number; readonly idle: ReadonlySet<number> } | null = null;
  private readonly length: number;
  private readonly config: GeneratorConfig;
  private readonly shrinkMs: number;
  private deadline: number | null = null;

  constructor(length: number, config: GeneratorConfig, shrinkMs: number) {
    super();
    assert(length > 0, "a sequence has operations");
    this.length = length;
    this.config = config;
    this.shrinkMs = shrinkMs;
  }

  override generate(random: fc.Random): fc.Value<Operation[]> {
    const generator = new Generator(new Dice(random), this.config);
    const operations = Array.from({ length: this.length }, () => generator.next());
    return new fc.Value(operations, undefined);
  }

  /** A failure was found, and shorter sequences are tried. */
  get isShrinking(): boolean {
    return this.deadline !== null;
  }

  override canShrinkWithoutContext(value: unknown): value is Operation[] {
    return Array.isArray(value);
  }

  override shrink(value: Operation[], context: unknown): fc.Stream<fc.Value<Operation[]>> {
    this.deadline ??= Date.now() + this.shrinkMs;
    return new fc.Stream(this.candidates(value, context as ShrinkContext | undefined));
  }

  private *candidates(
    value: Operation[],
    context: ShrinkContext | undefined,
  ): IterableIterator<fc.Value<Operation[]>> {
    let { chunk } = context ?? { chunk: 0 };
    if (chunk === 0) {
      const { at, idle } = this.failure ?? { at: value.length - 1, idle: new Set() };
      const short = value.slice(0, at + 1);
      chunk = Math.max(1, Math.floor(short.length / 2));
      if (idle.size > 0) {
        const busy = short.filter((_, index) => index === at || !idle.has(index));
        yield new fc.Value(busy, { chunk: Math.max(1, Math.floor(busy.length / 2)) });
      }
      if (short.length < value.length) yield new fc.Value(short, { chunk });
    }
    for (; chunk >= 1; chunk = Math.floor(chunk / 2)) {
      // From the end: what stands late depends on what stands early.
      for (let end = value.length; end > 0; end -= chunk) {
        if (this.outOfTime()) return;
        const start = Math.max(0, end - chunk);
        if (end - start === value.length) continue;
        const shorter = [...value.slice(0, start), ...value.slice(end)];
        yield new fc.Value(shorter, { chunk });
      }
    }
    for (const [index, operation] of value.entries()) {
      for (const simpler of simplify(operation)) {
        if (this.outOfTime()) return;
        yield new fc.Value(value.with(index, simpler), { chunk: 1 });
      }
    }
  }

  private outOfTime(): boolean {
    return this.deadline !== null && Date.now() > this.deadline;
  }
}

/** The same operation with rounder numbers. */
function* simplify(operation: Operation): IterableIterator<Operation> {
  const { as, ...body } = operation;
  if (as !== undefined) yield body as Operation;
  const numbers = ["length", "pos", "size", "offset"] as const;
  for (const name of numbers) {
    const value = (body as Readonly<Record<string, unknown>>)[name];
    if (typeof value !== "number" || value <= 1) continue;
    for (const simpler of new Set([0, 1, 4096, value - (value % 4096), Math.floor(value / 2)])) {
      if (simpler < value) yield { ...operation, [name]: simpler };
    }
  }
}

/** `length` generated operations: the same for the same seed. */
export function generateOperations(
  seed: number,
  length: number,
  config: GeneratorConfig,
): Operation[] {
  const [operations] = fc.sample(new OperationsArbitrary(length, config, 0), { numRuns: 1, seed });
  assert(operations !== undefined, "one sample was asked for");
  return operations;
}
