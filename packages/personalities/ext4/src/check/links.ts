/**
 * Passes 3 and 4: every directory hangs on the root by its names and by "..", and every inode has as
 * many names as its link count says.
 */
import { INO_ROOT } from "../format/inode.ts";
import type { DirectoriesFound } from "./directories-found.ts";
import type { Image } from "./image.ts";
import { FT_MASK, type InodeFacts, KIND_NAMELESS, KIND_USED } from "./inode-facts.ts";

const FT_DIR = 2;
/** EXT4_LINK_MAX: from here on a directory says 1, with dir_nlink. */
const LINK_MAX = 65_000;

const UNKNOWN = 0;
const ON_PATH = 1;
const KNOWN = 2;

/** Pass 3. */
export function checkTree(image: Image, found: DirectoriesFound, facts: InodeFacts): void {
  const { findings } = image;
  const root = facts.directoryOf(INO_ROOT);
  if (root < 0) {
    findings.add("ext4_inode", `inode ${INO_ROOT}`, "mode", "no directory", "the root");
    return;
  }
  const states = new Uint8Array(found.count);
  found.parents.set(root, INO_ROOT);
  states[root] = KNOWN;
  for (let index = 0; index < found.count; index++) {
    climb(image, found, facts, states, index);
    checkDotDot(image, found, index);
  }
}

/** Follow parents up to a directory that is known to hang on the root, or known not to. */
function climb(
  image: Image,
  found: DirectoriesFound,
  facts: InodeFacts,
  states: Uint8Array,
  start: number,
): void {
  const { findings } = image;
  let at = start;
  while (at >= 0 && states[at] === UNKNOWN) {
    states[at] = ON_PATH;
    const parent = found.parents.at(at);
    const isOrphan = (facts.kindOf(found.inos.at(at)) & KIND_NAMELESS) !== 0;
    if (parent === 0 && !isOrphan) {
      findings.add("ext4_inode", `inode ${found.inos.at(at)}`, "names", 0, "a directory's one");
    }
    at = parent === 0 ? -1 : facts.directoryOf(parent);
  }
  if (at >= 0 && states[at] === ON_PATH) {
    const where = `inode ${found.inos.at(at)}`;
    findings.add("ext4_inode", where, "parents", "a loop", "a path from the root");
  }
  for (at = start; at >= 0 && states[at] === ON_PATH;) {
    states[at] = KNOWN;
    const parent = found.parents.at(at);
    at = parent === 0 ? -1 : facts.directoryOf(parent);
  }
}

function checkDotDot(image: Image, found: DirectoriesFound, index: number): void {
  const parent = found.parents.at(index);
  const dotdot = found.dotdots.at(index);
  // Without either there is a finding already, or an orphan.
  if (parent === 0 || dotdot === 0 || parent === dotdot) return;
  image.findings.add("ext4_dir_entry_2", `inode ${found.inos.at(index)}`, '".."', dotdot, parent);
}

/** Pass 4. */
export function checkLinkCounts(image: Image, facts: InodeFacts): void {
  const { groupCount, inodesPerGroup } = image.geometry;
  for (let group = 0; group < groupCount; group++) {
    const inodes = facts.factsOf(group);
    if (inodes === undefined) continue;
    const { kinds, links, names } = inodes;
    for (let index = 0; index < inodesPerGroup; index++) {
      const kind = kinds[index]!;
      if ((kind & KIND_USED) === 0 || (kind & KIND_NAMELESS) !== 0) continue;
      const ino = group * inodesPerGroup + index + 1;
      checkLinks(image, ino, (kind & FT_MASK) === FT_DIR, links[index]!, names[index]!);
    }
  }
}

function checkLinks(
  image: Image,
  ino: number,
  isDirectory: boolean,
  links: number,
  names: number,
): void {
  if (links === names) return;
  const { dirNlink } = image.geometry;
  if (isDirectory && dirNlink && links === 1 && names >= LINK_MAX) return;
  image.findings.add("ext4_inode", `inode ${ino}`, "linksCount", links, names);
}
