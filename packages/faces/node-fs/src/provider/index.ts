/** The public surface of @xiplab/node-fs/provider. Needs node:vfs (Node 26, --experimental-vfs). */
export { type ImagesOptions, registerImages } from "./images.ts";
export { type ProviderOptions, XipProvider } from "./provider.ts";
export type { XipFileHandle } from "./file-handle.ts";
