/** Step 1 and 2 of writing a personality: probe, mkfs, mount, check; and what is no image of it. */
import {
  assert,
  CorruptionError,
  FsError,
  mkfs,
  OptionError,
  Pmem,
  type PmemDevice,
  PURPOSE_DATA,
  SEGMENT_SIZE,
} from "@xiplab/core";
import { firstDifference } from "../bytes.ts";
import { MARK } from "../pattern.ts";
import { describeReport, Volume, type VolumeConfig } from "../volume.ts";
import type { FormatCase, Group } from "./cases.ts";
import { ContractError, equal, holds } from "./expect.ts";

const PAGE = 4096;
/** Bytes at the start of the image in which flips are tried, and the distance between two. */
const FLIP_RANGE = 4096;
const FLIP_STEP = 3;

export const formatCases: Group<FormatCase> = {
  title: "format",
  cases: [
    {
      name: "probe does not know a device that holds something else",
      run({ personality }, device) {
        equal(personality.probe(device), false, "probe compares magic numbers, and never throws");
        equal(personality.probe(new Pmem(device.size)), false, "zeros are no image either");
        equal(personality.probe(new Pmem(PAGE)), false, "probe looks at no byte beyond the device");
      },
    },
    { name: "mkfs makes an image that probe knows", run: mkfsThenProbe },
    {
      name: "check is content with a new image",
      run(config, device) {
        Volume.make(config, device);
        const finding = describeReport(config.personality.check(device));
        equal(finding, null, "let mkfs leave a clean image, and check accept it");
      },
    },
    { name: "mkfs gives the same bytes for the same size, options and time", run: mkfsTwice },
    {
      name: "describe tells facts about the image",
      run(config, device) {
        Volume.make(config, device);
        const facts = config.personality.describe(device);
        holds(facts.length > 0, "there are none", "describe gives pairs of a label and a value");
        const isText = facts.flat().every((word) => typeof word === "string");
        holds(isText, "not all are text", "describe gives pairs of two strings");
      },
    },
    { name: "mounting and unmounting leaves a clean image", run: mountUnmount },
    { name: "an image in use is not clean, and mounts after a power cut", run: unclean },
    {
      name: "mkfs refuses an option that it does not have",
      run(config, device) {
        refusesOption(() => Volume.make({ ...config, mkfsOptions: { bogus: "1" } }, device));
      },
    },
    {
      name: "mkfs refuses a device that is too small",
      run(config) {
        const device = new Pmem(PAGE);
        const advice = "throw OptionError before anything is written";
        unchanged(device, () => throwsOptionError(() => new Volume(config, device).mkfs(), advice));
      },
    },
    {
      name: "mkfs takes a device of the smallest size that the design declares, and none below",
      run({ personality }) {
        const { deviceSizeMin } = personality;
        mkfs(personality, new Pmem(deviceSizeMin));
        const advice = "deviceSizeMin is the smallest that mkfs takes with its default options";
        throwsOptionError(() => mkfs(personality, new Pmem(deviceSizeMin - PAGE)), advice);
      },
    },
    { name: "default mount options are kept in the image, or there are none", run: defaultOptions },
    {
      name: "mount refuses an option that it does not have",
      run(config, device) {
        const volume = Volume.make(config, device);
        unchanged(device, () => refusesOption(() => volume.mount({ bogus: "1" })));
      },
    },
    {
      name: "what is no image is refused, and nothing is written",
      run(config, device) {
        refusesImage(config, device);
        refusesImage(config, new Pmem(device.size));
      },
    },
    { name: "an image without its first blocks is refused, and nothing is written", run: wiped },
    { name: "an image larger than its device is refused, and nothing is written", run: cutOff },
    { name: "a flipped byte in the first block is refused or harmless", run: flipped },
  ],
};

function mkfsThenProbe(config: VolumeConfig, device: PmemDevice): void {
  Volume.make(config, device);
  equal(config.personality.probe(device), true, "probe knows what mkfs wrote");
}

function mkfsTwice(config: VolumeConfig, device: PmemDevice): void {
  Volume.make(config, device);
  const other = new Pmem(device.size);
  Volume.make(config, other);
  const at = firstDifferenceOfDevices(device, other);
  const advice = "take time from the context, uuids and seeds from options; no randomness";
  equal(at, -1, `${advice} (the value is the first byte that differs)`);
}

function mountUnmount(config: VolumeConfig, device: PmemDevice): void {
  const volume = Volume.make(config, device);
  volume.mount();
  volume.unmount();
  equal(volume.check(), null, "unmount writes everything and marks the image as clean");
  volume.mount();
  volume.unmount();
  equal(volume.check(), null, "the second mount finds what the first one left");
}

function unclean(config: VolumeConfig, device: PmemDevice): void {
  const volume = Volume.make(config, device);
  volume.mount();
  const report = config.personality.check(device);
  equal(report.clean, false, "mount marks the image as in use, durably, before anything changes");
  const told = "isClean says what check says of a sound image, and false of what is no image";
  equal(config.personality.isClean(device), false, told);
  // The old mount is never heard of again: this is what the next start of the machine finds.
  const next = new Volume(config, device);
  next.mount();
  next.unmount();
  equal(next.check(), null, "mount recovers an image that was not unmounted");
  equal(config.personality.isClean(device), true, told);
  equal(config.personality.isClean(new Pmem(PAGE)), false, told);
}

