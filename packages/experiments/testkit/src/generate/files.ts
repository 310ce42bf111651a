/** Operations on the content of files: how often they are drawn, and their arguments. */
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  PAGE_SIZE,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from "@xiplab/core";
import type { OperationBody } from "../operations.ts";
import { type Builders, type Draw, freeSlot, posIn, sizeOf, someFile, takenSlot } from "./draw.ts";
import { existing, someLength, somePagePos, somePath } from "./places.ts";

const SLOTS = 6;
const REGIONS = 4;
const REGION_PAGES = 12;
export const FILE_MODES = [0o644, 0o644, 0o666, 0o600, 0o755, 0o6777, 0o2644, 0o4755, 0];

export const fileOperations: Builders = {
  open: [60, openOperation],
  close: [30, ({ dice, model }) => ({ op: "close", slot: takenSlot(dice, model.files, SLOTS) })],
  create: [60, createOperation],
  read: [50, readOperation],
  write: [160, writeOperation],
  seek: [10, seekOperation],
  truncate: [50, truncateOperation],
  fallocate: [80, fallocateOperation],
  fsync: [30, (draw) => ({ op: "fsync", file: someFile(draw), datasync: draw.dice.chance(40) })],
  sync: [3, () => ({ op: "sync" })],
  remount: [4, () => ({ op: "remount" })],
  extents: [25, (draw) => ({ op: "extents", file: someFile(draw) })],
  map: [40, mapOperation],
  load: [35, onRegion((draw) => ({ op: "load", ...rangeOfRegion(draw) }))],
  store: [60, onRegion((draw) => ({ op: "store", ...rangeOfRegion(draw), seed: draw.seed }))],
  msync: [15, onRegion((draw) => ({ op: "msync", ...rangeOfRegion(draw) }))],
  unmap: [
    20,
    ({ dice, model }) => ({ op: "unmap", region: takenSlot(dice, model.regions, REGIONS) }),
  ],
};

function openOperation(draw: Draw): OperationBody {
  const { dice, found, config, model } = draw;
  const slot = freeSlot(dice, model.files, SLOTS);
  const mode = dice.pick(FILE_MODES);
  const access = dice.pick([O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR]);
  if (dice.chance(5)) {
    const path = existing(dice, found, found.directories);
    return { op: "open", slot, path, flags: O_RDONLY | O_DIRECTORY, mode };
  }
  if (dice.chance(8) && typeof config.capabilities?.tmpfile !== "string") {
    const flags = access | O_TMPFILE | (dice.chance(20) ? O_EXCL : 0);
    return { op: "open", slot, path: existing(dice, found, found.directories), flags, mode };
  }
  const create = dice.chance(40);
  const flags = access | someOpenFlags(draw, create);
  const among = dice.chance(85) ? found.files : [...found.symlinks, ...found.all];
  const fresh = create && dice.chance(60);
  const path = fresh ? somePath(dice, found) : existing(dice, found, among);
  return { op: "open", slot, path, flags, mode };
}

function someOpenFlags({ dice }: Draw, create: boolean): number {
  let flags = create ? O_CREAT : 0;
  if (create && dice.chance(20)) flags |= O_EXCL;
  if (dice.chance(15)) flags |= O_TRUNC;
  if (dice.chance(15)) flags |= O_APPEND;
  if (dice.chance(8)) flags |= O_NOFOLLOW;
  if (dice.chance(5)) flags |= dice.pick([O_SYNC, O_DSYNC, O_NOATIME]);
  return flags;
}

function createOperation({ dice, found }: Draw): OperationBody {
  return { op: "create", path: somePath(dice, found), mode: dice.pick(FILE_MODES) };
}

function readOperation(draw: Draw): OperationBody {
  const file = someFile(draw);
  const pos = draw.dice.chance(20) ? null : posIn(draw, file);
  return { op: "read", file, pos, length: someLength(draw.dice) };
}

