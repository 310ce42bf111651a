/**
 * The options of mke2fs that people have in their fingers, as words for `-o`; and what `mkfs --help`
 * says of the options that each design has.
 */
import { type Command, InvalidArgumentError } from "commander";
import { mountOptionTable, OptionError, parseSize } from "@xiplab/core";
import { personalities } from "../personalities.ts";
import { optionTableLines } from "./option-lines.ts";

/** Short forms, as commander gives them. They are options of mkfs by the same names. */
export interface ShortForms {
  readonly blockSize?: string;
  readonly features?: string;
  readonly inodeRatio?: string;
  readonly inodeSize?: string;
  readonly journalSize?: string;
  readonly label?: string;
  readonly reservedPercent?: string;
  readonly inodes?: string;
  readonly uuid?: string;
}

const NAMES: ReadonlyArray<keyof ShortForms> = [
  "blockSize",
  "features",
  "inodeRatio",
  "inodeSize",
  "journalSize",
  "label",
  "reservedPercent",
  "inodes",
  "uuid",
];

export const addShortForms = (command: Command): Command =>
  command
    .option("-b, --block-size <bytes>", "size of a block: 4096, 2048, 1024", wholeSize)
    .option("-O, --features <list>", "features to add, with ^ to leave out: ^64bit,project", colons)
    .option("-i, --inode-ratio <bytes>", "an inode for so many bytes of the device", wholeSize)
    .option("-I, --inode-size <bytes>", "size of an inode", wholeSize)
    .option("-J, --journal-size <size>", "size of the journal: 64M", journalArgument)
    .option("-L, --label <name>", "name of the volume")
    .option("-m, --reserved-percent <percent>", "of the blocks, for root alone")
    .option("-N, --inodes <number>", "files at most", wholeSize)
    .option("-U, --uuid <uuid>", "of the volume");

/** Sizes may have a suffix here; tables want plain numbers. */
function wholeSize(text: string): string {
  try {
    return String(parseSize(text));
  } catch (error) {
    if (error instanceof OptionError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

/** `-o` parts at commas, so a list in one of its values has colons. */
const colons = (text: string, before?: string): string =>
  [...(before === undefined ? [] : [before]), ...text.split(/[\s,:]+/)].join(":");

/** "64M"; and as mke2fs has it, "size=64" or a bare number: in MiB. */
function journalArgument(text: string): string {
  const size = text.replace(/^size=/, "");
  return String(/^\d+$/.test(size) ? Number(size) * 2 ** 20 : Number(wholeSize(size)));
}

/** The short forms that were given, as `-o` has them. */
export const shortForms = (options: ShortForms): Record<string, string> =>
  Object.fromEntries(
    NAMES.flatMap((name) => {
      const value = options[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );

/** For `mkfs --help`: what `-o` takes, for each design, in lines of at most `width`. */
export function optionsHelp(width: number): string {
  const generic = Object.entries(mountOptionTable(personalities[0]!)).filter(([name]) =>
    personalities.every((one) => !Object.hasOwn(one.mountOptions, name)),
  );
  const parts = [
    ...personalities.map((one) => [`-o of ${one.name}, mkfs:`, one.mkfsOptions] as const),
    ["-o of mount, to be stored in the image:", Object.fromEntries(generic)] as const,
    ...personalities.map((one) => [`-o of mount, ${one.name}:`, one.mountOptions] as const),
  ];
  const texts = parts.map(([title, table]) => `${title}\n${optionTableLines(table, width)}`);
  return `\n${texts.join("\n\n")}`;
}
