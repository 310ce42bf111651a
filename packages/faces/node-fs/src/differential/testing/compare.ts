/** Runs probes on two worlds in lockstep and reports where they differ. */
import { type Form, Forms, type Probe, runProbe } from "./run-probe.ts";
import { describeTree, makeFixture, type Place, type World } from "./world.ts";

export interface Difference {
  readonly probe: string;
  readonly expected: string;
  readonly found: string;
}

export interface Comparison {
  readonly compared: number;
  readonly differences: readonly Difference[];
}

let placesMade = 0;

/** One directory in each world, of the same path, made again when a probe has changed it. */
class Places {
  readonly #worlds: readonly [World, World];
  #places: readonly [Place, Place];
  #pristine: readonly [string, string];

  constructor(worlds: readonly [World, World]) {
    this.#worlds = worlds;
    this.#places = this.#make();
    this.#pristine = this.trees();
  }

  get places(): readonly [Place, Place] {
    return this.#places;
  }

  trees(): readonly [string, string] {
    return [describeTree(this.#places[0]), describeTree(this.#places[1])];
  }

  /** Look what the last probe left; a changed tree is left behind for a new one. */
  inspect(): readonly [string, string] {
    const trees = this.trees();
    if (trees[0] !== this.#pristine[0] || trees[1] !== this.#pristine[1]) {
      this.#places = this.#make();
      this.#pristine = this.trees();
    }
    return trees;
  }

  #make(): readonly [Place, Place] {
    const name = `p${placesMade++}`;
    const [first, second] = this.#worlds.map(({ fs, base }): Place => {
      const place = { fs, directory: `${base}/${name}`, opened: [] };
      makeFixture(place);
      return place;
    });
    return [first as Place, second as Place];
  }
}

/** One of `every` probes, chosen by their names, so that a new probe does not choose others. */
export function sample(probes: readonly Probe[], every: number): Probe[] {
  return probes.filter(({ name }) => hash(name) % every === 0);
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x01000193) >>> 0;
  }
  return value;
}

/** Every probe in the form on both; the first world is right. */
export async function compare(
  worlds: readonly [World, World],
  probes: readonly Probe[],
  form: Form,
): Promise<Comparison> {
  const places = new Places(worlds);
  const differences: Difference[] = [];
  let compared = 0;
  for (const probe of probes) {
    if (!(probe.forms ?? Forms).includes(form)) continue;
    compared += 1;
    const expected = await outcomeOf(probe, form, places.places[0]);
    const found = await outcomeOf(probe, form, places.places[1]);
    const [expectedTree, foundTree] = places.inspect();
    if (expected !== found) differences.push({ probe: probe.name, expected, found });
    if (expectedTree !== foundTree) {
      differences.push({ probe: `${probe.name}: tree`, ...firstLines(expectedTree, foundTree) });
    }
  }
  return { compared, differences };
}

async function outcomeOf(probe: Probe, form: Form, place: Place): Promise<string> {
  const text = await runProbe(probe, form, place);
  return text.replaceAll(place.directory, "DIR");
}

/** The lines in which two trees differ. */
function firstLines(expected: string, found: string): { expected: string; found: string } {
  const [expectedLines, foundLines] = [expected.split("\n"), found.split("\n")];
  const only = (lines: readonly string[], others: readonly string[]): string =>
    lines.filter((line) => !others.includes(line)).join("\n");
  return { expected: only(expectedLines, foundLines), found: only(foundLines, expectedLines) };
}
