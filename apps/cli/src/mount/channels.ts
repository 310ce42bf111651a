/**
 * Channels around a channel: counting what passes, making it durable before it is answered (sync),
 * and taking the time that a medium would take (media=).
 */
import { assert, type CostMeter, FsError } from "@xiplab/core";
import { type Channel, OpcodeNames } from "@xiplab/fuse";

/** struct fuse_in_header: the opcode is its second word, little-endian as everything. */
const OPCODE_AT = 4;
/** Beyond every opcode that there is. */
const OPCODES_MAX = 64;

/** Counts requests by opcode. */
export class CountingChannel implements Channel {
  readonly counts = new Float64Array(OPCODES_MAX);
  private readonly channel: Channel;

  constructor(channel: Channel) {
    this.channel = channel;
  }

  /** HOT. */
  receive(target: Uint8Array): number {
    const length = this.channel.receive(target);
    const opcode = target[OPCODE_AT]!;
    if (length > OPCODE_AT && opcode < OPCODES_MAX) this.counts[opcode]!++;
    return length;
  }

  /** HOT. */
  send(parts: readonly Uint8Array[]): boolean {
    return this.channel.send(parts);
  }
}

/** What changes names: durable when it is answered, with dirsync. */
const NAMES = [
  "CREATE",
  "MKNOD",
  "MKDIR",
  "SYMLINK",
  "LINK",
  "UNLINK",
  "RMDIR",
  "RENAME",
  "RENAME2",
];
/** And what changes files, with sync. */
const FILES = ["WRITE", "SETATTR", "FALLOCATE", "COPY_FILE_RANGE", "COPY_FILE_RANGE_64"];
const ATTRIBUTES = ["SETXATTR", "REMOVEXATTR", "IOCTL"];

/** struct fuse_out_header: the error, as a negative number, is its second word. */
const ERROR_AT = 4;
const OUT_HEADER_SIZE = 16;

/** Answers a request that changes something when it is durable, as mounts with sync and dirsync do. */
export class SyncChannel implements Channel {
  private readonly channel: Channel;
  private readonly flush: () => void;
  private readonly changing = new Uint8Array(OPCODES_MAX);
  private opcode = 0;

  /** `flush` makes everything durable. `what`: names alone, or files too. */
  constructor(channel: Channel, flush: () => void, what: "sync" | "dirsync") {
    this.channel = channel;
    this.flush = flush;
    const names = what === "dirsync" ? NAMES : [...NAMES, ...FILES, ...ATTRIBUTES];
    for (const name of names) {
      const opcode = Object.keys(OpcodeNames).find((key) => OpcodeNames[Number(key)] === name);
      assert(opcode !== undefined, "every name is one of an opcode");
      this.changing[Number(opcode)] = 1;
    }
  }

  /** HOT. */
  receive(target: Uint8Array): number {
    const length = this.channel.receive(target);
    this.opcode = target[OPCODE_AT]!;
    return length;
  }

  /** HOT. */
  send(parts: readonly Uint8Array[]): boolean {
    if (this.changing[this.opcode] !== 1) return this.channel.send(parts);
    this.opcode = 0;
    try {
      this.flush();
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      return this.channel.send([failed(parts[0]!, error)]);
    }
    return this.channel.send(parts);
  }
}

/** The header of an answer, as one that says that it failed. */
function failed(answer: Uint8Array, { errno }: FsError): Uint8Array {
  const header = answer.slice(0, OUT_HEADER_SIZE);
  const view = new DataView(header.buffer);
  view.setUint32(0, OUT_HEADER_SIZE, true);
  view.setInt32(ERROR_AT, errno, true);
  return header;
}

/** Shorter waits come out too long: they add up until they are worth one. */
const WAIT_MIN_NS = 100_000;

/**
 * Answers no earlier than the medium would have. What a request took of real time counts: it is the
 * software, which is there on real memory too, and the emulation's own copying, which cannot be told
 * from it. So the mount is as fast as the slower of us and the medium.
 */
export class PacedChannel implements Channel {
  /** Waited so far. */
  waitedNs = 0;
  private readonly channel: Channel;
  private readonly meter: CostMeter;
  /** Real nanoseconds. */
  private readonly now: () => number;
  /** Sleep for so many nanoseconds, or somewhat longer. */
  private readonly sleep: (durationNs: number) => void;
  private begunNs: number;
  private begunModelNs = 0;
  /** Still to be waited; below 0 where a wait was too long. */
  private debtNs = 0;

  constructor(
    channel: Channel,
    meter: CostMeter,
    now: () => number,
    sleep: (durationNs: number) => void,
  ) {
    this.channel = channel;
    this.meter = meter;
    this.now = now;
    this.sleep = sleep;
    this.begunNs = now();
  }

  /** HOT. */
  receive(target: Uint8Array): number {
    const endedNs = this.now();
    const length = this.channel.receive(target);
    this.begunNs = this.now();
    // The medium goes on with what it was given while nobody asks.
    this.meter.idle(this.begunNs - endedNs);
    this.begunModelNs = this.meter.modelledNs;
    return length;
  }

  /** HOT. */
  send(parts: readonly Uint8Array[]): boolean {
    this.catchUp();
    return this.channel.send(parts);
  }

  private catchUp(): void {
    const modelNs = this.meter.modelledNs - this.begunModelNs;
    const realNs = this.now() - this.begunNs;
    if (modelNs > realNs) this.debtNs += modelNs - realNs;
    if (this.debtNs < WAIT_MIN_NS) return;
    const before = this.now();
    this.sleep(this.debtNs);
    const waitedNs = this.now() - before;
    this.debtNs -= waitedNs;
    this.waitedNs += waitedNs;
    // A second answer to the same request (a notification) does not wait again.
    this.begunModelNs = this.meter.modelledNs;
  }
}
