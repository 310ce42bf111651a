/**
 * Watching a whole tree, as Node does it on Linux: a watch for each directory, and a list of what was
 * there, so that what appears and disappears is told ("rename") apart from what changes ("change").
 * What there is is looked at when an event is told, not when it happened.
 */
import { type Name, nameFromUtf8, nameToUtf8 } from "@xiplab/core";
import type { Dirent, Stats } from "node:fs";
import { hasCode, resolve } from "../tree/context.ts";
import { joinPath, relativePath } from "../tree/paths.ts";
import { ownName, type PathWatch, type WatchContext, watchPath } from "./context.ts";

type Emit = (event: "change" | "rename", name: string) => void;
type Ignored = ((filename: string) => boolean) | null;

/** @throws Error ENOENT, ENOTDIR, EACCES for the root */
export function watchTree(
  context: WatchContext,
  path: string,
  ignored: Ignored,
  emit: Emit,
): PathWatch {
  const tree = new WatchedTree(context, resolve(context, path), ignored, emit);
  try {
    tree.start();
  } catch (error) {
    tree.close();
    throw Object.assign(error as Error, { filename: resolve(context, path) });
  }
  return tree;
}

class WatchedTree implements PathWatch {
  private readonly context: WatchContext;
  private readonly root: string;
  private readonly ignored: Ignored;
  private readonly emit: Emit;
  private isClosed = false;
  /** Every path below the root that was there at the start or has been told. */
  private readonly entries = new Set<string>();
  /** Of directories and symbolic links. */
  private readonly watches = new Map<string, PathWatch>();
  private readonly links = new Set<string>();

  constructor(context: WatchContext, root: string, ignored: Ignored, emit: Emit) {
    this.context = context;
    this.root = root;
    this.ignored = ignored;
    this.emit = emit;
  }

  start(): void {
    if (this.context.sync.statSync(this.root).isDirectory()) this.scan(this.root, true);
    else this.watchFile();
  }

  close(): void {
    this.isClosed = true;
    for (const watch of this.watches.values()) watch.close();
    this.watches.clear();
    this.entries.clear();
    this.links.clear();
  }

  private watchFile(): void {
    this.entries.add(this.root);
    this.arm(this.root, () => {
      if (this.stat(this.root) !== undefined) this.emit("change", ownName(this.root));
      else {
        this.tell("rename", this.root);
        this.forget(this.root);
      }
    });
  }

  private stat(path: string): Stats | undefined {
    return this.context.sync.statSync(path, { throwIfNoEntry: false });
  }

  private relative(path: string): string {
    return relativePath(this.root, path);
  }

  private tell(event: "change" | "rename", path: string): void {
    this.emit(event, this.relative(path));
  }

  /** A watch on one path; false where it has gone meanwhile. */
  private arm(path: string, told: (name: Name) => void): boolean {
    if (this.isClosed) return false;
    if (this.watches.has(path)) return true;
    try {
      const own = nameFromUtf8(ownName(path));
      const watch = watchPath(this.context, path, own, (_event, name) => {
        if (!this.isClosed) told(name);
      });
      this.watches.set(path, watch);
      return true;
    } catch (error) {
      if (hasCode(error, "ENOENT") && path !== this.root) return false;
      throw error;
    }
  }

  /** A path is gone, with all below it. */
  private forget(path: string): void {
    const below = `${path}/`;
    for (const entry of [...this.entries, path]) {
      if (entry !== path && !entry.startsWith(below)) continue;
      this.watches.get(entry)?.close();
      this.watches.delete(entry);
      this.entries.delete(entry);
      this.links.delete(entry);
    }
  }

  /** Watch a directory, and take in what is in it; what is new is told unless this is the start. */
  private scan(directory: string, isStart: boolean): void {
    if (!this.arm(directory, (name) => this.happenedIn(directory, nameToUtf8(name)))) {
      this.forget(directory);
      return;
    }
    for (const entry of this.list(directory, isStart)) {
      const path = joinPath(directory, entry.name);
      if (this.isClosed) return;
      if (this.entries.has(path) || this.ignored?.(this.relative(path))) continue;
      this.add(path, entry, isStart);
    }
  }

  private list(directory: string, isStart: boolean): Dirent[] {
    try {
      return this.context.sync.readdirSync(directory, { withFileTypes: true });
    } catch (error) {
      const isGone = hasCode(error, "ENOENT", "ENOTDIR");
      if (!isGone || (directory === this.root && isStart)) throw error;
      if (!isStart) this.tell("rename", directory);
      this.forget(directory);
      return [];
    }
  }

  private add(path: string, entry: Dirent | Stats, isStart: boolean): void {
    this.entries.add(path);
    if (!isStart) this.tell("rename", path);
    if (entry.isSymbolicLink()) {
      // What happens behind a link is told as a rename of the link.
      this.links.add(path);
      if (!this.arm(path, () => this.tell("rename", path))) this.forget(path);
    } else if (entry.isDirectory()) this.scan(path, isStart);
  }

  /** Something about a name in a directory, or about the directory, which comes under its own name. */
  private happenedIn(directory: string, name: string): void {
    const path = joinPath(directory, name);
    if (this.entries.has(path)) {
      this.happenedTo(path);
      return;
    }
    if (this.ignored?.(this.relative(path))) return;
    const stat = this.context.sync.lstatSync(path, { throwIfNoEntry: false });
    if (stat !== undefined) this.add(path, stat, false);
    else if (directory === this.root && this.stat(directory) === undefined) {
      this.tell("rename", directory);
      this.forget(directory);
    }
  }

  /** What it was shows in what is there now. */
  private happenedTo(path: string): void {
    const stat = this.stat(path);
    if (stat === undefined) {
      this.tell("rename", path);
      this.forget(path);
    } else if (this.links.has(path)) this.tell("rename", path);
    else if (stat.isDirectory()) this.scan(path, false);
    else this.tell("change", path);
  }
}
