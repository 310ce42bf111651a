/**
 * Listing directories.
 *
 * Cookies: 0 is the start, 1 stands after ".", 2 after "..", and a personality's own cookie c after
 * one of its entries is c + 2. So a cookie is as stable as the personality's are: it stays good
 * while names come and go.
 */
import { FsError } from "../spec/errors.ts";
import { direntType, isDirectory, S_IFDIR } from "../spec/mode.ts";
import type { DirListing, Inode } from "../spec/inode.ts";
import { namesToUtf8 } from "../spec/names.ts";
import { type DirBatch, newDirBatch } from "../spec/personality.ts";
import type { Name } from "../spec/units.ts";
import { accessed } from "./attributes.ts";
import { parentDirectory } from "./dcache.ts";
import { type OpenFile, refusal, requireFile } from "./open-file.ts";
import type { Superblock } from "./superblock.ts";

/** Entries of "." and ".." come first: their count is what separates our cookies from theirs. */
const DOT_COOKIES = 2;
const BATCH_MAX = 1024;

/**
 * Append up to `max` entries to `batch`, "." and ".." included, and move the file's position behind
 * them. Returns false when there are no more.
 * @throws FsError EBADF, ENOTDIR, ENOENT (removed directory)
 */
export function getdents(sb: Superblock, file: OpenFile, batch: DirBatch, max: number): boolean {
  requireFile(sb, file);
  const directory = file.inode;
  if (!isDirectory(directory.mode)) throw new FsError("ENOTDIR");
  if (((file.flags + 1) & 1) === 0) throw refusal(sb, file, false);
  requireAlive(directory);
  let left = max;
  for (; left > 0 && file.position < DOT_COOKIES; left--) {
    const isSelf = file.position === 0;
    const inode = isSelf ? directory : parentDirectory(sb, directory);
    file.position++;
    batch.names.push((isSelf ? "." : "..") as Name);
    batch.inos.push(inode.ino);
    batch.types.push(direntType(S_IFDIR));
    batch.cookies.push(file.position);
  }
  if (left === 0) return true;
  const first = batch.cookies.length;
  const more = sb.fs.readdir(directory, file.position - DOT_COOKIES, batch, left);
  for (let index = first; index < batch.cookies.length; index++) {
    batch.cookies[index]! += DOT_COOKIES;
  }
  if (batch.cookies.length > first) file.position = batch.cookies.at(-1)!;
  if (!file.keepsAtime) accessed(sb, directory);
  return more;
}

/** All entries of a directory but "." and "..", in the personality's order. Permission was checked.
 * Cookies are the personality's. */
export function listDirectory(sb: Superblock, directory: Inode): DirBatch {
  requireAlive(directory);
  const batch = newDirBatch();
  let cookie = 0;
  while (sb.fs.readdir(directory, cookie, batch, BATCH_MAX)) {
    const last = batch.cookies.at(-1);
    if (last === undefined || last === cookie) throw new FsError("EIO", "readdir does not go on");
    cookie = last;
  }
  accessed(sb, directory);
  return batch;
}

/** In the place of a listing: it was asked for once. */
const ONCE: DirListing = { names: [], texts: [], types: [] };

/**
 * All entries of a directory but "." and "..", in the order of their bytes. Permission was checked.
 * Kept from the second time on, until a name comes or goes: most directories are listed once. HOT.
 */
export function sortedListing(sb: Superblock, directory: Inode): DirListing {
  const { listing } = directory;
  if (listing !== null && listing !== ONCE) {
    requireAlive(directory);
    accessed(sb, directory);
    return listing;
  }
  const made = sorted(listDirectory(sb, directory));
  directory.listing = listing === null ? ONCE : made;
  return made;
}

function sorted({ names, types }: DirBatch): DirListing {
  // On a bad image a name may stand there twice: then both get the type of one.
  const typeOf = new Map<Name, number>();
  for (const [index, name] of names.entries()) typeOf.set(name, types[index]!);
  // Names have a character for each byte: comparing them compares the bytes.
  const ordered = names.sort();
  const texts = namesToUtf8(ordered);
  return { names: ordered, texts, types: ordered.map((name) => typeOf.get(name)!) };
}

/** @throws FsError ENOENT */
function requireAlive(directory: Inode): void {
  if (directory.nlink === 0) throw new FsError("ENOENT", "the directory was removed");
}
