/** The whole public surface of @xiplab/fuse. */
export type { Channel } from "./channel.ts";
export { type CacheMode, Connection, serve, type ServeOptions } from "./connection.ts";
