/** `@xiplab/testkit/kernel`: the file systems of this machine. Linux, and Node's ffi. */
export { compareKernelWithModel, type KernelComparison } from "./compare-kernel.ts";
export { treeOfKernel } from "./kernel-tree.ts";
export { cString, done, libc } from "./libc.ts";
export { playInKernel } from "./play-in-kernel.ts";
