/**
 * One mount's conversation with the kernel: read a request, handle it, answer, until the file system
 * is unmounted. Everything is synchronous, one request at a time, in the thread that called `serve`.
 *
 * Errors: FsError goes to the kernel as its errno; bad disk is EUCLEAN and the mount read-only (the
 * vfs sees to that); a bug of ours ends the loop, so that it is seen, and leaves an image as a power
 * cut would.
 */
import { type Credentials, ERRNO, FsError, type Inode, type Vfs } from "@xiplab/core";
import { ACTIVITY_CHANGED, ACTIVITY_SYNC } from "./activity.ts";
import type { Channel } from "./channel.ts";
import { TracedChannel } from "./debug.ts";
import { OpenFiles } from "./open-files.ts";
import { Nodes } from "./nodes.ts";
import {
  FUSE_NOTIFY_INVAL_INODE,
  INVAL_INODE,
  INVAL_INODE_SIZE,
} from "./protocol/notifications.ts";
import { IN_HEADER_SIZE, OUT_HEADER, OUT_HEADER_SIZE } from "./protocol/structs.ts";
import { Reply } from "./reply.ts";
import { Request } from "./request.ts";
import * as opcodes from "./protocol/opcodes.ts";
import { type Handler, Handlers } from "./requests/handlers.ts";
import { newSession, RECEIVE_SIZE, type Session } from "./session.ts";

export interface ServeOptions {
  /** How reads and writes reach us: see README. Default "direct". */
  readonly cache?: CacheMode;
  /** Told of every request and answer: for --debug. */
  readonly trace?: (line: string) => void;
  /**
   * Shared with another thread, which keeps an idle mount from having changes in memory for long:
   * [ACTIVITY_CHANGED] becomes 1 here after every request that changed something; where it sets
   * [ACTIVITY_SYNC] to 1, the next STATFS writes everything back first.
   */
  readonly activity?: Int32Array;
  /** Does anybody else change files of this vfs? Then the kernel is to believe nothing for long. */
  readonly shared?: boolean;
  /** Who keeps locks: the kernel (default: nobody but its processes has any) or the vfs. */
  readonly locks?: "kernel" | "server";
}

/**
 * - `direct`: the kernel caches no data (FOPEN_DIRECT_IO): what is measured is our path.
 * - `writethrough`: it caches what was read; a write reaches us before it returns.
 * - `writeback`: it keeps writes back, and decides sizes and times: a write is ours only after fsync.
 */
export type CacheMode = "direct" | "writethrough" | "writeback";

/** How long the kernel may believe what it was told, where nobody but it changes anything. */
const VALID_SEC = 3600;

/** Requests that leave the medium as it is, but for access times. */
const READING: ReadonlySet<number> = new Set([
  opcodes.FUSE_LOOKUP,
  opcodes.FUSE_GETATTR,
  opcodes.FUSE_STATX,
  opcodes.FUSE_READ,
  opcodes.FUSE_STATFS,
  opcodes.FUSE_INIT,
  opcodes.FUSE_DESTROY,
  opcodes.FUSE_READLINK,
  opcodes.FUSE_READDIR,
  opcodes.FUSE_READDIRPLUS,
  opcodes.FUSE_GETXATTR,
  opcodes.FUSE_LISTXATTR,
  opcodes.FUSE_ACCESS,
  opcodes.FUSE_LSEEK,
  opcodes.FUSE_SYNCFS,
]);

export class Connection {
  readonly vfs: Vfs;
  readonly nodes: Nodes;
  readonly files: OpenFiles;
  readonly options: ServeOptions;
  readonly reply: Reply;
  /** Bytes of a block of the file system. */
  readonly blockSize: number;
  /** Seconds for which entries and attributes hold. */
  readonly validSec: number;
  /** What was agreed in INIT. */
  session: Session;
  private readonly channel: Channel;
  private readonly request = new Request(new Uint8Array(RECEIVE_SIZE));

  constructor(vfs: Vfs, channel: Channel, options: ServeOptions) {
    this.vfs = vfs;
    const { trace } = options;
    this.channel = trace === undefined ? channel : new TracedChannel(channel, trace);
    this.options = options;
    this.nodes = new Nodes(vfs);
    this.files = new OpenFiles(vfs);
    this.reply = new Reply(this.channel);
    this.blockSize = vfs.superblock.fs.blockSize;
    this.validSec = options.shared === true ? 0 : VALID_SEC;
    this.session = newSession(options.cache ?? "direct");
  }

  /** Answer requests until the kernel has no more. What it still holds is given back then. */
  serve(): void {
    while (this.step());
    this.close();
  }

  /** Wait for one request and answer it. Returns false when there will be no more. */
  step(): boolean {
    const length = this.channel.receive(this.request.bytes);
    if (length === 0) return false;
    this.handle(length);
    return true;
  }

  /** The kernel is gone: what it had open and what it knew is given back. */
  close(): void {
    this.files.closeAll();
    this.nodes.forgetAll();
  }

  /** Answer the request of `length` bytes in the receive buffer. HOT. */
  private handle(length: number): void {
    const { request, reply } = this;
    // The kernel sends nothing malformed. What is too short for a number cannot be answered.
    if (length < IN_HEADER_SIZE) return;
    const isWhole = request.parse(length);
    reply.begin(request);
    if (!isWhole) return reply.fail(ERRNO.EINVAL);
    const handler: Handler | undefined = Handlers[request.opcode];
    if (handler === undefined) return reply.fail(ERRNO.ENOSYS);
    try {
      handler(this, request, reply);
      reply.finish();
      if (!READING.has(request.opcode)) this.noteChange();
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      reply.fail(-error.errno);
    }
  }

  private noteChange(): void {
    const { activity } = this.options;
    if (activity !== undefined) Atomics.store(activity, ACTIVITY_CHANGED, 1);
  }

  /** Write everything back, if the other thread asked for it. */
  syncIfAsked(): void {
    const { activity } = this.options;
    if (activity === undefined || Atomics.exchange(activity, ACTIVITY_SYNC, 0) === 0) return;
    if (!this.vfs.readOnly) this.vfs.sync();
  }

  /**
   * The kernel is to ask for the attributes of the inode again: they changed by a request whose
   * answer does not tell (a write that takes set-id bits away). Safe within the request: the kernel
   * takes no lock for it that somebody could hold who waits for us.
   */
  invalidateAttributes(inode: Inode): void {
    const bytes = new Uint8Array(OUT_HEADER_SIZE + INVAL_INODE_SIZE);
    const view = new DataView(bytes.buffer);
    OUT_HEADER.length.set(view, 0, bytes.length);
    OUT_HEADER.error.set(view, 0, FUSE_NOTIFY_INVAL_INODE);
    INVAL_INODE.nodeid.set(view, OUT_HEADER_SIZE, this.nodes.idOf(inode));
    INVAL_INODE.offset.set(view, OUT_HEADER_SIZE, -1);
    this.channel.send([bytes]);
  }

  /** Who asks. Permissions were checked by the kernel (default_permissions). */
  credentialsOf(request: Request): Credentials {
    return { uid: request.uid, gid: request.gid, groups: request.groups(), checked: true };
  }
}

/** Serve `vfs` over `channel` until it is unmounted there. The vfs stays mounted. */
export function serve(vfs: Vfs, channel: Channel, options: ServeOptions = {}): void {
  new Connection(vfs, channel, options).serve();
}
