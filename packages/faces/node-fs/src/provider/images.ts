/**
 * Images for `--vfs-mount`: with a module that calls `registerImages`,
 *
 *     node --experimental-vfs --import ./register.mjs --vfs-mount=./disk.img app.mjs
 *
 * mounts disk.img by the personality that recognises it. The caller brings the personalities: no face
 * knows any.
 */
import * as nodeFs from "node:fs";
import * as nodeVfs from "node:vfs";
import {
  type Clock,
  type HostFile,
  type HostFs,
  mount,
  openHostFile,
  type OptionValues,
  type Personality,
} from "@xiplab/core";
import { type ProviderOptions, XipProvider } from "./provider.ts";

export interface ImagesOptions extends ProviderOptions {
  readonly personalities: readonly Personality[];
  /** As `splitOptions` gives them. `ro` opens the image for reading only. */
  readonly mountOptions?: OptionValues;
  /** How images are opened. Default: node:fs. A program that locks images brings its own. */
  readonly host?: HostFs;
}

/** What Node's types do not have yet. */
interface ProviderRegistry {
  registerProvider(entry: {
    readonly name: string;
    canHandle(path: string, stats: nodeFs.Stats): boolean;
    create(path: string): XipProvider;
  }): void;
}

const NSEC_PER_MS = 1_000_000;
const systemClock: Clock = {
  now() {
    const ms = Date.now();
    return { sec: Math.floor(ms / 1000), nsec: (ms % 1000) * NSEC_PER_MS };
  },
};

/** Let `--vfs-mount` take images of these designs. They are unmounted when the process exits. */
export function registerImages(options: ImagesOptions): void {
  const registry = nodeVfs as unknown as ProviderRegistry;
  registry.registerProvider({
    name: "xiplab",
    canHandle: (path, stats) => stats.isFile() && recognise(path, options) !== null,
    create: (path) => providerOf(path, options),
  });
}

/** Who knows the image; null where nobody does, or it is no device at all. */
function recognise(path: string, { personalities, host = nodeFs }: ImagesOptions) {
  const { size } = nodeFs.statSync(path);
  if (size === 0 || size % SECTOR !== 0) return null;
  const file = openHostFile(host, path, { readOnly: true });
  try {
    return personalities.find((personality) => personality.probe(file.device)) ?? null;
  } finally {
    file.close();
  }
}

/** What openHostFile wants of a size. */
const SECTOR = 4096;

function providerOf(path: string, options: ImagesOptions): XipProvider {
  const personality = recognise(path, options);
  if (personality === null) throw new Error(`${path} is an image of no design that was registered`);
  const { host = nodeFs, mountOptions = {} } = options;
  const file = openHostFile(host, path, { readOnly: mountOptions["ro"] === "1" });
  const vfs = mountOn(file, personality, mountOptions);
  process.once("exit", () => {
    // By force: a program may exit with files open.
    vfs.unmount(true);
    file.close();
  });
  return new XipProvider(vfs, options);
}

function mountOn(file: HostFile, personality: Personality, options: OptionValues) {
  try {
    return mount(personality, file.device, options, { clock: systemClock });
  } catch (error) {
    file.close();
    throw error;
  }
}
