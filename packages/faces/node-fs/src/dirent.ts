/** fs.Dirent: a name in a directory, and the type of what it leads to. */
import {
  direntType,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
} from "@xiplab/core";

export class Dirent<N extends string | Uint8Array = string | Uint8Array> {
  name: N;
  parentPath: string | Uint8Array;
  readonly #type: number;

  /** `type`: DT_*. */
  constructor(name: N, parentPath: string | Uint8Array, type: number) {
    this.name = name;
    this.parentPath = parentPath;
    this.#type = type;
  }

  isDirectory(): boolean {
    return this.#type === direntType(S_IFDIR);
  }
  isFile(): boolean {
    return this.#type === direntType(S_IFREG);
  }
  isBlockDevice(): boolean {
    return this.#type === direntType(S_IFBLK);
  }
  isCharacterDevice(): boolean {
    return this.#type === direntType(S_IFCHR);
  }
  isSymbolicLink(): boolean {
    return this.#type === direntType(S_IFLNK);
  }
  isFIFO(): boolean {
    return this.#type === direntType(S_IFIFO);
  }
  isSocket(): boolean {
    return this.#type === direntType(S_IFSOCK);
  }
}
