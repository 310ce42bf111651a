/** Path walk of the model: from a path to the place in the tree that it names. */
import { type Credentials, NAME_MAX, PATH_MAX, SYMLINK_MAX, X_OK } from "@xiplab/core";
import { type ModelNode, fail, may } from "./node.ts";

/**
 * A place in the tree: a name in a directory, and what is there. With `parent` nobody has looked for
 * the last name yet: a name that is too long is `node: null` until `look`.
 */
export interface Place {
  readonly directory: ModelNode;
  readonly name: string;
  readonly node: ModelNode | null;
  /** The last component is a name, not `.`, `..` or the root. */
  readonly kind: "name" | "dot" | "dotdot" | "root";
  /** The path ends in a slash: it means a directory. */
  readonly slash: boolean;
}

/**
 * How the last component is treated. `parent`: the name itself is meant, never followed (unlink,
 * mkdir, rename); `nofollow`: a symbolic link is the result, unless a slash stands behind it;
 * `create`: followed, and a slash behind it is wrong before anybody looks for the name (O_CREAT).
 */
export type LastComponent = "parent" | "nofollow" | "follow" | "create";

/** @throws FsError ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG on the way; EISDIR (`create`) */
export function walk(root: ModelNode, who: Credentials, path: string, last: LastComponent): Place {
  if (path === "") fail("ENOENT");
  if (path.length >= PATH_MAX) fail("ENAMETOOLONG");
  return new Walk(root, who).from(root, path, last);
}

class Walk {
  private readonly root: ModelNode;
  private readonly who: Credentials;
  private linksLeft = SYMLINK_MAX;

  constructor(root: ModelNode, who: Credentials) {
    this.root = root;
    this.who = who;
  }

  from(start: ModelNode, path: string, last: LastComponent): Place {
    const names = path.split("/").filter((name) => name !== "");
    const slash = path.endsWith("/");
    let directory = path.startsWith("/") ? this.root : start;
    const follow = last === "follow" || last === "create" || (last === "nofollow" && slash);
    for (const [index, name] of names.entries()) {
      const isLast = index === names.length - 1;
      const place = this.step(directory, name, isLast && slash, isLast ? last : "follow");
      const link = place.node?.isSymlink === true && (!isLast || follow);
      if (!link && isLast) return place;
      const found = link
        ? this.followLink(directory, place.node!, isLast ? last : "follow")
        : place;
      if (isLast) return { ...found, slash: slash || found.slash };
      if (found.node === null) fail("ENOENT");
      if (found.slash && !found.node.isDirectory) fail("ENOTDIR");
      directory = found.node;
    }
    return { directory, name: "", node: directory, kind: "root", slash: false };
  }

  private followLink(directory: ModelNode, link: ModelNode, last: LastComponent): Place {
    if (this.linksLeft-- === 0) fail("ELOOP");
    return this.from(directory, link.target, last === "create" ? last : "follow");
  }

  private step(directory: ModelNode, name: string, slash: boolean, how: LastComponent): Place {
    if (!directory.isDirectory) fail("ENOTDIR");
    if (!may(this.who, directory, X_OK)) fail("EACCES");
    if (name === ".") return { directory, name, node: directory, kind: "dot", slash };
    if (name === "..") return { directory, name, node: directory.parent, kind: "dotdot", slash };
    if (slash && how === "create") fail("EISDIR");
    if (name.length > NAME_MAX && how !== "parent") fail("ENAMETOOLONG");
    return { directory, name, node: directory.entries.get(name) ?? null, kind: "name", slash };
  }
}

/** Look for the name of a place that a walk to the parent gave. @throws FsError ENAMETOOLONG */
export function look(place: Place): ModelNode | null {
  if (place.name.length > NAME_MAX) fail("ENAMETOOLONG");
  return place.node;
}
