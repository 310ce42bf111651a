/** ext4 in its real on-disk format: images of Linux and e2fsprogs, and images for them. */
import type { Personality } from "@xiplab/core";
import { check } from "./check/index.ts";
import { defaultOptions, describeImage, isClean, probe } from "./describe.ts";
import { mkfs, mkfsOptions } from "./mkfs.ts";
import { mount } from "./mount.ts";
import { mountOptions } from "./options.ts";

export const ext4: Personality = {
  name: "ext4",
  capabilities: {
    unwrittenExtents: true,
    hardLinks: true,
    symlinks: true,
    deviceNodes: true,
    xattrs: true,
    tmpfile: true,
    atomicRename: true,
    renameExchange: true,
    punchHole: true,
    zeroRange: true,
    collapseRange: true,
    insertRange: true,
    synchronousMetadata: "ext4 batches changes into transactions: what is not synced may be lost",
    posixAcls: true,
    projectIds: true,
  },
  // Below it there is no room for a journal.
  deviceSizeMin: 8 * 1024 * 1024,
  mkfsOptions,
  mountOptions,
  mkfs,
  mount,
  check,
  probe,
  defaultOptions: (device) => defaultOptions(device, ext4),
  isClean,
  describe: describeImage,
};
