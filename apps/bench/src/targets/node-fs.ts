/** xiplab as node:fs: the same calls as the peers have, over a design on emulated memory. */
import { createFs } from "@xiplab/node-fs";
import { EXT4, type FaceName, NODE_EXT4, PLAIN } from "../protocol.ts";
import { type NodeLikeFs, NodeLikeTarget } from "./node-like.ts";
import type { OpenPeer } from "./peers.ts";
import { openVfs } from "./xiplab.ts";

export function openNodeFs(whose: FaceName): OpenPeer {
  const fs: NodeLikeFs = createFs(openVfs(whose === NODE_EXT4 ? EXT4 : PLAIN, 0));
  return { target: new NodeLikeTarget(fs), root: "" };
}
