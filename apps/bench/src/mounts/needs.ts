/** What a machine must have for the rows of mounted images. */
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { FUSE2FS, type TargetName, XIP_MOUNT } from "../protocol.ts";

const found = new Map<string, string | null>();

/** The full path of a program, or null. Also looks where PATH of a plain user does not. */
export function findProgram(name: string): string | null {
  const known = found.get(name);
  if (known !== undefined) return known;
  const env = { PATH: `${process.env["PATH"] ?? ""}:/usr/local/sbin:/usr/sbin:/sbin` };
  const asked = spawnSync("/bin/sh", ["-c", 'command -v "$1"', "sh", name], {
    encoding: "utf8",
    env,
  });
  const place = asked.status === 0 ? asked.stdout.trim() : null;
  found.set(name, place);
  return place;
}

/** Why `op` cannot be measured on this machine, or null. */
export function reasonAgainst(op: string, target: TargetName): string | null {
  if (process.platform !== "linux") return "mounts are Linux's";
  if (process.geteuid?.() !== 0) return "only root can mount";
  const isFuse = target === XIP_MOUNT || target === FUSE2FS;
  if (isFuse && !fs.existsSync("/dev/fuse")) return "there is no /dev/fuse";
  if (!isFuse && !fs.existsSync("/dev/loop-control")) return "there are no loop devices";
  const programs = ["mkfs.ext4", "mount", "umount"];
  if (target === FUSE2FS) programs.push("fuse2fs");
  if (op.includes("KiB") || op.includes("MiB")) programs.push("fio");
  if (op.includes("untar")) programs.push("tar");
  if (op.includes("dbench")) programs.push("dbench");
  const missing = programs.filter((name) => findProgram(name) === null);
  return missing.length === 0 ? null : `${missing.join(", ")} not installed`;
}
