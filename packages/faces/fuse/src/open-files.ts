/** Files and directories that the kernel has open, by the handle (fh) that it was given. */
import { assert, FsError, type LockOwner, type OpenFile, type Vfs } from "@xiplab/core";
import { LockWaits } from "./lock-waits.ts";

export class OpenFiles {
  /** Locks of these files that somebody waits for. */
  readonly waits = new LockWaits();
  private readonly vfs: Vfs;
  /** By handle. Handle 0 is never given out: a request that was zeroed finds nothing. */
  private readonly byHandle: Array<OpenFile | null> = [null];
  private readonly free: number[] = [];
  private openCount = 0;
  /** Who ever set a record lock through a handle. Most handles never saw one. */
  private readonly ownersByHandle = new Map<number, Set<LockOwner>>();

  constructor(vfs: Vfs) {
    this.vfs = vfs;
  }

  get count(): number {
    return this.openCount;
  }

  add(file: OpenFile): number {
    const handle = this.free.pop() ?? this.byHandle.length;
    this.byHandle[handle] = file;
    this.openCount++;
    return handle;
  }

  /** HOT. @throws FsError EBADF */
  get(handle: number): OpenFile {
    const file = this.byHandle[handle];
    if (file === undefined || file === null) throw new FsError("EBADF");
    return file;
  }

  /** `owner` is about to have a record lock that came by this handle. */
  noteOwner(handle: number, owner: LockOwner): void {
    const owners = this.ownersByHandle.get(handle);
    if (owners === undefined) this.ownersByHandle.set(handle, new Set([owner]));
    else owners.add(owner);
  }

  /**
   * The kernel gives the handle back: nobody has the open file any more. Record locks that came by it
   * go. Processes have given theirs up before (FLUSH); what is left is of the open file itself (OFD
   * locks), whose owner the kernel does not name here.
   */
  release(handle: number): void {
    const file = this.get(handle);
    this.byHandle[handle] = null;
    this.free.push(handle);
    this.openCount--;
    assert(this.openCount >= 0, "handles are given back once");
    const owners = this.ownersByHandle.get(handle);
    if (owners === undefined) return this.vfs.close(file);
    this.ownersByHandle.delete(handle);
    for (const owner of owners) this.vfs.releaseLocks(file.inode, owner);
    this.vfs.close(file);
  }

  /** The connection is gone. */
  closeAll(): void {
    this.waits.forgetAll();
    for (const [handle, file] of this.byHandle.entries()) if (file !== null) this.release(handle);
  }
}
