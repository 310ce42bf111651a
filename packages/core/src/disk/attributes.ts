/**
 * The attributes that every inode has, between memory and a record that keeps them under the same
 * names. Field by field: a loop over names takes ten times as long, and inodes are written often.
 */
import type { Inode } from "../spec/inode.ts";
import type { Field } from "./struct.ts";

type AttributeName =
  | "generation"
  | "mode"
  | "flags"
  | "uid"
  | "gid"
  | "nlink"
  | "rdev"
  | "atimeSec"
  | "atimeNsec"
  | "mtimeSec"
  | "mtimeNsec"
  | "ctimeSec"
  | "ctimeNsec"
  | "btimeSec"
  | "btimeNsec";

/** A structure with a field for each, of whatever width. */
export type AttributeFields = { readonly [Name in AttributeName]: Field<number> };

/** From the record at `at`. Verifies nothing. */
export function readAttributes(
  fields: AttributeFields,
  view: DataView,
  at: number,
  inode: Inode,
): void {
  inode.generation = fields.generation.get(view, at);
  inode.mode = fields.mode.get(view, at);
  inode.flags = fields.flags.get(view, at);
  inode.uid = fields.uid.get(view, at);
  inode.gid = fields.gid.get(view, at);
  inode.nlink = fields.nlink.get(view, at);
  inode.rdev = fields.rdev.get(view, at);
  inode.atimeSec = fields.atimeSec.get(view, at);
  inode.atimeNsec = fields.atimeNsec.get(view, at);
  inode.mtimeSec = fields.mtimeSec.get(view, at);
  inode.mtimeNsec = fields.mtimeNsec.get(view, at);
  inode.ctimeSec = fields.ctimeSec.get(view, at);
  inode.ctimeNsec = fields.ctimeNsec.get(view, at);
  inode.btimeSec = fields.btimeSec.get(view, at);
  inode.btimeNsec = fields.btimeNsec.get(view, at);
}

/** Into the record at `at`. HOT. */
export function writeAttributes(
  fields: AttributeFields,
  view: DataView,
  at: number,
  inode: Inode,
): void {
  fields.generation.set(view, at, inode.generation);
  fields.mode.set(view, at, inode.mode);
  fields.flags.set(view, at, inode.flags);
  fields.uid.set(view, at, inode.uid);
  fields.gid.set(view, at, inode.gid);
  fields.nlink.set(view, at, inode.nlink);
  fields.rdev.set(view, at, inode.rdev);
  fields.atimeSec.set(view, at, inode.atimeSec);
  fields.atimeNsec.set(view, at, inode.atimeNsec);
  fields.mtimeSec.set(view, at, inode.mtimeSec);
  fields.mtimeNsec.set(view, at, inode.mtimeNsec);
  fields.ctimeSec.set(view, at, inode.ctimeSec);
  fields.ctimeNsec.set(view, at, inode.ctimeNsec);
  fields.btimeSec.set(view, at, inode.btimeSec);
  fields.btimeNsec.set(view, at, inode.btimeNsec);
}
