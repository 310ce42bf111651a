/** The worlds of the comparison: the host, and images of each design, with equal paths. */
import * as realFs from "node:fs";
import { tmpdir } from "node:os";
import { type Clock, mkfs, mount, type Personality, Pmem, type Vfs } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { createFs } from "../../index.ts";
import type { Fs, World } from "./world.ts";

/** XFS joins here. */
export const PERSONALITIES: readonly Personality[] = [ext4, plain];

const DEVICE_SIZE = 128 * 1024 * 1024;
const INODES = "20000";

/** The host's time: stamps are compared with Node's own, which are of today. */
const clock: Clock = {
  now() {
    const ms = Date.now();
    return { sec: Math.floor(ms / 1000), nsec: (ms % 1000) * 1_000_000 };
  },
};

export interface Pair {
  readonly worlds: readonly [World, World];
  readonly vfs: Vfs;
  release(): void;
}

/** Memory where there is some: the comparison makes ten thousand small trees. */
function temporaryRoot(): string {
  return realFs.existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
}

function mountNew(personality: Personality): Vfs {
  const device = new Pmem(DEVICE_SIZE);
  mkfs(personality, device, "inodes" in personality.mkfsOptions ? { inodes: INODES } : {});
  return mount(personality, device, {}, { clock });
}

/** The host and a fresh image, who works in them the same user. `release` removes and unmounts. */
export function makePair(personality: Personality): Pair {
  const base = realFs.mkdtempSync(`${temporaryRoot()}/xiplab-differential-`);
  const vfs = mountNew(personality);
  const credentials = {
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    groups: process.getgroups?.() ?? [],
  };
  const cwd = process.cwd();
  for (const path of [base, cwd]) createFs(vfs).mkdirSync(path, { recursive: true, mode: 0o777 });
  const fs = createFs(vfs, { credentials, umask: process.umask(), cwd }) as unknown as Fs;
  return {
    worlds: [
      { label: "the host", fs: realFs, base },
      { label: personality.name, fs, base },
    ],
    vfs,
    release() {
      realFs.rmSync(base, { recursive: true, force: true });
      vfs.unmount();
    },
  };
}
