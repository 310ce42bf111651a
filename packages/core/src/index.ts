/** The whole public surface of @xiplab/core. Deep imports are not supported. */
export * from "./spec/index.ts";
export * from "./pmem/observer.ts";
export { Pmem, type SegmentSource } from "./pmem/pmem.ts";
export { createPmem, ObservedPmem, type PmemOptions } from "./pmem/observed.ts";
export { Recorder } from "./pmem/recorder.ts";
export { Bitmap, popcount, type Run } from "./disk/bitmap.ts";
export { type AttributeFields, readAttributes, writeAttributes } from "./disk/attributes.ts";
export { crc32c } from "./disk/crc32c.ts";
export { type Extent, ExtentMap } from "./disk/extent-map.ts";
export { RunAllocator } from "./disk/run-allocator.ts";
export { formatUuid, parseUuid, textFromField, textToBytes } from "./disk/text.ts";
export { flushTwin, readTwin, type Twin, type TwinFormat, TwinRecord } from "./disk/twin.ts";
export { collect, corrupt, readOr, verify } from "./disk/verify.ts";
export {
  readWordPair,
  redoWordPair,
  storeWordPair,
  type Word,
  WORD_PAIR,
} from "./disk/word-pair.ts";
export {
  bytes,
  describe,
  type Field,
  type FieldType,
  i64le,
  type Layout,
  layoutOf,
  pad,
  sizeOf,
  type Struct,
  struct,
  text,
  u16be,
  u16le,
  u32be,
  u32le,
  u64be,
  u64le,
  u8,
  uuid,
} from "./disk/struct.ts";
export * from "./pmem/in-flight.ts";
export { CostMeter } from "./pmem/cost.ts";
export { FaultInjector, PowerCut } from "./pmem/faults.ts";
export {
  type HostFile,
  type HostFileOptions,
  type HostFs,
  openHostFile,
} from "./pmem/host-file.ts";
export type { HostMapper, HostMapping } from "./pmem/host-mapping.ts";
export * from "./pmem/media-models.ts";
export {
  type CacheLimits,
  chooseFileOperations,
  DATA_PATH_OPTIONS,
  type WriteProtocol,
  WriteProtocols,
} from "./data-path.ts";
export type { Stat } from "./vfs/attributes.ts";
export { coarseClock, counterClock } from "./vfs/clock.ts";
export type { VfsEvent, VfsEventKind, VfsListener } from "./vfs/events.ts";
export type { FileLock, HeldLock, LockOwner, LockWait } from "./vfs/locks.ts";
export { mkfs, mount, type MountEnvironment, mountOptionTable } from "./vfs/mount.ts";
export type { OpenFile } from "./vfs/open-file.ts";
export { type Credentials, ROOT } from "./vfs/credentials.ts";
export { Task } from "./vfs/task.ts";
export type { TaskOptions } from "./vfs/task-base.ts";
export { type AttributeChanges, type Census, Vfs } from "./vfs/vfs.ts";
