/** Files and directories that the kernel has open, by the handle (fh) that it was given. */
import { FsError, type OpenFile, type Vfs } from "@xiplab/core";

export class OpenFiles {
  private readonly vfs: Vfs;
  private readonly byHandle = new Map<number, OpenFile>();
  private next = 1;

  constructor(vfs: Vfs) {
    this.vfs = vfs;
  }

  get count(): number {
    return this.byHandle.size;
  }

  add(file: OpenFile): number {
    const handle = this.next++;
    this.byHandle.set(handle, file);
    return handle;
  }

  /** HOT. @throws FsError EBADF */
  get(handle: number): OpenFile {
    const file = this.byHandle.get(handle);
    if (file === undefined) throw new FsError("EBADF");
    return file;
  }

  /** The kernel gives the handle back. */
  release(handle: number): void {
    const file = this.get(handle);
    this.byHandle.delete(handle);
    this.vfs.close(file);
  }

  /** The connection is gone. */
  closeAll(): void {
    for (const handle of this.byHandle.keys()) this.release(handle);
  }
}