function writeOperation(draw: Draw): OperationBody {
  const file = someFile(draw);
  const pos = draw.dice.chance(25) ? null : posIn(draw, file);
  return { op: "write", file, pos, length: someLength(draw.dice), seed: draw.seed };
}

function seekOperation(draw: Draw): OperationBody {
  const { dice } = draw;
  const slot = takenSlot(dice, draw.model.files, SLOTS);
  // In a directory an offset means what the design says.
  if (draw.model.files.get(slot)?.node.isDirectory) {
    return { op: "seek", slot, offset: 0, whence: SEEK_SET };
  }
  const whence = dice.pick([SEEK_SET, SEEK_CUR, SEEK_END]);
  const distance = posIn(draw, slot);
  const offset = whence === SEEK_SET || dice.chance(30) ? distance : -dice.between(0, 10_000);
  return { op: "seek", slot, offset, whence };
}

function truncateOperation(draw: Draw): OperationBody {
  const file = someFile(draw);
  const size = draw.dice.chance(2) ? -1 : posIn(draw, file);
  return { op: "truncate", file, size };
}

function fallocateOperation(draw: Draw): OperationBody {
  const { dice, model } = draw;
  const file = someFile(draw);
  const mode = dice.pick(draw.fallocModes);
  const moves = mode === FALLOC_FL_COLLAPSE_RANGE || mode === FALLOC_FL_INSERT_RANGE;
  if (moves && dice.chance(90)) {
    const pos = somePagePos(dice, sizeOf(model, file));
    return { op: "fallocate", file, mode, pos, length: dice.between(1, 6) * PAGE_SIZE };
  }
  const length = dice.chance(98) ? Math.max(1, someLength(dice)) : 0;
  return { op: "fallocate", file, mode, pos: posIn(draw, file), length };
}

function mapOperation(draw: Draw): OperationBody {
  const { dice, model, config } = draw;
  const file = someFile(draw);
  const start = dice.chance(50) ? 0 : somePagePos(dice, sizeOf(model, file));
  const pos = start + (dice.chance(2) ? 1 : 0);
  const length = dice.chance(97) ? dice.between(1, REGION_PAGES * PAGE_SIZE) : 0;
  const shared = dice.chance(75);
  return {
    op: "map",
    region: freeSlot(dice, model.regions, REGIONS),
    file,
    pos,
    length,
    shared,
    writable: dice.chance(85),
    sync: config.mapSync && shared && dice.chance(15),
  };
}

/** Where nothing is mapped yet, map something. */
function onRegion(build: (draw: Draw) => OperationBody): (draw: Draw) => OperationBody {
  const isBare = ({ model, dice }: Draw): boolean => model.regions.size === 0 && dice.chance(95);
  return (draw) => (isBare(draw) ? mapOperation(draw) : build(draw));
}

/** Most of the time a region that exists, a range inside it, and in the file too. */
function rangeOfRegion(draw: Draw): { region: number; offset: number; length: number } {
  const { dice, model } = draw;
  const slot = takenSlot(dice, model.regions, REGIONS);
  const region = model.regions.get(slot);
  if (region === undefined) return { region: slot, offset: 0, length: 1 };
  const inFile = region.node.content.size - region.pos;
  const end = dice.chance(80) && inFile > 0 ? Math.min(inFile, region.length) : region.length;
  const kind = dice.weighted([
    ["any", 50],
    ["page", 25],
    ["tail", 25],
  ]);
  let offset = dice.between(0, end - 1);
  const near = draw.recent.map((pos) => pos - region.pos).filter((at) => at >= 0 && at < end);
  if (near.length > 0 && dice.chance(50)) offset = dice.pick(near);
  if (kind === "page") offset -= offset % PAGE_SIZE;
  if (kind === "tail") offset = Math.max(0, end - dice.between(1, 100));
  const length = Math.max(1, Math.min(someLength(dice), end - offset));
  const beyond = dice.chance(2) ? 10_000 : 0;
  return { region: slot, offset, length: length + beyond };
}
