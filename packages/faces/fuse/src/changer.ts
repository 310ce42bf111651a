/**
 * Who changes a file's data or size. A kernel that leaves set-id bits to the file system
 * (FUSE_HANDLE_KILLPRIV_V2) says for each change whether the caller lacks CAP_FSETID, but not in which
 * groups he is: a setgid bit without group execution stays for members of the group alone.
 */
import { readFileSync } from "node:fs";
import type { Credentials } from "@xiplab/core";
import type { Connection } from "./connection.ts";
import type { Request } from "./request.ts";

/** `kills`: without CAP_FSETID, so that set-id bits go. */
export function changerOf(connection: Connection, request: Request, kills: boolean): Credentials {
  return kills ? new Unprivileged(request) : connection.credentialsOf(request);
}

class Unprivileged implements Credentials {
  readonly uid: number;
  readonly gid: number;
  readonly checked = true;
  readonly clearsSetIds = true;
  private readonly pid: number;

  constructor(request: Request) {
    this.uid = request.uid;
    this.gid = request.gid;
    this.pid = request.pid;
  }

  /** Asked for files with a set-id bit only, which are few. */
  get groups(): readonly number[] {
    return groupsOfProcess(this.pid);
  }
}

/** Supplementary groups as the kernel shows them; none of a process that is gone, or in a pid namespace
 * that is not ours: the bit goes then, which is the safe side. */
function groupsOfProcess(pid: number): readonly number[] {
  let status: string;
  try {
    status = readFileSync(`/proc/${pid}/status`, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error) return [];
    throw error;
  }
  const groups = /^Groups:(.*)$/m.exec(status)?.[1] ?? "";
  return groups
    .split(/\s+/)
    .filter((word) => word !== "")
    .map(Number);
}
