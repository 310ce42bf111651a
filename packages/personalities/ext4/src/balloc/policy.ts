/** What the allocation policies have in common: everything but where they look for blocks. */
import type { Ext4Inode } from "../inode.ts";
import type { BlockAllocator, BlockRequest, BlockRun } from "../volume.ts";
import type { Space } from "./space.ts";

export abstract class Policy implements BlockAllocator {
  abstract readonly space: Space;
  protected readonly volume: { readonly privileged: boolean };

  constructor(volume: { readonly privileged: boolean }) {
    this.volume = volume;
  }

  get wouldCommitHelp(): boolean {
    return this.space.pending > 0;
  }

  get waiting(): number {
    return this.space.pending;
  }

  allocate(request: BlockRequest, out: BlockRun): void {
    this.find(request, out, false);
  }

  stage(request: BlockRequest, out: BlockRun): void {
    this.find(request, out, true);
  }

  adopt(start: number, length: number): void {
    this.space.adopt(start, length);
  }

  unstage(start: number, length: number): void {
    this.space.unstage(start, length);
  }

  free(start: number, length: number): void {
    this.space.free(start, length);
  }

  reserve(blocks: number): void {
    this.space.reserve(blocks, this.volume.privileged);
  }

  unreserve(blocks: number): void {
    this.space.unreserve(blocks);
  }

  get unused(): number {
    return this.space.unused;
  }

  available(privileged: boolean): number {
    return this.space.available(privileged);
  }

  abstract discardPreallocation(inode: Ext4Inode): void;

  /** Take blocks, or with `staging` only keep them from others. @throws FsError ENOSPC */
  protected abstract find(request: BlockRequest, out: BlockRun, staging: boolean): void;
}
