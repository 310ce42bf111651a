/**
 * Designs with one bug each, for tests: a sound personality under whose feet a flush or a fence is
 * missing, or one of whose operations is done in the wrong order. The explorer must convict them.
 */
import type {
  FileSystem,
  MountContext,
  Personality,
  PersistenceDomain,
  PmemCounters,
  PmemDevice,
  Purpose,
} from "@xiplab/core";

/** A device that passes everything on. Canaries override what they break. */
export class ForwardingDevice implements PmemDevice {
  readonly inner: PmemDevice;

  constructor(inner: PmemDevice) {
    this.inner = inner;
  }

  get size(): number {
    return this.inner.size;
  }
  get domain(): PersistenceDomain {
    return this.inner.domain;
  }
  get counters(): PmemCounters {
    return this.inner.counters;
  }
  view(offset: number, length: number): DataView {
    return this.inner.view(offset, length);
  }
  directAccess(offset: number, length: number): Uint8Array {
    return this.inner.directAccess(offset, length);
  }
  load(offset: number, target: Uint8Array, start: number, length: number): void {
    this.inner.load(offset, target, start, length);
  }
  store(offset: number, source: Uint8Array, start: number, length: number, purpose: Purpose): void {
    this.inner.store(offset, source, start, length, purpose);
  }
  storeU32(offset: number, value: number, purpose: Purpose): void {
    this.inner.storeU32(offset, value, purpose);
  }
  storeU64(offset: number, low: number, high: number, purpose: Purpose): void {
    this.inner.storeU64(offset, low, high, purpose);
  }
  storeNonTemporal(
    offset: number,
    source: Uint8Array,
    start: number,
    length: number,
    purpose: Purpose,
  ): void {
    this.inner.storeNonTemporal(offset, source, start, length, purpose);
  }
  zero(offset: number, length: number, purpose: Purpose): void {
    this.inner.zero(offset, length, purpose);
  }
  flush(offset: number, length: number): void {
    this.inner.flush(offset, length);
  }
  fence(): void {
    this.inner.fence();
  }
  persist(offset: number, length: number): void {
    this.flush(offset, length);
    this.fence();
  }
}

/** `personality`, mounted on a device that misbehaves. mkfs and check see the honest one. */
export function onDevice(
  personality: Personality,
  wrap: (device: PmemDevice) => PmemDevice,
): Personality {
  const mount = (device: PmemDevice, context: MountContext): FileSystem =>
    personality.mount(wrap(device), context);
  return Object.assign(Object.create(personality) as Personality, { mount });
}

/** `personality`, with operations of each mount replaced. `replace` is given the sound ones. */
export function withOperations(
  personality: Personality,
  replace: (sound: FileSystem) => Partial<FileSystem>,
): Personality {
  const mount = (device: PmemDevice, context: MountContext): FileSystem => {
    const fs = personality.mount(device, context);
    return Object.assign(fs, replace(methodsOf(fs)));
  };
  return Object.assign(Object.create(personality) as Personality, { mount });
}

/** The methods of an object as they are now, bound to it. */
function methodsOf<T extends object>(base: T): T {
  const methods: Record<string, unknown> = {};
  for (let at: object = base; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === "function") methods[name] ??= (value as () => unknown).bind(base);
    }
  }
  return methods as T;
}
