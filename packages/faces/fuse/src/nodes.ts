/**
 * The inodes that the kernel knows, by node id, and how often it was told of each (lookups): it gives
 * them back with FORGET. A node id is the inode number; the root's is 1, whatever its number is.
 *
 * Invariant: an inode has `lookups` references of the vfs from here, so that its number is not given
 * to another file while the kernel has it. Hence generations never clash within one mount.
 */
import { FsError, type Ino, type Inode, type Vfs } from "@xiplab/core";

const ROOT_NODEID = 1;

interface Node {
  readonly inode: Inode;
  lookups: number;
}

export class Nodes {
  private readonly vfs: Vfs;
  private readonly byId = new Map<number, Node>();

  constructor(vfs: Vfs) {
    this.vfs = vfs;
  }

  /** Nodes that the kernel knows, the root aside. */
  get count(): number {
    return this.byId.size;
  }

  idOf(inode: Inode): number {
    return inode === this.vfs.root ? ROOT_NODEID : inode.ino;
  }

  /** The inode of a request. HOT. @throws FsError ESTALE for one that the kernel was not told of */
  get(nodeid: number): Inode {
    if (nodeid === ROOT_NODEID) return this.vfs.root;
    const node = this.byId.get(nodeid);
    if (node === undefined) throw new FsError("ESTALE");
    return node.inode;
  }

  /**
   * The inode of that node, referenced, also where the kernel has forgotten it: it keeps numbers in
   * file handles (name_to_handle_at, NFS), and compares the generation itself.
   * @throws FsError ESTALE where the number is nobody's
   */
  find(nodeid: number): Inode {
    if (nodeid === ROOT_NODEID) return this.vfs.retain(this.vfs.root);
    const node = this.byId.get(nodeid);
    if (node === undefined) return this.vfs.iget(nodeid as Ino);
    // Its last name is gone, and the kernel's FORGET only on its way.
    if (node.inode.nlink === 0) throw new FsError("ESTALE");
    return this.vfs.retain(node.inode);
  }

  /** The kernel is told of the inode: the caller's reference becomes ours. Returns the node id. */
  tell(inode: Inode): number {
    if (inode === this.vfs.root) {
      this.vfs.forget(inode);
      return ROOT_NODEID;
    }
    const node = this.byId.get(inode.ino);
    if (node === undefined) this.byId.set(inode.ino, { inode, lookups: 1 });
    else node.lookups++;
    return inode.ino;
  }

  /** The kernel forgets `count` lookups. What it says beyond what it was told is ignored. */
  forget(nodeid: number, count: number): void {
    const node = this.byId.get(nodeid);
    if (node === undefined) return;
    const given = Math.min(count, node.lookups);
    node.lookups -= given;
    if (node.lookups === 0) this.byId.delete(nodeid);
    this.vfs.forget(node.inode, given);
  }

  /** The connection is gone: everything is forgotten. */
  forgetAll(): void {
    for (const [nodeid, { lookups }] of this.byId) this.forget(nodeid, lookups);
  }
}
