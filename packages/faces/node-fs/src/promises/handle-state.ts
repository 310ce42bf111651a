/**
 * What stands behind a FileHandle: the descriptor, and who still needs it.
 *
 * Life: open (`fd` >= 0) → closing (asked to close while streams hold references) → closed (`fd` is
 * -1). The last reference that is given back closes the descriptor.
 */
import { assert } from "@xiplab/core";
import type { Schedule } from "../callback/schedule.ts";
import type { SyncFs } from "../callback/sync-fs.ts";

/** What handles are made of. */
export interface HandleContext {
  readonly sync: SyncFs;
  readonly schedule: Schedule;
}

const states = new WeakMap<object, HandleState>();

/** The state of a FileHandle; undefined for everything else. */
export function handleStateOf(value: unknown): HandleState | undefined {
  return typeof value === "object" && value !== null ? states.get(value) : undefined;
}

/** @throws TypeError where the value is no FileHandle */
export function requireHandle(value: unknown): HandleState {
  const state = handleStateOf(value);
  if (state === undefined) throw new TypeError("handle must be an instance of FileHandle");
  return state;
}

export class HandleState {
  fd: number;
  /** A web stream reads it. */
  locked = false;
  private references = 1;
  private closing: PromiseWithResolvers<void> | null = null;
  private readonly context: HandleContext;

  constructor(handle: object, fd: number, context: HandleContext) {
    this.fd = fd;
    this.context = context;
    states.set(handle, this);
  }

  get isClosing(): boolean {
    return this.closing !== null;
  }

  /** HOT. Do an operation on the descriptor; errors of a closed handle name `syscall`. */
  call<T>(syscall: string, work: (fd: number) => T, inTurn = false): Promise<T> {
    if (this.fd === -1) return Promise.reject(closedError(syscall));
    return this.context.schedule.run(() => work(this.fd), inTurn);
  }

  retain(): void {
    this.references++;
  }

  /** Give a reference back; the last one closes what was asked to close. */
  release(): void {
    if (--this.references > 0) return;
    const { closing } = this;
    assert(closing !== null, "the handle's own reference is given back by closing it");
    try {
      this.closeNow();
      closing.resolve();
    } catch (error) {
      closing.reject(error);
    }
  }

  /** `closed` is called where this begins to close it. */
  close(closed: () => void): Promise<void> {
    if (this.fd === -1) return Promise.resolve();
    if (this.closing !== null) return this.closing.promise;
    this.references--;
    let done: Promise<void>;
    if (this.references === 0) done = this.context.schedule.run(() => this.closeNow());
    else {
      this.closing = Promise.withResolvers<void>();
      done = this.closing.promise;
    }
    closed();
    return done;
  }

  private closeNow(): void {
    const { fd } = this;
    this.fd = -1;
    this.closing = null;
    this.context.sync.closeSync(fd);
  }
}

function closedError(syscall: string): Error {
  return Object.assign(new Error("file closed"), { code: "EBADF", syscall });
}
