/**
 * What inotify is to Linux, for one mount: watches on inodes, and a queue of events for them, made
 * from the events of the vfs. Facts: inotify(7); which call makes which events was compared with the
 * real ones (watch.test.ts).
 *
 * An event that is equal to the last one in the queue is not queued again, so a burst of writes is
 * one event, as in the kernel. The queue is told in later turns of the event loop, one event in each.
 *
 * One difference: a file that is removed while it is open is reported as gone at once, not when it is
 * closed, for the vfs tells of names and not of inodes.
 */
import {
  type Ino,
  type Inode,
  isDirectory,
  type Name,
  newDirBatch,
  O_RDONLY,
  ROOT,
  type Vfs,
  type VfsEvent,
} from "@xiplab/core";
import type { Schedule } from "../callback/schedule.ts";
import { WatchedNames } from "./names.ts";

const IN_MODIFY = 0x2;
const IN_ATTRIB = 0x4;
const IN_MOVED_FROM = 0x40;
const IN_MOVED_TO = 0x80;
const IN_CREATE = 0x100;
const IN_DELETE = 0x200;
const IN_DELETE_SELF = 0x400;
const IN_MOVE_SELF = 0x800;
const IN_IGNORED = 0x8000;
const IN_ISDIR = 0x40000000;

/** Entries of a directory that are read at once. */
const BATCH_ENTRIES = 1024;

/** What Node calls it: everything but data and attributes of files is a "rename". */
export type WatchEvent = "change" | "rename";

export interface Watch {
  readonly ino: Ino;
  /** `name`: in the watched directory; null for what happened to the watched file itself. */
  readonly told: (event: WatchEvent, name: Name | null) => void;
  /** Nobody wants to hear what is still queued. */
  isClosed: boolean;
}

interface Queued {
  readonly ino: Ino;
  readonly mask: number;
  readonly name: Name | null;
  /** Who watched when it happened. */
  readonly watches: readonly Watch[];
}

export class Notifier {
  private readonly vfs: Vfs;
  private readonly schedule: Schedule;
  private readonly watches = new Map<Ino, Set<Watch>>();
  private readonly names = new WatchedNames();
  private readonly queue: Queued[] = [];
  private stop: (() => void) | null = null;

  constructor(vfs: Vfs, schedule: Schedule) {
    this.vfs = vfs;
    this.schedule = schedule;
  }

  /** @throws FsError ESTALE, EIO */
  add(ino: Ino, told: Watch["told"]): Watch {
    const watch: Watch = { ino, told, isClosed: false };
    const others = this.watches.get(ino);
    if (others === undefined) {
      this.readNames(ino);
      this.watches.set(ino, new Set([watch]));
    } else others.add(watch);
    this.stop ??= this.vfs.onEvent((event) => this.happened(event));
    return watch;
  }

  remove(watch: Watch): void {
    watch.isClosed = true;
    const others = this.watches.get(watch.ino);
    if (others?.delete(watch) !== true || others.size > 0) return;
    this.forget(watch.ino);
  }

  /** Nobody watches the inode any more, or it is gone. */
  private forget(ino: Ino): void {
    this.watches.delete(ino);
    this.names.removeDirectory(ino);
    if (this.watches.size > 0) return;
    this.stop?.();
    this.stop = null;
  }

  private readNames(ino: Ino): void {
    const { vfs } = this;
    const inode = vfs.iget(ino);
    try {
      if (!isDirectory(inode.mode)) return;
      const file = vfs.open(ROOT, inode, O_RDONLY);
      try {
        this.names.addDirectory(ino, entriesOf(vfs, file));
      } finally {
        vfs.close(file);
      }
    } finally {
      vfs.forget(inode);
    }
  }

  /** Called within the operation: only queues. */
  private happened(event: VfsEvent): void {
    const { kind, inode, directory, name } = event;
    switch (kind) {
      case "create":
        // A second name: the count of links is an attribute.
        if (!isDirectory(inode.mode) && inode.nlink > 1) this.push(inode.ino, IN_ATTRIB, null);
        this.named(IN_CREATE, directory!, name!, inode);
        this.names.add(directory!.ino, name!, inode.ino);
        break;
      case "delete":
        if (!isDirectory(inode.mode)) this.push(inode.ino, IN_ATTRIB, null);
        this.named(IN_DELETE, directory!, name!, inode);
        this.names.remove(directory!.ino, name!);
        this.gone(inode);
        break;
      case "move":
        this.moved(event);
        break;
      case "modify":
        this.changed(IN_MODIFY, event);
        break;
      case "attrib":
        this.changed(IN_ATTRIB, event);
        break;
    }
  }

