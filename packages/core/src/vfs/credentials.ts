/** Who asks for an operation. */

/** Who asks. uid 0 has every capability. */
export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
  /**
   * Permissions were checked before the call, by a kernel that has seen the caller (FUSE with
   * default_permissions): uid and gid only say whose a new file is, and who may use the reserve.
   */
  readonly checked?: boolean;
  /** Without CAP_FSETID, though everything else was checked: set-id bits of a file go when it is
   * changed. The kernel behind a FUSE mount says so, request by request. */
  readonly clearsSetIds?: boolean;
}

export const ROOT: Credentials = { uid: 0, gid: 0, groups: [] };

/** May the caller pass every check? HOT. */
export function isPrivileged(credentials: Credentials): boolean {
  return credentials.uid === 0 || credentials.checked === true;
}

export function isInGroup(credentials: Credentials, gid: number): boolean {
  return credentials.gid === gid || credentials.groups.includes(gid);
}
