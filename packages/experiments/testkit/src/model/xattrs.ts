/** Extended attributes of the model: `user.*` for everybody, `trusted.*` for root. */
import { R_OK, S_ISVTX, W_OK, XATTR_CREATE, XATTR_REPLACE } from "@xiplab/core";
import type { ModelFs } from "./model-fs.ts";
import { type ModelNode, fail, isRoot, owns } from "./node.ts";

const NAME_MAX = 255;
const VALUE_MAX = 65_536;

export function setXattr(
  model: ModelFs,
  path: string,
  name: string,
  value: Uint8Array,
  flags: number,
): void {
  if (flags & ~(XATTR_CREATE | XATTR_REPLACE)) fail("EINVAL");
  checkName(name);
  if (value.length > VALUE_MAX) fail("E2BIG");
  const node = model.lookup(path, true);
  permit(model, node, name, W_OK);
  const exists = node.xattrs.has(name);
  if (exists && flags & XATTR_CREATE) fail("EEXIST");
  if (!exists && flags & XATTR_REPLACE) fail("ENODATA");
  node.xattrs.set(name, value);
  node.ctime = model.now;
}

export function getXattr(model: ModelFs, path: string, name: string): Uint8Array {
  checkName(name);
  const node = model.lookup(path, true);
  permit(model, node, name, R_OK);
  return node.xattrs.get(name) ?? fail("ENODATA");
}

/** Names of attributes that the caller may not read are left out. */
export function listXattrs(model: ModelFs, path: string): string[] {
  const node = model.lookup(path, true);
  const names = [...node.xattrs.keys()].sort();
  return names.filter((name) => isRoot(model.who) || !name.startsWith("trusted."));
}

export function removeXattr(model: ModelFs, path: string, name: string): void {
  checkName(name);
  const node = model.lookup(path, true);
  permit(model, node, name, W_OK);
  if (!node.xattrs.delete(name)) fail("ENODATA");
  node.ctime = model.now;
}

function checkName(name: string): void {
  if (name === "" || name.length > NAME_MAX) fail("ERANGE");
}

function permit(model: ModelFs, node: ModelNode, name: string, want: number): void {
  if (name.startsWith("trusted.")) {
    if (!isRoot(model.who)) fail(want === W_OK ? "EPERM" : "ENODATA");
  } else if (name.startsWith("user.")) {
    // Anybody may write to a device node or a sticky directory; no quota would hold there.
    if (!node.isRegular && !node.isDirectory) fail(want === W_OK ? "EPERM" : "ENODATA");
    const sticky = node.isDirectory && node.mode & S_ISVTX && want === W_OK;
    if (sticky && !owns(model.who, node)) fail("EPERM");
    model.permit(node, want);
    if (name === "user.") fail("EINVAL");
  } else {
    model.permit(node, want);
    fail("EOPNOTSUPP");
  }
}
