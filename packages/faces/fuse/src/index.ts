/** The whole public surface of @xiplab/fuse. */
export type { Channel } from "./channel.ts";
export { ACTIVITY_CHANGED, ACTIVITY_SYNC } from "./activity.ts";
export { type CacheMode, Connection, serve, type ServeOptions } from "./connection.ts";
export { OpcodeNames } from "./protocol/opcodes.ts";
export { DeviceChannel } from "./device-channel.ts";
export {
  closeFuse,
  FUSE_DEVICE,
  type FuseMount,
  MountError,
  mountFuse,
  openFuse,
  type UnmountOptions,
  unmountFuse,
} from "./mount-point.ts";
