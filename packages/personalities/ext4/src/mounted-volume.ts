/** The volume of a mount, put together. */
import type { Clock, FsCounters, MountContext, PmemDevice } from "@xiplab/core";
import { createBlockAllocator } from "./balloc.ts";
import { Buffers } from "./buffers.ts";
import type { Geometry } from "./geometry.ts";
import { GroupTable } from "./groups.ts";
import { OrlovAllocator } from "./ialloc.ts";
import { WithoutJournal } from "./journal/without.ts";
import type { ParsedOptions } from "./options.ts";
import { Orphans } from "./orphan.ts";
import type { BlockAllocator, InodeAllocator, Volume } from "./volume.ts";
import { XattrBlocks } from "./xattr/block.ts";

export class Ext4Volume implements Volume {
  readonly device: PmemDevice;
  readonly geometry: Geometry;
  readonly readOnly: boolean;
  readonly clock: Clock;
  readonly options: ParsedOptions;
  readonly counters: FsCounters = { transactions: 0 };
  readonly buffers: Buffers;
  readonly journal: WithoutJournal;
  readonly groups: GroupTable;
  readonly balloc: BlockAllocator;
  readonly ialloc: InodeAllocator;
  readonly orphans = new Orphans();
  readonly xattrBlocks = new XattrBlocks();
  privileged = true;

  constructor(
    device: PmemDevice,
    geometry: Geometry,
    context: MountContext,
    options: ParsedOptions,
  ) {
    this.device = device;
    this.geometry = geometry;
    this.readOnly = context.readOnly;
    this.clock = context.clock;
    this.options = options;
    this.buffers = new Buffers(device, geometry);
    this.journal = new WithoutJournal(this.buffers, this.counters);
    this.groups = new GroupTable(device, geometry, this.buffers, this.journal);
    this.balloc = createBlockAllocator(this, this.groups);
    this.ialloc = new OrlovAllocator(this.groups);
  }
}
