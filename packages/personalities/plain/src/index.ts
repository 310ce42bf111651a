/** plain: the smallest correct file system of xiplab, made to be read, and copied. */
import { describe, type Personality, readOr, splitOptions } from "@xiplab/core";
import { check } from "./check.ts";
import { MAGIC, STATE, STATE_AT, SUPERBLOCK } from "./format/superblock.ts";
import { BLOCK_SIZE, readSuperblock } from "./geometry.ts";
import { mkfs, mkfsOptions } from "./mkfs.ts";
import { mount, mountOptions } from "./mount.ts";

export const plain: Personality = {
  name: "plain",
  capabilities: {
    unwrittenExtents: true,
    hardLinks: true,
    symlinks: true,
    deviceNodes: true,
    xattrs: "plain has no place for extended attributes",
    tmpfile: true,
    atomicRename: true,
    renameExchange: true,
    punchHole: true,
    zeroRange: true,
    collapseRange: true,
    insertRange: true,
    synchronousMetadata: true,
    posixAcls: "plain has no place for extended attributes",
    projectIds: "plain has no place for a project id",
  },
  deviceSizeMin: 76 * 1024,
  mkfsOptions,
  mountOptions,
  mkfs,
  mount,
  check,
  probe: (device) => readOr(0, () => SUPERBLOCK.magic.get(device.view(0, BLOCK_SIZE), 0)) === MAGIC,
  defaultOptions: (device) => splitOptions(readOr("", () => readSuperblock(device).defaultOptions)),
  isClean: (device) => readOr(false, () => readSuperblock(device).clean),
  describe: (device) => factsOf(device.view(0, BLOCK_SIZE)),
};

const factsOf = (view: DataView) =>
  describe(SUPERBLOCK, view, 0).concat(describe(STATE, view, STATE_AT));
