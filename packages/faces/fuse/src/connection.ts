/**
 * One mount's conversation with the kernel: read a request, handle it, answer, until the file system
 * is unmounted. Everything is synchronous, one request at a time, in the thread that called `serve`.
 *
 * Errors: FsError goes to the kernel as its errno; bad disk is EUCLEAN and the mount read-only (the
 * vfs sees to that); a bug of ours ends the loop, so that it is seen, and leaves an image as a power
 * cut would.
 */
import { type Credentials, ERRNO, FsError, type Vfs } from "@xiplab/core";
import type { Channel } from "./channel.ts";
import { OpenFiles } from "./open-files.ts";
import { Nodes } from "./nodes.ts";
import { Reply } from "./reply.ts";
import { Request } from "./request.ts";
import { type Handler, Handlers } from "./requests/handlers.ts";
import { newSession, RECEIVE_SIZE, type Session } from "./session.ts";

export interface ServeOptions {
  /** How reads and writes reach us: see README. Default "direct". */
  readonly cache?: CacheMode;
  /** Told of every request and answer: for --debug. */
  readonly trace?: (line: string) => void;
  /** Set by another thread: write everything back soon (see `Connection.serve`). */
  readonly activity?: Int32Array;
}

/**
 * - `direct`: the kernel caches no data (FOPEN_DIRECT_IO): what is measured is our path.
 * - `writethrough`: it caches what was read; a write reaches us before it returns.
 * - `writeback`: it keeps writes back, and decides sizes and times: a write is ours only after fsync.
 */
export type CacheMode = "direct" | "writethrough" | "writeback";

export class Connection {
  readonly vfs: Vfs;
  readonly nodes: Nodes;
  readonly files: OpenFiles;
  readonly options: ServeOptions;
  readonly reply: Reply;
  /** What was agreed in INIT. */
  session: Session;
  private readonly channel: Channel;
  private readonly request = new Request(new Uint8Array(RECEIVE_SIZE));

  constructor(vfs: Vfs, channel: Channel, options: ServeOptions) {
    this.vfs = vfs;
    this.channel = channel;
    this.options = options;
    this.nodes = new Nodes(vfs);
    this.files = new OpenFiles(vfs);
    this.reply = new Reply(channel);
    this.session = newSession(options.cache ?? "direct");
  }

  /** Answer requests until the kernel has no more. What it still holds is given back then. */
  serve(): void {
    const { channel, request } = this;
    for (;;) {
      const length = channel.receive(request.bytes);
      if (length === 0) break;
      this.handle(length);
    }
    this.files.closeAll();
    this.nodes.forgetAll();
  }

  /** Answer the request of `length` bytes in the receive buffer. HOT. */
  private handle(length: number): void {
    const { request, reply } = this;
    // The kernel sends nothing malformed; what is cannot be answered, for its number is not known.
    if (!request.parse(length)) return;
    reply.begin(request);
    const handler: Handler | undefined = Handlers[request.opcode];
    if (handler === undefined) return reply.fail(ERRNO.ENOSYS);
    try {
      handler(this, request, reply);
      reply.finish();
    } catch (error) {
      if (!(error instanceof FsError)) throw error;
      reply.fail(-error.errno);
    }
  }

  /** Who asks. Permissions were checked by the kernel (default_permissions). */
  credentialsOf(request: Request): Credentials {
    return { uid: request.uid, gid: request.gid, groups: [], checked: true };
  }
}

/** Serve `vfs` over `channel` until it is unmounted there. The vfs stays mounted. */
export function serve(vfs: Vfs, channel: Channel, options: ServeOptions = {}): void {
  new Connection(vfs, channel, options).serve();
}