  private moved({ inode, directory, name, oldDirectory, oldName, displaced }: VfsEvent): void {
    this.named(IN_MOVED_FROM, oldDirectory!, oldName!, inode);
    this.named(IN_MOVED_TO, directory!, name!, inode);
    // Exchanged names come as two moves: the second must not take away what the first brought.
    const from = oldDirectory!.ino;
    const places = this.names.placesOf(inode.ino);
    const old = places.find((place) => place.name === oldName && place.directory === from);
    if (old !== undefined) this.names.remove(old.directory, old.name);
    this.names.add(directory!.ino, name!, inode.ino);
    if (displaced) {
      if (!isDirectory(displaced.mode)) this.push(displaced.ino, IN_ATTRIB, null);
    }
    this.push(inode.ino, IN_MOVE_SELF | directoryBit(inode), null);
    if (displaced) this.gone(displaced);
  }

  /** The last name is gone, and with it the watch. */
  private gone(inode: Inode): void {
    if (inode.nlink > 0 || !this.watches.has(inode.ino)) return;
    this.push(inode.ino, IN_DELETE_SELF, null);
    this.push(inode.ino, IN_IGNORED, null);
    this.forget(inode.ino);
  }

  /** To whoever watches a directory: something with a name in it. */
  private named(mask: number, directory: Inode, name: Name, inode: Inode): void {
    this.push(directory.ino, mask | directoryBit(inode), name);
  }

  /** Data or attributes changed: to the directory, by the name that it was done by, and to itself. */
  private changed(mask: number, { inode, directory, name }: VfsEvent): void {
    const bits = mask | directoryBit(inode);
    const hasOneName = inode.nlink === 1 || isDirectory(inode.mode);
    const told = new Set<Ino>();
    for (const place of this.names.placesOf(inode.ino)) {
      const isBy = directory?.ino === place.directory && name === place.name;
      if (!hasOneName && directory !== null && !isBy) continue;
      // Who did it by which of several names is not known: once in each directory.
      if (!told.has(place.directory)) this.push(place.directory, bits, place.name);
      told.add(place.directory);
    }
    // Of an open file that has lost its name.
    if (inode.nlink === 0 && directory !== null) this.push(directory.ino, bits, name);
    this.push(inode.ino, bits, null);
  }

  private push(ino: Ino, mask: number, name: Name | null): void {
    const watches = this.watches.get(ino);
    if (watches === undefined) return;
    const last = this.queue.at(-1);
    if (last?.ino === ino && last.mask === mask && last.name === name) return;
    this.queue.push({ ino, mask, name, watches: [...watches] });
    this.schedule.defer(() => this.tell());
  }

  private tell(): void {
    const event = this.queue.shift();
    if (event === undefined) return;
    const kind = (event.mask & ~(IN_ATTRIB | IN_MODIFY)) !== 0 ? "rename" : "change";
    for (const watch of event.watches) {
      if (!watch.isClosed) watch.told(kind, event.name);
    }
  }
}

/** Events about directories say so; Node then calls even a change of attributes a "rename". */
const directoryBit = (inode: Inode): number => (isDirectory(inode.mode) ? IN_ISDIR : 0);

function* entriesOf(
  vfs: Vfs,
  file: Parameters<Vfs["readdir"]>[0],
): Generator<readonly [name: Name, ino: Ino]> {
  let cookie = 0;
  for (let isMore = true; isMore;) {
    const batch = newDirBatch();
    isMore = vfs.readdir(file, cookie, batch, BATCH_ENTRIES);
    if (batch.names.length === 0) return;
    for (const [index, name] of batch.names.entries()) {
      if (name !== "." && name !== "..") yield [name, batch.inos[index]!];
    }
    cookie = batch.cookies.at(-1)!;
  }
}
