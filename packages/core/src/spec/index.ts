/** The contract alone: for programs that look at options and errors before they need all the rest. */
export * from "./acl.ts";
export * from "./device.ts";
export * from "./errors.ts";
export * from "./file-operations.ts";
export * from "./inode.ts";
export * from "./mode.ts";
export * from "./names.ts";
export * from "./options.ts";
export * from "./personality.ts";
export * from "./units.ts";
export * from "./xip.ts";
