/** For tests of allocation: a mount's lower half over an image, without a journal. */
import type { PmemDevice } from "@xiplab/core";
import { Buffers } from "../buffers.ts";
import type { Geometry } from "../geometry.ts";
import { GroupTable } from "../groups.ts";
import { createBlockAllocator } from "../balloc.ts";
import { OrlovAllocator } from "../ialloc.ts";
import { Ext4Inode } from "../inode.ts";
import { WithoutJournal } from "../journal/without.ts";
import { readGeometry } from "../super.ts";
import type { BlockAllocator, BlockRequest, Ext4Options } from "../volume.ts";

export interface LowerHalf {
  readonly geometry: Geometry;
  readonly journal: WithoutJournal;
  readonly groups: GroupTable;
  readonly balloc: BlockAllocator;
  readonly ialloc: OrlovAllocator;
  readonly buffers: Buffers;
  privileged: boolean;
}

export function openLowerHalf(device: PmemDevice, alloc: Ext4Options["alloc"]): LowerHalf {
  const geometry = readGeometry(device);
  const buffers = new Buffers(device, geometry);
  const journal = new WithoutJournal(buffers, { transactions: 0 });
  const groups = new GroupTable(device, geometry, buffers, journal);
  const options: Ext4Options = { alloc, ordered: true, commitIntervalSec: 5 };
  const volume = { journal, options, privileged: false, geometry, buffers, groups };
  const balloc = createBlockAllocator(volume, groups);
  return Object.assign(volume, { balloc, ialloc: new OrlovAllocator(groups, journal) });
}

/** An inode object that was never on the medium. */
export function fakeInode(ino: number, mode: number): Ext4Inode {
  const inode = new Ext4Inode(ino as Ext4Inode["ino"], 0);
  inode.mode = mode;
  return inode;
}

export function request(inode: Ext4Inode, more: Partial<BlockRequest>): BlockRequest {
  const plain = { lblk: 0, length: 1, goal: 0, reserved: false, whole: false, noFail: false };
  return { inode, ...plain, ...more };
}

/** xorshift32: the same numbers in every run. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