function refusesOption(act: () => unknown): void {
  const advice = "declare options in mkfsOptions and mountOptions: core refuses all others";
  const message = throwsOptionError(act, advice);
  holds(message.includes("bogus"), "the message does not name the option", advice);
}

/** Returns the message. */
function throwsOptionError(act: () => unknown, advice: string): string {
  try {
    act();
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    return error.message;
  }
  throw new ContractError("went through, expected an OptionError", advice);
}

function defaultOptions(config: VolumeConfig, device: PmemDevice): void {
  const { personality } = config;
  const advice = "defaultOptions answers {} where there is nothing, and never throws";
  equal(personality.defaultOptions(device), {}, advice);
  equal(personality.defaultOptions(new Pmem(PAGE)), {}, advice);
  const hasPlace = Object.hasOwn(personality.mkfsOptions, "defaultOptions");
  const mkfsOptions = hasPlace ? { defaultOptions: "data=nodelalloc,noatime" } : {};
  Volume.make({ ...config, mkfsOptions: { ...config.mkfsOptions, ...mkfsOptions } }, device);
  const expected = hasPlace ? { data: "nodelalloc", noatime: "1" } : {};
  equal(personality.defaultOptions(device), expected, "as splitOptions reads what mkfs was given");
}

/** Mounting throws CorruptionError (or EIO), probe and check do not throw, nothing is written. */
function refusesImage(config: VolumeConfig, device: PmemDevice): void {
  const { personality } = config;
  unchanged(device, () => {
    personality.probe(device);
    const report = personality.check(device);
    holds(report.findings.length > 0, "check finds nothing", "check verifies what mount verifies");
    equal(isMountable(config, device), false, "mount verifies the superblock before all else");
  });
}

/** Other failures than a refusal are bugs, and pass. */
function isMountable(config: VolumeConfig, device: PmemDevice): boolean {
  const volume = new Volume(config, device);
  try {
    volume.mount();
  } catch (error) {
    const isRefusal =
      error instanceof CorruptionError || error instanceof OptionError || error instanceof FsError;
    if (!isRefusal) throw error;
    return false;
  }
  volume.unmount();
  return true;
}

function wiped(config: VolumeConfig, device: PmemDevice): void {
  Volume.make(config, device);
  const length = Math.min(device.size, 64 * 1024);
  device.storeNonTemporal(0, new Uint8Array(length).fill(MARK), 0, length, PURPOSE_DATA);
  device.fence();
  equal(config.personality.probe(device), false, "probe looks at magic numbers");
  refusesImage(config, device);
}

function cutOff(config: VolumeConfig, device: PmemDevice): void {
  Volume.make(config, device);
  const half = new Pmem(Math.floor(device.size / 2 / PAGE) * PAGE);
  const bytes = new Uint8Array(half.size);
  device.load(0, bytes, 0, bytes.length);
  half.storeNonTemporal(0, bytes, 0, bytes.length, PURPOSE_DATA);
  half.fence();
  refusesImage(config, half);
}

function flipped(config: VolumeConfig, device: PmemDevice): void {
  const volume = Volume.make(config, device);
  const range = Math.min(FLIP_RANGE, device.size);
  const original = new Uint8Array(range);
  device.load(0, original, 0, range);
  for (let at = 0; at < range; at += FLIP_STEP) {
    const bytes = original.slice();
    bytes[at]! ^= 1 << (at % 8);
    device.storeNonTemporal(0, bytes, 0, range, PURPOSE_DATA);
    device.fence();
    config.personality.probe(device);
    config.personality.check(device);
    if (isMountable(config, device)) continue;
    const now = new Uint8Array(range);
    device.load(0, now, 0, range);
    const advice = "mount verifies everything before it writes anything";
    equal(firstDifference(now, bytes), -1, `${advice} (byte ${at} was flipped)`);
  }
  device.storeNonTemporal(0, original, 0, range, PURPOSE_DATA);
  device.fence();
  volume.mount();
  volume.unmount();
}

/** `act` stores nothing. @throws ContractError */
export function unchanged(device: PmemDevice, act: () => void): void {
  const { stores } = device.counters;
  act();
  const advice = "nothing may be written here, not even a byte that stays the same";
  equal(device.counters.stores - stores, 0, `${advice} (the value counts stores)`);
}

function firstDifferenceOfDevices(a: PmemDevice, b: PmemDevice): number {
  assert(a.size === b.size, "devices of one size are compared");
  const [bytesA, bytesB] = [new Uint8Array(SEGMENT_SIZE), new Uint8Array(SEGMENT_SIZE)];
  for (let offset = 0; offset < a.size; offset += SEGMENT_SIZE) {
    const length = Math.min(SEGMENT_SIZE, a.size - offset);
    a.load(offset, bytesA, 0, length);
    b.load(offset, bytesB, 0, length);
    const at = firstDifference(bytesA.subarray(0, length), bytesB.subarray(0, length));
    if (at >= 0) return offset + at;
  }
  return -1;
}
