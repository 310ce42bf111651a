/** Operations on attributes: how often they are drawn, and their arguments. */
import { XATTR_CREATE, XATTR_REPLACE } from "@xiplab/core";
import type { OperationBody, OperationTime } from "../operations.ts";
import { UserNames, USERS } from "../users.ts";
import { type Builders, type Draw, nodeAt, someFile } from "./draw.ts";
import { existing } from "./places.ts";

const MODES = [
  0o644, 0o600, 0o755, 0o777, 0o666, 0o4755, 0o6777, 0o2644, 0o1777, 0o2775, 0, 0o170777,
];
const XATTR_NAMES = ["user.a", "user.b", "user.c", "trusted.t", "user.", "nope.x", "", "user.\xff"];

export const attributeOperations: Builders = {
  stat: [30, (draw) => ({ op: "stat", file: anyFile(draw), follow: draw.dice.chance(50) })],
  access: [
    10,
    ({ dice, found }) => ({
      op: "access",
      path: existing(dice, found, found.all),
      mode: dice.pick([0, 1, 2, 4, 6, 7, 8]),
    }),
  ],
  chmod: [35, (draw) => ({ op: "chmod", file: anyFile(draw), mode: draw.dice.pick(MODES) })],
  chown: [25, chownOperation],
  utimens: [20, utimensOperation],
  setxattr: [20, setxattrOperation],
  getxattr: [10, (draw) => ({ op: "getxattr", ...someXattr(draw) })],
  listxattr: [
    6,
    ({ dice, found }) => ({ op: "listxattr", path: existing(dice, found, found.all) }),
  ],
  removexattr: [8, (draw) => ({ op: "removexattr", ...someXattr(draw) })],
};

function anyFile(draw: Draw): string | number {
  return draw.dice.chance(50) ? someFile(draw) : existing(draw.dice, draw.found, draw.found.all);
}

function chownOperation(draw: Draw): OperationBody {
  const ids = [-1, ...UserNames.map((name) => USERS[name].uid)];
  return {
    op: "chown",
    file: anyFile(draw),
    uid: draw.dice.pick(ids),
    gid: draw.dice.pick(ids),
    follow: draw.dice.chance(70),
  };
}

function utimensOperation(draw: Draw): OperationBody {
  const { dice } = draw;
  const time = (): OperationTime =>
    dice.chance(35)
      ? dice.pick([null, "now"])
      : [dice.pick([0, 1, -1, 2 ** 31, 1_700_000_000, -(2 ** 31)]), dice.pick([0, 1, 999_999_999])];
  return {
    op: "utimens",
    file: anyFile(draw),
    atime: time(),
    mtime: time(),
    follow: dice.chance(70),
  };
}

/** One that exists, half of the time. */
function someXattr({ dice, found, model }: Draw): { path: string; name: string } {
  const marked = found.all.filter((path) => (nodeAt(model, path)?.xattrs.size ?? 0) > 0);
  if (marked.length > 0 && dice.chance(60)) {
    const path = dice.pick(marked);
    return { path, name: dice.pick([...nodeAt(model, path)!.xattrs.keys()]) };
  }
  return { path: existing(dice, found, found.all), name: dice.pick(XATTR_NAMES) };
}

function setxattrOperation({ dice, found, seed }: Draw): OperationBody {
  return {
    op: "setxattr",
    path: existing(dice, found, found.all),
    name: dice.pick(XATTR_NAMES),
    length: dice.pick([0, 1, 10, 60, 200, 500]),
    seed,
    flags: dice.pick([0, 0, 0, XATTR_CREATE, XATTR_REPLACE, 4]),
  };
}
