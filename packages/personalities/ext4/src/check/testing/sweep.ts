/** Mutates an image again and again, and asks e2fsck and check about each. */
import { type CheckReport, describeCorruption, type PmemDevice, PURPOSE_DATA } from "@xiplab/core";
import { e2fsck } from "@xiplab/oracles";
import { check } from "../index.ts";
import { type Mutation, Mutator } from "./mutations.ts";

export interface SweepResult {
  count: number;
  /** Both find something; neither does. */
  both: number;
  neither: number;
  /** e2fsck complains, check does not. */
  readonly missed: string[];
  /** check complains, e2fsck does not. */
  readonly extra: string[];
}

export const emptyResult = (): SweepResult => ({
  count: 0,
  both: 0,
  neither: 0,
  missed: [],
  extra: [],
});

/** The device as one array. */
export function bytesOf(device: PmemDevice): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(device.size);
  device.load(0, bytes, 0, bytes.length);
  return bytes;
}

/** The same image as a file, for e2fsck. */
export interface ImageFile {
  readonly path: string;
  write(at: number, bytes: Uint8Array): void;
}

/** Try `count` mutations. Device and file are as before afterwards. */
export function sweep(
  device: PmemDevice,
  file: ImageFile,
  count: number,
  seed: number,
  result: SweepResult,
): void {
  const bytes = bytesOf(device);
  const mutator = new Mutator(bytes, seed);
  const store = ({ ranges }: Mutation): void => {
    for (const [at, length] of ranges) {
      device.store(at, bytes, at, length, PURPOSE_DATA);
      file.write(at, bytes.subarray(at, at + length));
    }
  };
  for (let done = 0; done < count; done++) {
    const mutation = mutator.mutate();
    store(mutation);
    compare(device, file, mutation, result);
    mutator.restore(mutation);
    store(mutation);
  }
}

function compare(
  device: PmemDevice,
  file: ImageFile,
  { text }: Mutation,
  result: SweepResult,
): void {
  const judged = e2fsck(file.path);
  // A check has no clock.
  if (judged.output.includes("is in the future")) return;
  const report: CheckReport = check(device);
  const finds = report.findings.length > 0;
  result.count++;
  if (finds && !judged.clean) result.both++;
  else if (!finds && judged.clean) result.neither++;
  else if (finds) {
    result.extra.push(`${text}: ${report.findings.map(describeCorruption).slice(0, 3).join("; ")}`);
  } else {
    result.missed.push(`${text}: ${complaintsOf(judged.output)}`);
  }
}

const complaintsOf = (output: string): string =>
  output
    .split("\n")
    .filter((line) => line.length > 0 && !/^(Pass \d|e2fsck \d)/.test(line))
    .slice(0, 3)
    .join(" | ");
