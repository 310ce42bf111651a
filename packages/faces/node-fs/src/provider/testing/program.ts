/**
 * Runs in a process of its own with --experimental-vfs: mounts the image in argv[2] by the provider,
 * hands the mount to the program in argv[3], and prints what that answers as JSON.
 */
import * as nodeFs from "node:fs";
import { pathToFileURL } from "node:url";
import * as nodeVfs from "node:vfs";
import { type Clock, mount, openHostFile } from "@xiplab/core";
import { ext4 } from "@xiplab/ext4";
import { XipProvider } from "../index.ts";

/** What Node's types do not have yet. */
interface Mountable {
  mount(): string;
  unmount(): void;
}

const clock: Clock = { now: () => ({ sec: Math.floor(Date.now() / 1000), nsec: 0 }) };

const [, , image, program] = process.argv;
if (image === undefined || program === undefined) throw new Error("IMAGE PROGRAM");
const file = openHostFile(nodeFs, image);
const vfs = mount(ext4, file.device, {}, { clock });
const provider = new XipProvider(vfs);
const files = nodeVfs.create(provider) as nodeVfs.VirtualFileSystem & Mountable;
provider.mountPoint = files.mount();
const module = (await import(pathToFileURL(program).href)) as {
  default(root: string, fs: typeof nodeFs): Promise<unknown>;
};
console.log(JSON.stringify(await module.default(provider.mountPoint, nodeFs)));
files.unmount();
// By force: programs leave files open, as programs do.
vfs.unmount(true);
file.close();
