/**
 * Promises of delayed allocation: data blocks, and the blocks of the tree that leads to them.
 *
 * The core takes a promise back right before it allocates: what an inode took back last it may have
 * from what the allocator keeps for requests that must not fail, because metadata may have used more
 * of the rest than anybody could foresee. Promises for trees shrink as nodes are made, and go when
 * the inode has no promised data left.
 */
import { assert, type Mapping } from "@xiplab/core";
import type { FileMap } from "./block-map.ts";
import { fileMap, retryForSpace } from "./file-map.ts";
import type { Ext4Inode } from "./inode.ts";
import type { Volume } from "./volume.ts";

interface Promised {
  /** Data blocks. */
  blocks: number;
  /** Blocks of the tree. */
  nodes: number;
}

interface Promises {
  readonly byInode: Map<Ext4Inode, Promised>;
  /** Who took promises back last, and how many are not allocated since. */
  last: Ext4Inode | null;
  returned: number;
}

const promisesOf = new WeakMap<Volume, Promises>();

/** Has the mount a data path that allocates late? What that creates it copies to at once. */
export const isPromising = (volume: Volume): boolean => promisesOf.has(volume);

/** As MappingOperations.reserve. */
export function reserve(volume: Volume, mapping: Mapping, blocks: number): void {
  settlePromises(volume);
  let promises = promisesOf.get(volume);
  if (promises === undefined) {
    promises = { byInode: new Map(), last: null, returned: 0 };
    promisesOf.set(volume, promises);
  }
  const inode = mapping.inode as Ext4Inode;
  const promised = promises.byInode.get(inode) ?? { blocks: 0, nodes: 0 };
  const wanted = fileMap(volume, inode).nodesFor(promised.blocks + blocks);
  const nodes = Math.max(0, wanted - promised.nodes);
  retryForSpace(volume, () => volume.balloc.reserve(blocks + nodes));
  promised.blocks += blocks;
  promised.nodes += nodes;
  promises.byInode.set(inode, promised);
}

/** As MappingOperations.unreserve. */
export function unreserve(volume: Volume, mapping: Mapping, blocks: number): void {
  const inode = mapping.inode as Ext4Inode;
  const promises = promisesOf.get(volume);
  const promised = promises?.byInode.get(inode);
  assert(promises !== undefined, "a mount that takes promises back has given some");
  assert(promised !== undefined, "an inode that takes promises back has some");
  assert(promised.blocks >= blocks, "no more is taken back than was promised");
  if (promises.last !== inode) settlePromises(volume);
  volume.balloc.unreserve(blocks);
  promised.blocks -= blocks;
  promises.last = inode;
  promises.returned += blocks;
}

/** Blocks that the inode has taken back just now, to allocate them. */
export function promisedNow(volume: Volume, inode: Ext4Inode): number {
  const promises = promisesOf.get(volume);
  return promises?.last === inode ? promises.returned : 0;
}

/** Blocks are about to be inserted at `lblk`: what the tree needs for that is promised no more. */
export function redeemNodes(map: FileMap, lblk: number): void {
  const { inode, volume } = map;
  const promised = promisesOf.get(volume)?.byInode.get(inode);
  if (promised === undefined || promised.nodes === 0) return;
  const nodes = Math.min(promised.nodes, map.nodesNow(lblk));
  volume.balloc.unreserve(nodes);
  promised.nodes -= nodes;
}

/** So many blocks that were taken back are allocated. */
export function redeem(map: FileMap, blocks: number): void {
  const promises = promisesOf.get(map.volume);
  assert(promises !== undefined, "what is redeemed was promised");
  promises.returned -= blocks;
  if (promises.returned === 0) settlePromises(map.volume);
}

/** Whoever took promises back last is done: nothing is kept for its tree that it will not need. */
export function settlePromises(volume: Volume): void {
  const promises = promisesOf.get(volume);
  if (promises === undefined || promises.last === null) return;
  const inode = promises.last;
  promises.last = null;
  promises.returned = 0;
  const promised = promises.byInode.get(inode);
  if (promised === undefined) return;
  const wanted = promised.blocks === 0 ? 0 : fileMap(volume, inode).nodesFor(promised.blocks);
  const spare = Math.max(0, promised.nodes - wanted);
  if (spare > 0) volume.balloc.unreserve(spare);
  promised.nodes -= spare;
  if (promised.blocks === 0) promises.byInode.delete(inode);
}
