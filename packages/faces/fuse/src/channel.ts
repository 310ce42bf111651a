/** Where requests come from and replies go: /dev/fuse, or, in tests, memory. */

export interface Channel {
  /**
   * Wait for the next request and read it into `target`. Returns its bytes; 0 when the file system
   * was unmounted or the connection was aborted: there is nothing more to come.
   */
  receive(target: Uint8Array): number;
  /**
   * Send one reply or notification, whose parts belong together. Returns false where the kernel does
   * not want it any more (ENOENT: the request was interrupted, or the node of a notification is not
   * known to it). @throws FsError EIO for anything else
   */
  send(parts: readonly Uint8Array[]): boolean;
}
