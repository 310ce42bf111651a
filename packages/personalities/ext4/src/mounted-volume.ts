/** The volume of a mount, put together. */
import { type Clock, coarseClock, type FsCounters } from "@xiplab/core";
import type { MountContext, PmemDevice } from "@xiplab/core";
import { createBlockAllocator } from "./balloc.ts";
import { Buffers } from "./buffers.ts";
import { Listings } from "./dir/listings.ts";
import type { Geometry } from "./geometry.ts";
import { GroupTable } from "./groups.ts";
import { OrlovAllocator } from "./ialloc.ts";
import { StaleRecords } from "./inode-io.ts";
import { openJournal } from "./journal/journal.ts";
import type { Overlay } from "./journal/recovery.ts";
import type { Transactions } from "./journal/transactions.ts";
import type { ParsedOptions } from "./options.ts";
import { Orphans } from "./orphan.ts";
import type { BlockAllocator, InodeAllocator, Volume } from "./volume.ts";
import { timeGranularity } from "./verify-inode.ts";
import { XattrBlocks } from "./xattr/block.ts";

export class Ext4Volume implements Volume {
  readonly device: PmemDevice;
  readonly geometry: Geometry;
  readonly readOnly: boolean;
  readonly clock: Clock;
  readonly options: ParsedOptions;
  readonly counters: FsCounters = { transactions: 0 };
  readonly buffers: Buffers;
  readonly journal: Transactions;
  readonly groups: GroupTable;
  readonly balloc: BlockAllocator;
  readonly ialloc: InodeAllocator;
  readonly orphans = new Orphans(this);
  readonly records = new StaleRecords(this);
  readonly xattrBlocks = new XattrBlocks();
  readonly listings = new Listings();
  privileged = true;

  /**
   * Of an image that was recovered; read-only, `overlay` is what recovery left in memory.
   * @throws CorruptionError; OptionError; FsError EIO
   */
  constructor(
    device: PmemDevice,
    geometry: Geometry,
    context: MountContext,
    options: ParsedOptions,
    overlay: Overlay | null,
  ) {
    this.device = device;
    this.geometry = geometry;
    this.readOnly = context.readOnly;
    this.clock = coarseClock(context.clock, timeGranularity(geometry));
    this.options = options;
    this.buffers = new Buffers(device, geometry, overlay);
    this.journal = openJournal(this.buffers, this.counters, {
      clock: context.clock,
      commitIntervalSec: options.commitIntervalSec,
      readOnly: context.readOnly,
    });
    this.journal.atCommit(this.orphans);
    this.journal.atCommit(this.records);
    this.groups = new GroupTable(device, geometry, this.buffers, this.journal);
    this.balloc = createBlockAllocator(this, this.groups);
    this.ialloc = new OrlovAllocator(this.groups, this.journal);
  }
}
