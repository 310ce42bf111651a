/** The options of `xip mount -o`: whose they are, and what each means. */
import {
  type MediaName,
  MediaNames,
  OptionError,
  type OptionTable,
  type OptionValues,
  parseOptions,
} from "@xiplab/core/spec";
import type { CacheMode } from "@xiplab/fuse";

/** Options of `xip mount` itself, beyond those of the design. */
export const FACE_OPTIONS = {
  rw: { values: "flag", default: "0", help: "reading and writing (default)" },
  media: {
    values: ["none", ...MediaNames],
    default: "none",
    help: "no operation is faster than this memory would be",
  },
  cache: {
    values: ["direct", "writethrough", "writeback"],
    default: "direct",
    help:
      "what the kernel keeps in its page cache: nothing; what was read; writes too, which are " +
      "ours only after an fsync",
  },
  image: {
    values: ["auto", "mapped", "written"],
    default: "auto",
    help:
      "how the image file is used: mapped, as memory, which is faster; or read and written. " +
      "auto: mapped where Node (ffi) and the file system of the host allow it",
  },
  allow_other: { values: "flag", default: "0", help: "other users may use it; root: always" },
  fsname: { values: "text", default: "", help: "the source that /proc/mounts shows" },
} satisfies OptionTable;

/** Flags that the kernel keeps for itself, and mount(8) knows. */
export const KERNEL_FLAGS: readonly string[] = [
  "suid",
  "nosuid",
  "dev",
  "nodev",
  "exec",
  "noexec",
  "sync",
  "async",
  "dirsync",
  "defaults",
];

/** Flags that both the design and mount(8) are told. */
const SHARED_FLAGS = ["ro", "relatime", "noatime", "strictatime"];

/** Each of them takes back the other. */
const OPPOSITES: Readonly<Record<string, string>> = {
  ro: "rw",
  rw: "ro",
  sync: "async",
  async: "sync",
};

/** Parser of a repeatable `-o`, as mount(8) has it: what comes later wins. */
export function mountOptionsArgument(text: string, before: OptionValues = {}): OptionValues {
  const options: Record<string, string> = { ...before };
  for (const word of text.split(",").filter((part) => part !== "")) {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    const opposite = OPPOSITES[name];
    if (opposite !== undefined) delete options[opposite];
    options[name] = equals < 0 ? "1" : word.slice(equals + 1);
  }
  return options;
}

/** How an image file is used; auto: mapped where that can be. */
export type ImageAccess = "auto" | "mapped" | "written";

/** Options by whom they are for. */
export interface SplitMountOptions {
  /** The design's, and the data path's. Not checked yet: the image says which design it is. */
  readonly design: OptionValues;
  /** For mount(8). */
  readonly kernel: readonly string[];
  readonly readOnly: boolean;
  readonly media: MediaName | null;
  readonly cache: CacheMode;
  readonly access: ImageAccess;
  readonly allowOther: boolean;
  /** null: the path of the image. */
  readonly fsname: string | null;
}

/** @throws OptionError for a value that an option of ours does not take */
export function splitMountOptions(given: OptionValues): SplitMountOptions {
  const face: Record<string, string> = {};
  const design: Record<string, string> = {};
  const kernel: string[] = [];
  for (const [name, value] of Object.entries(given)) {
    if (Object.hasOwn(FACE_OPTIONS, name)) face[name] = value;
    else if (KERNEL_FLAGS.includes(name)) {
      if (value !== "1") throw new OptionError(`mount: ${name} is a flag and takes no value`);
      kernel.push(name);
    } else design[name] = value;
    if (SHARED_FLAGS.includes(name) && value === "1") kernel.push(name);
  }
  const values = parseOptions(FACE_OPTIONS, face, "mount");
  // parseOptions has checked the words against those that there are.
  const media = values["media"] as MediaName | "none";
  return {
    design,
    kernel,
    readOnly: design["ro"] === "1",
    media: media === "none" ? null : media,
    cache: values["cache"] as CacheMode,
    access: values["image"] as ImageAccess,
    allowOther: values["allow_other"] === "1",
    fsname: values["fsname"] === "" ? null : values["fsname"]!,
  };
}
