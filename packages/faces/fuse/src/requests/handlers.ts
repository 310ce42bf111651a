/** Every request that is answered, by opcode. What is not here is ENOSYS, for the connection's life. */
import { AttributeHandlers } from "./attributes.ts";
import { DirectoryHandlers } from "./directories.ts";
import { FileHandlers } from "./files.ts";
import type { Handler } from "./handler.ts";
import { InitHandlers } from "./init.ts";
import { IoctlHandlers } from "./ioctl.ts";
import { LockHandlers } from "./locks.ts";
import { NameHandlers } from "./names.ts";
import { SpaceHandlers } from "./space.ts";
import { XattrHandlers } from "./xattrs.ts";

export type { Handler } from "./handler.ts";

export const Handlers: Readonly<Record<number, Handler>> = {
  ...InitHandlers,
  ...NameHandlers,
  ...AttributeHandlers,
  ...DirectoryHandlers,
  ...XattrHandlers,
  ...FileHandlers,
  ...SpaceHandlers,
  ...LockHandlers,
  ...IoctlHandlers,
};
