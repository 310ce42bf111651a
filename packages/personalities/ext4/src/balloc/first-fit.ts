/**
 * The policy `alloc=first-fit`: the goal if it is free, or else the first free run of the device.
 * No preallocation. To compare mballoc with.
 */
import { FsError } from "@xiplab/core";
import type { Ext4Inode } from "../inode.ts";
import type { BlockRequest, BlockRun, Volume } from "../volume.ts";
import type { GroupTable } from "../groups.ts";
import { Policy } from "./policy.ts";
import { Space } from "./space.ts";

export class FirstFit extends Policy {
  readonly space: Space;
  /** No group before it has a free block. */
  private lowest = 0;

  constructor(volume: Pick<Volume, "journal" | "privileged">, groups: GroupTable) {
    super(volume);
    this.space = new Space(groups, volume.journal, (group, buddy) => {
      if (buddy.free > 0 && group < this.lowest) this.lowest = group;
    });
  }

  protected find(request: BlockRequest, out: BlockRun, staging: boolean): void {
    const want = this.space.claim(request, this.volume.privileged);
    this.atGoal(request.goal, want, request.whole, out);
    if (out.length === 0) this.search(want, request.whole, out);
    if (out.length === 0) throw new FsError("ENOSPC");
    const { geometry } = this.space;
    const group = geometry.groupOf(out.start);
    const start = out.start - geometry.groupStart(group);
    this.space.hold(group, start, out.length);
    this.space.use(group, start, out.length, request.reserved, staging);
  }

  discardPreallocation(_inode: Ext4Inode): void {
    // There is none.
  }

  private atGoal(goal: number, want: number, whole: boolean, out: BlockRun): void {
    out.length = 0;
    const { geometry } = this.space;
    if (goal <= geometry.firstDataBlock || goal >= geometry.blockCount) return;
    const group = geometry.groupOf(goal);
    const buddy = this.space.buddy(group);
    const start = goal - geometry.groupStart(group);
    const length = buddy.nextUsed(start, Math.min(buddy.length, start + want)) - start;
    if (length === 0 || (whole && length < want)) return;
    out.start = goal;
    out.length = length;
  }

  /** The first free run; with `whole` the first of `want` blocks, or else the longest. */
  private search(want: number, whole: boolean, out: BlockRun): void {
    const { geometry, groups } = this.space;
    out.length = 0;
    for (let group = this.lowest; group < groups.count; group++) {
      if (groups.freeBlocksOf(group) <= out.length) continue;
      const buddy = this.space.buddy(group);
      const { length } = buddy;
      for (let at = buddy.nextFree(buddy.firstFree, length); at < length;) {
        const end = buddy.nextUsed(at, Math.min(length, at + want));
        if (end - at > out.length) {
          out.start = geometry.groupStart(group) + at;
          out.length = end - at;
        }
        if (out.length === want || !whole) break;
        at = buddy.nextFree(end, length);
      }
      if (group === this.lowest && buddy.free === 0) this.lowest++;
      if (out.length === want || (out.length > 0 && !whole)) return;
    }
  }
}
