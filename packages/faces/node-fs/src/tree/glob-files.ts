/** What glob asks the file system, each question once. What cannot be looked at is not there. */
import { direntType, S_IFMT } from "@xiplab/core";
import type { Dirent } from "node:fs";
import type { SyncFs } from "../callback/sync-fs.ts";
import { Dirent as OwnDirent } from "../dirent.ts";
import { basename, dirname } from "./paths.ts";

export class GlobFiles {
  private readonly sync: SyncFs;
  private readonly entries = new Map<string, Dirent | null>();
  private readonly lists = new Map<string, Dirent[]>();

  constructor(sync: SyncFs) {
    this.sync = sync;
  }

  /** The entry of a path, links as such; null where there is none. */
  entry(path: string): Dirent | null {
    const known = this.entries.get(path);
    if (known !== undefined) return known;
    const stats = this.attempt(() => this.sync.lstatSync(path));
    const type = stats === null ? 0 : direntType(stats.mode & S_IFMT);
    const entry = stats === null ? null : new OwnDirent(basename(path), dirname(path), type);
    this.entries.set(path, entry as Dirent | null);
    return entry as Dirent | null;
  }

  remember(path: string, entry: Dirent): void {
    this.entries.set(path, entry);
  }

  list(path: string): Dirent[] {
    const known = this.lists.get(path);
    if (known !== undefined) return known;
    const read = (): Dirent[] => this.sync.readdirSync(path, { withFileTypes: true });
    const list = this.attempt(read) ?? [];
    this.lists.set(path, list);
    return list;
  }

  leadsToDirectory(path: string): boolean {
    return this.attempt(() => this.sync.statSync(path))?.isDirectory() === true;
  }

  realpath(path: string): string | null {
    return this.attempt(() => this.sync.realpathSync(path));
  }

  /** Null where the file system refuses. */
  private attempt<T>(question: () => T): T | null {
    try {
      return question();
    } catch (error) {
      if (error instanceof Error && "syscall" in error) return null;
      throw error;
    }
  }
}
