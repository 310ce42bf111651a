/** The form of a contract test. */
import type { CapabilityName, PmemDevice } from "@xiplab/core";
import type { VolumeConfig } from "../volume.ts";
import type { Fixture } from "./fixture.ts";

/** A test on a fresh, mounted volume. Afterwards the image is checked, and mounted once more. */
export interface Case {
  readonly name: string;
  /** Capabilities without which the test is skipped, with the reason that the design gives. */
  readonly needs?: readonly CapabilityName[];
  readonly run: (f: Fixture) => void;
}

/** A test of the format itself, on a device full of MARK. */
export interface FormatCase {
  readonly name: string;
  readonly run: (config: VolumeConfig, device: PmemDevice) => void;
}

export interface Group<T> {
  readonly title: string;
  readonly cases: readonly T[];
}
