/**
 * Pass 1: the journal's superblock, and what its log holds for an image that is to be recovered.
 */
import { crcRaw, crcZeros } from "../checksum.ts";
import * as j from "../format/jbd2.ts";
import { JBD2_SUPERBLOCK as J, JBD2_SUPERBLOCK_SIZE } from "../format/jbd2.ts";
import type { Image } from "./image.ts";
import type { SpecialFile } from "./inodes.ts";

const STRUCT = "journal_superblock";
/** What 0 means in fastCommitBlocks. */
const FAST_COMMIT_BLOCKS = 256;

/** The superblock of the journal, whose inode was read. */
export function checkJournal(image: Image, { first, length }: SpecialFile): void {
  const { geometry, findings } = image;
  const add = (field: string, found: string | number, expected: string | number): void =>
    findings.add(STRUCT, `block ${first}`, field, found, expected);
  if (first === 0 || length < j.JOURNAL_BLOCKS_MIN) {
    add("blocks", length, `at least ${j.JOURNAL_BLOCKS_MIN}, from the first on`);
    return;
  }
  if (!image.open(first)) return;
  const { view, at } = image;
  const magic = J.magic.get(view, at);
  const type = J.type.get(view, at);
  if (magic !== j.JBD2_MAGIC) return add("magic", magic, j.JBD2_MAGIC);
  if (type !== j.BLOCK_SUPERBLOCK_V1 && type !== j.BLOCK_SUPERBLOCK_V2) {
    return add("type", type, "3 or 4");
  }
  const blockSize = J.blockSize.get(view, at);
  if (blockSize !== geometry.blockSize) add("blockSize", blockSize, geometry.blockSize);
  const maxlen = J.maxlen.get(view, at);
  if (maxlen > length || maxlen < j.JOURNAL_BLOCKS_MIN) {
    add("maxlen", maxlen, `${j.JOURNAL_BLOCKS_MIN} to ${length}`);
  }
  const start = J.start.get(view, at);
  const begin = J.first.get(view, at);
  if (begin === 0 || begin >= maxlen) add("first", begin, `1 to ${maxlen - 1}`);
  if (start !== 0 && (start < begin || start >= maxlen)) {
    add("start", start, `0, or ${begin} to ${maxlen - 1}`);
  }
  if (start !== 0 && !image.recovers) add("start", start, "0, for the image needs no recovery");
  const errno = J.errno.get(view, at);
  if (errno !== 0) add("errno", errno, "0: nothing went wrong");
  if (type === j.BLOCK_SUPERBLOCK_V2) checkVersion2(image, view, at, add);
}

type Add = (field: string, found: string | number, expected: string | number) => void;

/** What version 1 does not have. */
function checkVersion2(image: Image, view: DataView, at: number, add: Add): void {
  const incompat = J.featureIncompat.get(view, at);
  const roCompat = J.featureRoCompat.get(view, at);
  const compat = J.featureCompat.get(view, at);
  const unknown = incompat & ~j.INCOMPAT_KNOWN;
  if (unknown !== 0) add("featureIncompat", incompat, "features that there are");
  const users = J.users.get(view, at);
  if (users > 1) add("users", users, "1 of a journal inside");
  if (roCompat !== 0) add("featureRoCompat", roCompat, 0);
  const both = j.INCOMPAT_CSUM_V2 | j.INCOMPAT_CSUM_V3;
  if ((incompat & both) === both) add("featureIncompat", incompat, "one kind of checksums");
  if ((incompat & both) !== 0 && (compat & j.COMPAT_CHECKSUM) !== 0) {
    add("featureCompat", compat, "one kind of checksums");
  }
  if ((incompat & j.INCOMPAT_FAST_COMMIT) !== 0) {
    const fast = J.fastCommitBlocks.get(view, at) || FAST_COMMIT_BLOCKS;
    const rest = J.maxlen.get(view, at) - fast;
    if (rest < j.JOURNAL_BLOCKS_MIN) add("fastCommitBlocks", fast, "room for a log beside them");
  }
  // While an image is mounted here the checksum runs ahead of the field: recovery knows.
  if ((incompat & both) === 0 || image.recovers) return;
  const type = J.checksumType.get(view, at);
  if (type !== j.CHECKSUM_CRC32C) add("checksumType", type, j.CHECKSUM_CRC32C);
  const { offset, size } = J.checksum;
  const head = crcZeros(crcRaw(0xffffffff, view, at, offset), size);
  const after = offset + size;
  const expected = crcRaw(head, view, at + after, JBD2_SUPERBLOCK_SIZE - after);
  const found = J.checksum.get(view, at);
  if (found !== expected) add("checksum", found, expected);
}
