/** What the commands have in common on the command line. */
import { type Command, InvalidArgumentError } from "commander";
import { type Name, OptionError, parseSize, splitOptions } from "@xiplab/core/spec";
import { imagePathFromText } from "./text.ts";

/** `--help` of a command ends with these. */
export const examples = (command: Command, lines: readonly string[]): Command =>
  command.addHelpText("after", `\nExamples:\n${lines.map((line) => `  ${line}`).join("\n")}`);

/** Parser of an option that takes a size. */
export function sizeArgument(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    if (error instanceof OptionError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

/** Parser of an option that takes a whole number of at least `least`. */
export const numberArgument =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`give a whole number of at least ${least}.`);
    }
    return value;
  };

/** Parser of a repeatable `-o a=1,b`. */
export const optionsArgument = (
  text: string,
  before: Record<string, string> = {},
): Record<string, string> => ({ ...before, ...splitOptions(text) });

/** Parser of a comma-separated list of words, each once. */
export const wordsArgument = (text: string): string[] => [
  ...new Set(text.split(",").filter((word) => word !== "")),
];

/** Parser of a comma-separated list of words out of `valid`. */
export const listArgument =
  <T extends string>(valid: readonly T[]) =>
  (text: string): T[] => {
    const words = wordsArgument(text);
    for (const word of words) {
      if (!valid.includes(word as T)) {
        throw new InvalidArgumentError(`'${word}' is not one of ${valid.join(", ")}.`);
      }
    }
    if (words.length === 0) throw new InvalidArgumentError(`choose from ${valid.join(", ")}.`);
    return words as T[];
  };

/** Parser of a path inside an image. */
export const imagePathArgument = (text: string): Name => imagePathFromText(text);

/** Options that every command on an existing image has. */
export const imageOptions = (command: Command): Command =>
  command.option("-t, --type <personality>", "take the image for one of this file system");

export const mountOptions = (command: Command): Command =>
  imageOptions(command).option(
    "-o, --options <name=value,...>",
    "mount options, which win over those stored in the image",
    optionsArgument,
  );

export const jsonOption = (command: Command): Command =>
  command.option("--json", "print JSON, for programs");
