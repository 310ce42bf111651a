/** Who does an operation. Three users are enough: all rights, an owner, a member of her group. */

import type { Credentials } from "@xiplab/core";

export type UserName = "root" | "alice" | "bob";

export const USERS: Readonly<Record<UserName, Credentials>> = {
  root: { uid: 0, gid: 0, groups: [] },
  alice: { uid: 1001, gid: 1001, groups: [] },
  bob: { uid: 1002, gid: 1002, groups: [1001] },
};
export const UserNames = Object.keys(USERS) as UserName[];

/** Every program of a run has this umask. */
export const UMASK = 0o022;
