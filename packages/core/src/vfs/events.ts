/** What observers of a mount are told. Costs nothing while nobody listens. */
import type { Inode } from "../spec/inode.ts";
import type { Name } from "../spec/units.ts";

export type VfsEventKind = "create" | "delete" | "move" | "modify" | "attrib";

export interface VfsEvent {
  readonly kind: VfsEventKind;
  readonly inode: Inode;
  /**
   * The directory and the name through which it happened; of an open file those that it was opened
   * by. null where no name is known: a change by inode number, or of a file without a name.
   */
  readonly directory: Inode | null;
  readonly name: Name | null;
  /** `move` only: where it was before. */
  readonly oldDirectory?: Inode;
  readonly oldName?: Name;
  /** `move` only: what stood at the new name and has lost it. */
  readonly displaced?: Inode | null;
}

/** Called inside the operation, after it succeeded. Must neither throw nor change the mount. */
export type VfsListener = (event: VfsEvent) => void;

/** The listeners of one mount. */
export class Listeners {
  private readonly all = new Set<VfsListener>();
  /** Somebody listens: look here before an event is built. */
  active = false;

  /** Returns the function that ends it. */
  add(listener: VfsListener): () => void {
    this.all.add(listener);
    this.active = true;
    return () => {
      this.all.delete(listener);
      this.active = this.all.size > 0;
    };
  }

  emit(event: VfsEvent): void {
    for (const listener of this.all) listener(event);
  }
}
