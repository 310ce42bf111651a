/** The whole public surface of @xiplab/node-fs. */
export type { Vfs } from "@xiplab/core";
