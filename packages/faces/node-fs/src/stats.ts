/** What stat gives: Stats, BigIntStats and StatFs, with the properties of Node's in their order. */
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  type Stat,
  type StatFs as CoreStatFs,
} from "@xiplab/core";

const MS_PER_SEC = 1000;
const NSEC_PER_MS = 1_000_000;
const NSEC_PER_MS_BIG = 1_000_000n;
const NSEC_PER_SEC_BIG = 1_000_000_000n;

/** A moment of Temporal, where the platform has it. */
type Instant = object;

function instantOf(nsec: bigint): Instant {
  const { Temporal } = globalThis as {
    Temporal?: { Instant: new (nsec: bigint) => Instant };
  };
  if (Temporal === undefined) {
    throw Object.assign(new Error("Temporal is not supported"), { code: "ERR_NO_TEMPORAL" });
  }
  return new Temporal.Instant(nsec);
}

const nsecOf = (sec: number, nsec: number): bigint => BigInt(sec) * NSEC_PER_SEC_BIG + BigInt(nsec);

abstract class StatsBase {
  isDirectory(): boolean {
    return this._checkModeProperty(S_IFDIR);
  }
  isFile(): boolean {
    return this._checkModeProperty(S_IFREG);
  }
  isBlockDevice(): boolean {
    return this._checkModeProperty(S_IFBLK);
  }
  isCharacterDevice(): boolean {
    return this._checkModeProperty(S_IFCHR);
  }
  isSymbolicLink(): boolean {
    return this._checkModeProperty(S_IFLNK);
  }
  isFIFO(): boolean {
    return this._checkModeProperty(S_IFIFO);
  }
  isSocket(): boolean {
    return this._checkModeProperty(S_IFSOCK);
  }
  /** Is the type of the file `type` (S_IF*)? Named as in Node, where programs override it. */
  abstract _checkModeProperty(type: number): boolean;
}

/** fs.Stats. Dates are made when they are asked for. */
export class Stats extends StatsBase {
  declare dev: number;
  declare mode: number;
  declare nlink: number;
  declare uid: number;
  declare gid: number;
  declare rdev: number;
  declare blksize: number;
  declare ino: number;
  declare size: number;
  declare blocks: number;
  declare atimeMs: number;
  declare mtimeMs: number;
  declare ctimeMs: number;
  declare birthtimeMs: number;
  readonly #stat: Stat;

  /** HOT. */
  constructor(stat: Stat) {
    super();
    this.dev = stat.dev;
    this.mode = stat.mode;
    this.nlink = stat.nlink;
    this.uid = stat.uid;
    this.gid = stat.gid;
    this.rdev = stat.rdev;
    this.blksize = stat.blksize;
    this.ino = stat.ino;
    this.size = stat.size;
    this.blocks = stat.blocks;
    this.atimeMs = stat.atimeSec * MS_PER_SEC + stat.atimeNsec / NSEC_PER_MS;
    this.mtimeMs = stat.mtimeSec * MS_PER_SEC + stat.mtimeNsec / NSEC_PER_MS;
    this.ctimeMs = stat.ctimeSec * MS_PER_SEC + stat.ctimeNsec / NSEC_PER_MS;
    this.birthtimeMs = stat.btimeSec * MS_PER_SEC + stat.btimeNsec / NSEC_PER_MS;
    this.#stat = stat;
  }

