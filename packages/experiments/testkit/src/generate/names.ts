/** Operations on names: how often they are drawn, and their arguments. */
import {
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFREG,
  S_IFSOCK,
} from "@xiplab/core";
import type { OperationBody } from "../operations.ts";
import type { Builders, Draw } from "./draw.ts";
import { FILE_MODES } from "./files.ts";
import { existing, somePath } from "./places.ts";

const DIRECTORY_MODES = [0o755, 0o755, 0o777, 0o1777, 0o2775, 0o700, 0o6755];

export const nameOperations: Builders = {
  mkdir: [
    50,
    ({ dice, found }) => ({
      op: "mkdir",
      path: somePath(dice, found),
      mode: dice.pick(DIRECTORY_MODES),
    }),
  ],
  rmdir: [
    20,
    ({ dice, found }) => ({
      op: "rmdir",
      path: existing(dice, found, dice.chance(90) ? found.directories : found.all),
    }),
  ],
  unlink: [
    40,
    ({ dice, found }) => ({
      op: "unlink",
      path: existing(dice, found, dice.chance(80) ? leaves(found) : found.all),
    }),
  ],
  link: [40, linkOperation],
  linkFile: [
    12,
    ({ dice, found, model }) => ({
      op: "linkFile",
      slot: model.files.size > 0 ? dice.pick([...model.files.keys()]) : 0,
      path: somePath(dice, found),
    }),
  ],
  symlink: [30, symlinkOperation],
  readlink: [
    10,
    ({ dice, found }) => ({
      op: "readlink",
      path: existing(dice, found, dice.chance(80) ? found.symlinks : found.all),
    }),
  ],
  rename: [90, renameOperation],
  mknod: [12, mknodOperation],
  readdir: [
    15,
    ({ dice, found }) => ({ op: "readdir", path: existing(dice, found, found.directories) }),
  ],
};

const leaves = (found: Draw["found"]): string[] => [
  ...found.files,
  ...found.symlinks,
  ...found.specials,
];

function linkOperation({ dice, found }: Draw): OperationBody {
  const among = dice.chance(85) ? leaves(found) : found.all;
  return { op: "link", existing: existing(dice, found, among), path: somePath(dice, found) };
}

function symlinkOperation({ dice, found }: Draw): OperationBody {
  const target = dice.weighted([
    ["existing", 50],
    ["relative", 30],
    ["new", 15],
    ["long", 3],
    ["empty", 1],
  ]);
  const targets = {
    existing: () => existing(dice, found, found.all),
    relative: () => dice.pick(["a", "b", "../a", "../b/c", "./d", "c/", ".", ".."]),
    new: () => somePath(dice, found),
    long: () => "t/".repeat(dice.pick([30, 500, 2000, 2047, 2048])),
    empty: () => "",
  };
  return { op: "symlink", target: targets[target](), path: somePath(dice, found) };
}

function renameOperation({ dice, found, config }: Draw): OperationBody {
  const from = existing(dice, found, found.all);
  const to = dice.chance(45) ? somePath(dice, found) : existing(dice, found, found.all);
  const exchanges = typeof config.capabilities?.renameExchange !== "string";
  const flags = dice.weighted([
    ["plain", 75],
    ["noreplace", 10],
    ["exchange", 14],
    ["bad", 1],
  ]);
  const values = {
    plain: 0,
    noreplace: RENAME_NOREPLACE,
    exchange: exchanges ? RENAME_EXCHANGE : 0,
    bad: RENAME_EXCHANGE | RENAME_NOREPLACE,
  };
  return { op: "rename", from, to, flags: values[flags] };
}

function mknodOperation({ dice, found }: Draw): OperationBody {
  const type = dice.pick([S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFREG, S_IFDIR]);
  return {
    op: "mknod",
    path: somePath(dice, found),
    mode: type | dice.pick(FILE_MODES),
    // A character device 0:0 is a whiteout to Linux, which everybody may make.
    rdev: dice.pick([0x103, 0x801, 0xfff_ff]),
  };
}
