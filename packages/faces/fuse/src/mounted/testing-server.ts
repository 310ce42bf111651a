/**
 * For tests: `node testing-server.ts DIRECTORY DESIGN CACHE LOCKS` mounts an empty file system in memory there
 * and serves it in its main thread until it is unmounted. Says "ready", and what was left at the end.
 */
import { createPmem, mkfs, mount } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { type CacheMode, serve } from "../connection.ts";
import { DeviceChannel } from "../device-channel.ts";
import { closeFuse, mountFuse, openFuse } from "../mount-point.ts";

const [directory, design, cache, locks] = process.argv.slice(2);
const personality = design === "ext4" ? ext4 : plain;
const device = createPmem({ size: 64 * 2 ** 20 });
mkfs(personality, device);
const vfs = mount(personality, device);
const fd = openFuse();
await mountFuse({ fd, directory: directory!, source: design! });
process.stdout.write("ready\n");
serve(vfs, new DeviceChannel(fd), {
  cache: cache as CacheMode,
  locks: locks === "server" ? "server" : "kernel",
});
closeFuse(fd);
const { openFiles, referenced } = vfs.census();
vfs.unmount();
const { findings } = personality.check(device);
process.stdout.write(`${JSON.stringify({ openFiles, referenced, findings })}\n`);
