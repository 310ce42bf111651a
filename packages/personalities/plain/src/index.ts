/** plain: the smallest correct file system of xiplab, made to be read, and copied. */
import { collect, describe, type Personality, splitOptions } from "@xiplab/core";
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
  },
  mkfsOptions,
  mountOptions,
  mkfs,
  mount,
  check,
  probe(device) {
    let found = 0;
    collect([], () => {
      found = SUPERBLOCK.magic.get(device.view(0, BLOCK_SIZE), 0);
    });
    return found === MAGIC;
  },
  defaultOptions(device) {
    let text = "";
    collect([], () => {
      readSuperblock(device);
      text = SUPERBLOCK.defaultOptions.get(device.view(0, BLOCK_SIZE), 0);
    });
    return splitOptions(text);
  },
  describe(device) {
    const view = device.view(0, BLOCK_SIZE);
    const rows = [...describe(SUPERBLOCK, view, 0), ...describe(STATE, view, STATE_AT)];
    return rows.filter(([field]) => field !== "checksum");
  },
};
