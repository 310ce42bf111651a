/**
 * What the tests of derived forms run over, each with the same body: Node's own file system in a
 * temporary directory, which is right by definition; the forms derived from Node's synchronous
 * functions, which shows the derivation alone; and ours over a mount of ext4.
 */
import { ext4 } from "@xiplab/ext4";
import { createPmem, mkfs, mount } from "@xiplab/core";
import * as nodeFs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createFs } from "../index.ts";
import { nodeStreamClasses } from "../streams/classes-node.ts";
import { derive } from "./join.ts";
import { nodeAsyncPlatform } from "./platform-node.ts";

export interface World {
  readonly fs: typeof nodeFs;
  /** An empty directory, absolute. */
  readonly root: string;
  [Symbol.dispose](): void;
}

export interface Subject {
  readonly name: string;
  readonly isReal: boolean;
  readonly open: () => World;
}

const DEVICE_SIZE = 32 * 1024 * 1024;

function temporary(fs: unknown): World {
  const root = nodeFs.mkdtempSync(join(nodeFs.realpathSync(tmpdir()), "xiplab-node-fs-"));
  const remove = (): void => nodeFs.rmSync(root, { recursive: true, force: true });
  return { fs: fs as typeof nodeFs, root, [Symbol.dispose]: remove };
}

function mounted(): World {
  const device = createPmem({ size: DEVICE_SIZE });
  mkfs(ext4, device, {});
  const vfs = mount(ext4, device, {});
  const fs = createFs(vfs) as unknown as typeof nodeFs;
  fs.mkdirSync("/root");
  return { fs, root: "/root", [Symbol.dispose]: () => vfs.unmount(true) };
}

const derived = (): unknown =>
  derive(nodeFs, {
    platform: nodeAsyncPlatform,
    cwd: () => process.cwd(),
    vfs: null,
    streamClasses: nodeStreamClasses,
  });

export const subjects: readonly Subject[] = [
  { name: "node:fs", isReal: true, open: () => temporary(nodeFs) },
  { name: "derived from node:fs", isReal: false, open: () => temporary(derived()) },
  { name: "ext4", isReal: false, open: mounted },
];
