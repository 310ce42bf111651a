/**
 * The names in watched directories, by inode: events tell of an inode what happened to it, and who
 * watches its directory wants to hear the name that it has there now.
 */
import type { Ino, Name } from "@xiplab/core";

export interface Place {
  readonly directory: Ino;
  readonly name: Name;
}

const NOWHERE: readonly Place[] = [];

export class WatchedNames {
  private readonly directories = new Map<Ino, Map<Name, Ino>>();
  private readonly places = new Map<Ino, Place[]>();

  /** Begin with the names that a directory has. */
  addDirectory(directory: Ino, entries: Iterable<readonly [name: Name, ino: Ino]>): void {
    this.directories.set(directory, new Map());
    for (const [name, ino] of entries) this.add(directory, name, ino);
  }

  removeDirectory(directory: Ino): void {
    const names = this.directories.get(directory) ?? new Map<Name, Ino>();
    for (const name of names.keys()) this.remove(directory, name);
    this.directories.delete(directory);
  }

  /** Nothing where the directory is not watched. */
  add(directory: Ino, name: Name, ino: Ino): void {
    const names = this.directories.get(directory);
    if (names === undefined) return;
    this.remove(directory, name);
    names.set(name, ino);
    const places = this.places.get(ino);
    if (places === undefined) this.places.set(ino, [{ directory, name }]);
    else places.push({ directory, name });
  }

  remove(directory: Ino, name: Name): void {
    const names = this.directories.get(directory);
    const ino = names?.get(name);
    if (names === undefined || ino === undefined) return;
    names.delete(name);
    const places = this.places.get(ino) ?? [];
    const left = places.filter((place) => place.directory !== directory || place.name !== name);
    if (left.length === 0) this.places.delete(ino);
    else this.places.set(ino, left);
  }

  isWatched(directory: Ino): boolean {
    return this.directories.has(directory);
  }

  /** Where an inode is in watched directories. */
  placesOf(ino: Ino): readonly Place[] {
    return this.places.get(ino) ?? NOWHERE;
  }
}
