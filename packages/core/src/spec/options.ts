/** Mount and mkfs options: declared in a table, parsed and refused in one place. */
import { OptionError } from "./errors.ts";

export interface OptionSpec {
  /** Allowed words, or the kind of value. `size` takes 64M, 1G; `flag` takes no value. */
  readonly values: readonly string[] | "number" | "size" | "text" | "flag";
  readonly default: string;
  readonly help: string;
}
export type OptionTable = Readonly<Record<string, OptionSpec>>;
export type OptionValues = Readonly<Record<string, string>>;

const SUFFIXES: Record<string, number> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** "64M" in bytes. Suffixes K, M, G, T are powers of 1024. @throws OptionError */
export function parseSize(text: string): number {
  const match = /^(\d+)([KMGT]?)i?B?$/i.exec(text.trim());
  const bytes = match ? Number(match[1]) * SUFFIXES[match[2]!.toUpperCase()]! : Number.NaN;
  if (!Number.isSafeInteger(bytes)) {
    throw new OptionError(`'${text}' is not a size: give bytes, or a number with K, M, G or T`);
  }
  return bytes;
}

/** "a=1,ro" as pairs; a word without "=" is a flag and gets the value "1". */
export function splitOptions(text: string): Record<string, string> {
  const pairs: Record<string, string> = {};
  for (const word of text.split(",").filter((part) => part !== "")) {
    const equals = word.indexOf("=");
    if (equals < 0) pairs[word] = "1";
    else pairs[word.slice(0, equals)] = word.slice(equals + 1);
  }
  return pairs;
}

/**
 * Check `given` against `table` and fill in the defaults. An unknown option is named, with the
 * valid ones listed. @throws OptionError
 */
export function parseOptions(
  table: OptionTable,
  given: Readonly<Record<string, string>>,
  who: string,
): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [name, spec] of Object.entries(table)) values[name] = spec.default;
  for (const [name, value] of Object.entries(given)) {
    const spec = Object.hasOwn(table, name) ? table[name] : undefined;
    if (spec === undefined) {
      const valid = Object.keys(table).join(", ") || "none";
      throw new OptionError(`${who} has no option '${name}'; valid options: ${valid}`);
    }
    checkValue(name, spec, value, who);
    values[name] = value;
  }
  return values;
}

function checkValue(name: string, spec: OptionSpec, value: string, who: string): void {
  const { values } = spec;
  if (typeof values !== "string") {
    if (!values.includes(value)) {
      throw new OptionError(
        `${who}: ${name}=${value} is not valid; choose one of ${values.join(", ")}`,
      );
    }
  } else if (values === "number" && !/^\d{1,15}$/.test(value)) {
    throw new OptionError(`${who}: ${name}=${value} is not a whole number`);
  } else if (values === "size") {
    parseSize(value);
  } else if (values === "flag" && value !== "1" && value !== "0") {
    throw new OptionError(`${who}: ${name} is a flag and takes no value`);
  }
}
