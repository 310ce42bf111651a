/** plain: the smallest correct file system of xiplab, made to be read, and copied. */
import { describe, nameFromBytes, nameToUtf8, type Personality } from "@xiplab/core";
import { CorruptionError, FsError, splitOptions } from "@xiplab/core";
import { check } from "./check.ts";
import { CLEAN, MAGIC, STATE, STATE_AT, SUPERBLOCK } from "./format/superblock.ts";
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
    try {
      return SUPERBLOCK.magic.get(device.view(0, BLOCK_SIZE), 0) === MAGIC;
    } catch (error) {
      // A bad line: whatever this is, it cannot be read.
      if (error instanceof FsError) return false;
      throw error;
    }
  },
  defaultOptions(device) {
    try {
      readSuperblock(device);
    } catch (error) {
      if (error instanceof CorruptionError || error instanceof FsError) return {};
      throw error;
    }
    return splitOptions(text(SUPERBLOCK.defaultOptions.get(device.view(0, BLOCK_SIZE), 0)));
  },
  describe(device) {
    const view = device.view(0, BLOCK_SIZE);
    const words = new Map([...describe(SUPERBLOCK, view, 0), ...describe(STATE, view, STATE_AT)]);
    words.set("label", text(SUPERBLOCK.label.get(view, 0)));
    words.set("defaultOptions", text(SUPERBLOCK.defaultOptions.get(view, 0)));
    words.set("clean", STATE.clean.get(view, STATE_AT) === CLEAN ? "yes" : "no");
    return [...words];
  },
};

/** The text in a field that zeros fill up. */
const text = (field: Uint8Array): string => nameToUtf8(nameFromBytes(field)).replace(/\0+$/, "");
