/**
 * Blocks: who gets which. `alloc=mballoc` or `alloc=first-fit`, over the same space (balloc/).
 *
 *   allocate      claim → search → hold in the buddy → take in the bitmap and descriptor
 *   free          bitmap and descriptor at once; the buddy when the transaction is durable
 */
import { FirstFit } from "./balloc/first-fit.ts";
import { Mballoc } from "./balloc/mballoc.ts";
import type { GroupTable } from "./groups.ts";
import type { BlockAllocator, Volume } from "./volume.ts";

/** What the allocator needs of a volume. `privileged` is asked anew each time. */
export type AllocatorVolume = Pick<Volume, "journal" | "options" | "privileged">;

/** The allocator that the mount options name. */
export function createBlockAllocator(volume: AllocatorVolume, groups: GroupTable): BlockAllocator {
  if (volume.options.alloc === "first-fit") return new FirstFit(volume, groups);
  return new Mballoc(volume, groups);
}
