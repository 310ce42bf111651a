/** An empty image for a test: `using` takes it away again. */
import { type Clock, mkfs, mount, Pmem } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { createFs, type NodeFs, type SyncOptions } from "../index.ts";

const DEVICE_SIZE = 16 * 1024 * 1024;
/** A moment whose nanoseconds fit into no number of milliseconds. */
export const TIME = { sec: 1_700_000_000, nsec: 123_456_789 } as const;
const clock: Clock = { now: () => ({ ...TIME }) };

export interface Image {
  readonly fs: NodeFs;
  /** Another instance over the same mount. */
  readonly another: (options?: SyncOptions) => NodeFs;
  [Symbol.dispose](): void;
}

export function openImage(): Image {
  const device = new Pmem(DEVICE_SIZE);
  mkfs(ext4, device, {}, { clock });
  const vfs = mount(ext4, device, {}, { clock });
  const another = (options?: SyncOptions): NodeFs => createFs(vfs, options);
  return { fs: another(), another, [Symbol.dispose]: () => vfs.unmount(true) };
}

/** The code of the error that a call throws. */
export function codeOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return "no error";
}
