/** The superblock of a mount: what `dumpe2fs` says of it, and every state a power cut leaves of the
 * flag that is changed in place. */
import { OptionError, type Pmem, PURPOSE_DATA } from "@xiplab/core";
import { dumpe2fs, e2fsck } from "@xiplab/oracles";
import { expect, test } from "vitest";
import { INCOMPAT_RECOVER } from "./format/features.ts";
import { SUPERBLOCK as S, SUPERBLOCK_AT } from "./format/superblock.ts";
import { recover } from "./journal/recovery.ts";
import * as t from "./journal/testing.ts";
import { mount } from "./mount.ts";
import { ext4 } from "./index.ts";
import { readGeometry } from "./super.ts";
import { openGeometry, storeRecoveryFlag } from "./super-state.ts";

const ARGS = ["-b", "4096"];
const NOW = { sec: 1_700_000_000, nsec: 0 };

const options = Object.fromEntries(
  Object.entries(ext4.mountOptions).map(([name, option]) => [name, option.default]),
);
const open = (device: Pmem) =>
  mount(device, { readOnly: false, clock: { now: () => NOW }, options });

const view = (device: Pmem): DataView => device.view(SUPERBLOCK_AT, 1024);
const isFlagged = (device: Pmem): boolean =>
  (S.featureIncompat.get(view(device), SUPERBLOCK_AT) & INCOMPAT_RECOVER) !== 0;

test("a mount counts itself, is flagged while it lasts, and leaves a clean image", () => {
  const device = t.imageOf(16, ...ARGS);
  const fs = open(device);
  expect(isFlagged(device)).toBe(true);
  fs.unmount();
  expect(isFlagged(device)).toBe(false);
  open(device).unmount();
  const found = dumpe2fs(device, true);
  expect(found).toMatch(/Filesystem state: +clean/);
  expect(found).toMatch(/Mount count: +2/);
  expect(found).toMatch(/Last mount time: +Tue Nov 14 22:13:20 2023/);
  expect(found).toMatch(/Journal start: +0/);
  expect(found).not.toContain("needs_recovery");
  expect(e2fsck(device)).toMatchObject({ clean: true });
});

test("an image without a journal is not clean while it is mounted", () => {
  const device = t.imageOf(16, ...ARGS, "-O", "^has_journal");
  const fs = open(device);
  expect(isFlagged(device)).toBe(false);
  expect(dumpe2fs(device, true)).toMatch(/Filesystem state: +not clean/);
  fs.unmount();
  expect(dumpe2fs(device, true)).toMatch(/Filesystem state: +clean/);
  expect(e2fsck(device)).toMatchObject({ clean: true });
});

test.each([true, false])("either half of a change of the flag is read: to %s", (wanted) => {
  const device = t.imageOf(16, ...ARGS);
  const geometry = readGeometry(device);
  storeRecoveryFlag(device, geometry, !wanted);
  const before = device.directAccess(SUPERBLOCK_AT, 1024).slice();
  storeRecoveryFlag(device, geometry, wanted);
  const after = device.directAccess(SUPERBLOCK_AT, 1024).slice();
  for (const [word, at] of [
    ["flag", 0x60],
    ["checksum", 0x3f8],
  ] as const) {
    device.store(SUPERBLOCK_AT, before, 0, 1024, PURPOSE_DATA);
    device.store(SUPERBLOCK_AT + at, after, at, 8, PURPOSE_DATA);
    expect(openGeometry(device).torn, word).toBe(false);
    storeRecoveryFlag(device, geometry, wanted);
    expect(device.directAccess(SUPERBLOCK_AT, 1024), word).toEqual(after);
  }
});

test("a torn superblock without a copy in the log is refused", () => {
  const device = t.imageOf(16, ...ARGS);
  const place = SUPERBLOCK_AT + S.volumeName.offset;
  device.store(place, Uint8Array.of(1), 0, 1, PURPOSE_DATA);
  const { geometry, torn } = openGeometry(device);
  expect(torn).toBe(true);
  expect(() => recover(device, geometry, { readOnly: false, torn })).toThrow("has no copy");
  expect(() => open(device)).toThrow("checksum");
});

test("a journal on another device is refused by name", () => {
  const device = t.imageOf(16, ...ARGS, "-O", "^metadata_csum");
  const bytes = device.directAccess(SUPERBLOCK_AT, 1024).slice();
  const copy = new DataView(bytes.buffer);
  S.journalIno.set(copy, 0, 0);
  S.journalDev.set(copy, 0, 0x801);
  device.store(SUPERBLOCK_AT, bytes, 0, 1024, PURPOSE_DATA);
  expect(() => openGeometry(device)).toThrow(OptionError);
});
