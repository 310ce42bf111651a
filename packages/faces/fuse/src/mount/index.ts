/** Mounting alone, without what serves: for the thread that does not. */
export { ACTIVITY_CHANGED, ACTIVITY_SYNC } from "../activity.ts";
export { closeFuse, MountError, mountFuse, openFuse, unmountFuse } from "../mount-point.ts";