  get atimeInstant(): Instant {
    return instantOf(nsecOf(this.#stat.atimeSec, this.#stat.atimeNsec));
  }
  get mtimeInstant(): Instant {
    return instantOf(nsecOf(this.#stat.mtimeSec, this.#stat.mtimeNsec));
  }
  get ctimeInstant(): Instant {
    return instantOf(nsecOf(this.#stat.ctimeSec, this.#stat.ctimeNsec));
  }
  get birthtimeInstant(): Instant {
    return instantOf(nsecOf(this.#stat.btimeSec, this.#stat.btimeNsec));
  }

  override _checkModeProperty(type: number): boolean {
    return (this.mode & S_IFMT) === type;
  }
}

/** fs.BigIntStats: every number a bigint, and times in nanoseconds too. */
export class BigIntStats extends StatsBase {
  dev: bigint;
  mode: bigint;
  nlink: bigint;
  uid: bigint;
  gid: bigint;
  rdev: bigint;
  blksize: bigint;
  ino: bigint;
  size: bigint;
  blocks: bigint;
  atimeMs: bigint;
  mtimeMs: bigint;
  ctimeMs: bigint;
  birthtimeMs: bigint;
  atimeNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  birthtimeNs: bigint;

  constructor(stat: Stat) {
    super();
    const atimeNs = nsecOf(stat.atimeSec, stat.atimeNsec);
    const mtimeNs = nsecOf(stat.mtimeSec, stat.mtimeNsec);
    const ctimeNs = nsecOf(stat.ctimeSec, stat.ctimeNsec);
    const birthtimeNs = nsecOf(stat.btimeSec, stat.btimeNsec);
    this.dev = BigInt(stat.dev);
    this.mode = BigInt(stat.mode);
    this.nlink = BigInt(stat.nlink);
    this.uid = BigInt(stat.uid);
    this.gid = BigInt(stat.gid);
    this.rdev = BigInt(stat.rdev);
    this.blksize = BigInt(stat.blksize);
    this.ino = BigInt(stat.ino);
    this.size = BigInt(stat.size);
    this.blocks = BigInt(stat.blocks);
    this.atimeMs = atimeNs / NSEC_PER_MS_BIG;
    this.mtimeMs = mtimeNs / NSEC_PER_MS_BIG;
    this.ctimeMs = ctimeNs / NSEC_PER_MS_BIG;
    this.birthtimeMs = birthtimeNs / NSEC_PER_MS_BIG;
    this.atimeNs = atimeNs;
    this.mtimeNs = mtimeNs;
    this.ctimeNs = ctimeNs;
    this.birthtimeNs = birthtimeNs;
  }

  get atimeInstant(): Instant {
    return instantOf(this.atimeNs);
  }
  get mtimeInstant(): Instant {
    return instantOf(this.mtimeNs);
  }
  get ctimeInstant(): Instant {
    return instantOf(this.ctimeNs);
  }
  get birthtimeInstant(): Instant {
    return instantOf(this.birthtimeNs);
  }

  override _checkModeProperty(type: number): boolean {
    return (this.mode & BigInt(S_IFMT)) === BigInt(type);
  }
}

/** The dates of both classes: made at the first question, then a property of the object's own. */
function defineDates(prototype: object): void {
  for (const name of ["atime", "mtime", "ctime", "birthtime"]) {
    const keep = (stats: object, value: unknown): unknown => {
      const own = { value, writable: true, enumerable: true, configurable: true };
      Object.defineProperty(stats, name, own);
      return value;
    };
    Object.defineProperty(prototype, name, {
      enumerable: true,
      configurable: true,
      get(this: Record<string, number | bigint>) {
        // Rounded here: Date would cut, and a moment lost by floating point would cost a millisecond.
        return keep(this, new Date(Math.round(Number(this[`${name}Ms`]))));
      },
      set(this: object, value: unknown) {
        keep(this, value);
      },
    });
  }
}
defineDates(Stats.prototype);
defineDates(BigIntStats.prototype);

type Count = number | bigint;

/** What statfs gives. */
export class StatFs {
  type: Count;
  bsize: Count;
  frsize: Count;
  blocks: Count;
  bfree: Count;
  bavail: Count;
  files: Count;
  ffree: Count;

  constructor(from: CoreStatFs, isBigInt: boolean) {
    const count = (value: number): Count => (isBigInt ? BigInt(value) : value);
    this.type = count(from.type);
    this.bsize = count(from.blockSize);
    this.frsize = count(from.blockSize);
    this.blocks = count(from.blocks);
    this.bfree = count(from.blocksFree);
    this.bavail = count(from.blocksAvailable);
    this.files = count(from.files);
    this.ffree = count(from.filesFree);
  }
}
