/**
 * The contract suite: what every personality passes, in the order in which one writes it. The test
 * runner is given, so that it works with vitest, node:test and others.
 */
import {
  type CapabilityName,
  type OptionValues,
  type Personality,
  Pmem,
  type PmemDevice,
  SoundProtocols,
} from "@xiplab/core";
import type { VolumeConfig } from "../volume.ts";
import type { Case, FormatCase, Group } from "./cases.ts";
import { noneControls, prewriteControls } from "./controls.ts";
import { dataCases, unwrittenCases } from "./data.ts";
import { durabilityCases, readOnlyCases } from "./durability.ts";
import { faceCases, fullCopyCases, viewCases } from "./faces.ts";
import { fallocateCases } from "./fallocate.ts";
import { Fixture } from "./fixture.ts";
import { formatCases } from "./format.ts";
import { attributeCases, linkCases } from "./inodes.ts";
import { lackCases } from "./lacks.ts";
import { mappingCases } from "./mapping.ts";
import { nameCases, renameCases } from "./names.ts";
import { openCases } from "./open.ts";
import { spaceCases, statfsCases } from "./space.ts";

/** The test runner. */
export interface Runner {
  describe(title: string, body: () => void): void;
  test(name: string, body: () => void): void;
  /** A test that the design cannot pass, and why: a capability that it declares to lack. */
  skip(name: string, reason: string): void;
}

/** A way that data takes: mount options `data` and `unwritten`. */
export interface DataPathChoice {
  readonly data: string;
  readonly unwritten?: string;
}

/** Every sound protocol on XIP, and both page caches. */
export const SoundDataPaths: readonly DataPathChoice[] = [
  ...SoundProtocols.map((unwritten) => ({ data: "xip", unwritten })),
  { data: "delalloc" },
  { data: "nodelalloc" },
];

export interface ContractConfig {
  /** Bytes. Default 16 MiB. */
  readonly deviceSize?: number;
  /** Bytes, for tests that fill the device. Default 4 MiB. */
  readonly smallDeviceSize?: number;
  readonly mkfsOptions?: OptionValues;
  /** Beside `data` and `unwritten`. */
  readonly mountOptions?: OptionValues;
  /** Default SoundDataPaths. The first one is used for what has nothing to do with data. */
  readonly dataPaths?: readonly DataPathChoice[];
}

const DEVICE_SIZE = 16 * 1024 * 1024;
const SMALL_DEVICE_SIZE = 4 * 1024 * 1024;

/** Define the tests with `runner`. */
export function contract(
  personality: Personality,
  runner: Runner,
  config: ContractConfig = {},
): void {
  const suite = new Suite(personality, runner, config);
  const { dataPaths = SoundDataPaths } = config;
  const first = dataPaths[0]!;
  runner.describe(`${personality.name}: contract`, () => {
    suite.format(formatCases, first);
    for (const group of [lackCases, nameCases, renameCases, attributeCases, linkCases]) {
      suite.group(group, first);
    }
    suite.group(openCases, first);
    suite.group(faceCases, first);
    suite.group(statfsCases, first, "small");
    suite.group(readOnlyCases, first);
  });
  for (const choice of dataPaths) {
    runner.describe(`${personality.name}: contract, ${nameOf(choice)}`, () => {
      for (const group of [dataCases, unwrittenCases, fallocateCases, mappingCases, viewCases]) {
        suite.group(group, choice);
      }
      suite.group(spaceCases, choice, "small");
      suite.group(fullCopyCases, choice, "small");
      suite.group(durabilityCases, choice);
    });
  }
}

/** That `unwritten=none` and `unwritten=prewrite` fail, and how. Not for designs without them. */
export function unsoundControls(
  personality: Personality,
  runner: Runner,
  config: ContractConfig = {},
): void {
  const suite = new Suite(personality, runner, config);
  runner.describe(`${personality.name}: negative controls`, () => {
    // All free blocks must hold what the device held before mkfs: the root stays as it is.
    suite.emptiesRoot = false;
    suite.group(noneControls, { data: "xip", unwritten: "none" });
    suite.group(prewriteControls, { data: "xip", unwritten: "prewrite" });
  });
}

const nameOf = ({ data, unwritten }: DataPathChoice): string =>
  unwritten === undefined ? data : `${data} ${unwritten}`;

class Suite {
  private readonly personality: Personality;
  private readonly runner: Runner;
  private readonly config: ContractConfig;
  emptiesRoot = true;
  /** One for all tests: its memory is what costs. */
  private readonly devices = new Map<number, PmemDevice>();

  constructor(personality: Personality, runner: Runner, config: ContractConfig) {
    this.personality = personality;
    this.runner = runner;
    this.config = config;
  }

  format(group: Group<FormatCase>, choice: DataPathChoice): void {
    this.runner.describe(group.title, () => {
      for (const { name, run } of group.cases) {
        const config = this.volume(choice, this.config.deviceSize ?? DEVICE_SIZE);
        this.runner.test(name, () => run(config, new Pmem(config.deviceSize)));
      }
    });
  }

  group(group: Group<Case>, choice: DataPathChoice, size: "small" | "normal" = "normal"): void {
    const { deviceSize = DEVICE_SIZE, smallDeviceSize = SMALL_DEVICE_SIZE } = this.config;
    const config = this.volume(choice, size === "small" ? smallDeviceSize : deviceSize);
    this.runner.describe(group.title, () => {
      for (const { name, needs = [], run } of group.cases) {
        const reason = this.reasonToSkip(needs);
        if (reason !== null) this.runner.skip(name, reason);
        else this.runner.test(name, () => this.run(config, run));
      }
    });
  }

  private run(config: VolumeConfig, run: (fixture: Fixture) => void): void {
    const fixture = new Fixture(config, this.device(config.deviceSize), this.emptiesRoot);
    run(fixture);
    fixture.finish();
  }

  private device(size: number): PmemDevice {
    const device = this.devices.get(size) ?? new Pmem(size);
    this.devices.set(size, device);
    return device;
  }

  private volume(choice: DataPathChoice, deviceSize: number): VolumeConfig {
    const { mkfsOptions = {}, mountOptions = {} } = this.config;
    const { personality } = this;
    return { personality, deviceSize, mkfsOptions, mountOptions: { ...mountOptions, ...choice } };
  }

  private reasonToSkip(needs: readonly CapabilityName[]): string | null {
    const missing = needs.find((name) => this.personality.capabilities[name] !== true);
    if (missing === undefined) return null;
    return `${missing}: ${this.personality.capabilities[missing]}`;
  }
}
