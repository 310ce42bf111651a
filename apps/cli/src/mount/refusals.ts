/** Why a mount does not come about, and what to do about it. */
import { statSync } from "node:fs";
import type { MountError } from "@xiplab/fuse";
import { isHostError, Problem } from "../problem.ts";
import { mountAt, MOUNT_TYPE } from "./mount-table.ts";
import { serverOf } from "./processes.ts";
import type { MountPlan } from "./protocol.ts";

const CONTAINER =
  "in a container: start it with --device /dev/fuse --cap-add SYS_ADMIN " +
  "(and --security-opt apparmor=unconfined where AppArmor is in use)";
const NAMESPACE =
  "as root, or as root of a user namespace: unshare --user --map-root-user --mount sh " +
  "starts a shell in which xip mount works, and which alone sees what is mounted there";

/** Opening /dev/fuse failed. */
export function openFuseRefusal(error: unknown): Problem {
  const code = isHostError(error) ? error.code : "";
  if (code === "ENOENT") {
    const hint = `load the kernel's module: modprobe fuse; ${CONTAINER}`;
    return new Problem("there is no /dev/fuse", hint, undefined, error);
  }
  if (code === "ENODEV" || code === "ENXIO") {
    const hint = "load the kernel's module: modprobe fuse";
    return new Problem("the kernel does not serve /dev/fuse", hint, undefined, error);
  }
  if (code === "EACCES" || code === "EPERM") {
    const hint = `it is for everybody as a rule: chmod 666 /dev/fuse; ${CONTAINER}`;
    return new Problem("/dev/fuse: permission denied", hint, undefined, error);
  }
  return new Problem(`/dev/fuse cannot be opened: ${String(error)}`, undefined, undefined, error);
}

/** mount(8) refused. */
export function mountRefusal({ mountPoint, directory }: MountPlan, error: MountError): Problem {
  const { status } = error;
  // Without where to look for more: that holds nothing here.
  const told = error.told.split("\n")[0]!.replace(`${directory}: `, "");
  if (status === 127) {
    const hint = "xip mount needs mount(8) and umount(8): package util-linux (or mount, in Debian)";
    return new Problem("there is no mount program", hint, undefined, error);
  }
  const isRefused = /permission denied|must be superuser|not permitted/.test(told);
  const hint = isRefused ? `mounting needs rights: ${NAMESPACE}; ${CONTAINER}` : undefined;
  return new Problem(`${mountPoint}: mount: ${told}`, hint, undefined, error);
}

/** @throws Problem where this is no system to mount on, or no user who may */
export function requireMounting(): void {
  if (process.platform !== "linux") {
    const hint =
      "look at images with xip ls, cat and copy-out, or through node:fs (@xiplab/node-fs)";
    throw new Problem(`mounting works on Linux, and this is ${process.platform}`, hint);
  }
  if (process.geteuid?.() !== 0) {
    throw new Problem("only root may mount", `run it ${NAMESPACE}`);
  }
}

/**
 * The mount point as it is. Returns a dead mount of ours that is in the way, to be taken away.
 * @throws Problem where nothing can be mounted there
 */
export function checkMountPoint(mountPoint: string, directory: string): "free" | "dead" {
  const mounted = mountAt(directory);
  if (mounted?.type === MOUNT_TYPE) {
    // Nobody serves it: no answer will ever come.
    if (serverOf(mounted) === undefined && isDead(directory)) return "dead";
    throw new Problem(
      `${mountPoint}: ${mounted.source} is mounted there already`,
      `xip umount ${mountPoint} unmounts it`,
    );
  }
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (stat === undefined) {
    throw new Problem(`${mountPoint}: no such directory`, `make one: mkdir ${mountPoint}`);
  }
  if (!stat.isDirectory()) {
    throw new Problem(
      `${mountPoint}: is not a directory`,
      "a file system is mounted on a directory",
    );
  }
  return "free";
}

/** Does whoever asks the mount hear that its server is gone? Not to be asked of one that lives. */
export function isDead(directory: string): boolean {
  try {
    statSync(directory);
    return false;
  } catch (error) {
    return isHostError(error) && error.code === "ENOTCONN";
  }
}
