/** A device with a file system on it, for tests: made, mounted, unmounted, checked. */
import {
  assert,
  type CheckReport,
  type Clock,
  describeCorruption,
  mkfs,
  mount,
  type MountEnvironment,
  type Name,
  type OptionValues,
  type Personality,
  Pmem,
  type PmemDevice,
  PURPOSE_DATA,
  SEGMENT_SIZE,
  Task,
  type Timespec,
  type Vfs,
} from "@xiplab/core";
import { Program } from "./apply.ts";
import { fillWithMark } from "./mark.ts";

export interface VolumeConfig {
  readonly personality: Personality;
  /** Bytes. */
  readonly deviceSize: number;
  /** As `splitOptions` gives them. */
  readonly mountOptions?: OptionValues;
  readonly mkfsOptions?: OptionValues;
  /** Limits of inode and page cache: small ones make a small test evict. The clock is the volume's. */
  readonly environment?: Omit<MountEnvironment, "clock">;
}

/** The time that a test gives: it stands until it is set. */
export class ManualClock implements Clock {
  time: Timespec = { sec: 0, nsec: 0 };

  now(): Timespec {
    return this.time;
  }
}

export class Volume {
  readonly config: VolumeConfig;
  readonly device: PmemDevice;
  readonly clock = new ManualClock();
  private mounted: { readonly vfs: Vfs; readonly program: Program } | null = null;

  /** Over what is on the device. */
  constructor(config: VolumeConfig, device: PmemDevice) {
    this.config = config;
    this.device = device;
  }

  /** Make the file system, on a device full of MARK, so that stale bytes show. */
  static make(config: VolumeConfig, device: PmemDevice = new Pmem(config.deviceSize)): Volume {
    fillWithMark(device);
    const volume = new Volume(config, device);
    volume.mkfs();
    return volume;
  }

  /** @throws OptionError */
  mkfs(): void {
    const { mkfsOptions, personality } = this.config;
    mkfs(personality, this.device, mkfsOptions, { clock: this.clock });
    emptyRoot(personality, this.device, this.clock);
  }

  get vfs(): Vfs {
    return this.current().vfs;
  }

  get program(): Program {
    return this.current().program;
  }

  /** `options` come on top of the mount options of the volume. */
  mount(options: OptionValues = {}): Program {
    assert(this.mounted === null, "a volume is mounted once at a time");
    const all = { ...this.config.mountOptions, ...options };
    const environment = { ...this.config.environment, clock: this.clock };
    const vfs = mount(this.config.personality, this.device, all, environment);
    this.mounted = { vfs, program: new Program(vfs) };
    return this.mounted.program;
  }

  /** Take away what mkfs left in the root, as ext4's lost+found: a test begins with an empty tree. */
  emptyRoot(): void {
    const { task } = this.program;
    for (const name of task.readdir("/" as Name)) task.rmdir(`/${name}` as Name);
    task.syncfs();
  }

  /** Close what is open, and unmount. */
  unmount(): void {
    const { vfs, program } = this.current();
    program.exit();
    vfs.unmount();
    this.mounted = null;
  }

  /** What the personality's fsck finds, in words; null where the image is sound and clean. */
  check(): string | null {
    assert(this.mounted === null, "only an unmounted volume is checked");
    return describeReport(this.config.personality.check(this.device));
  }

  private current(): { readonly vfs: Vfs; readonly program: Program } {
    assert(this.mounted !== null, "the volume is mounted");
    return this.mounted;
  }
}

/** Remove the directories that mkfs leaves in the root, such as ext4's lost+found: models begin with
 * nothing. Without any the image stays as it is. */
export function emptyRoot(personality: Personality, device: PmemDevice, clock: Clock): void {
  const namesIn = (vfs: Vfs): Name[] => new Task(vfs).readdir("/" as Name);
  const looking = mount(personality, device, { ro: "1", data: "delalloc" }, { clock });
  const names = namesIn(looking);
  looking.unmount();
  if (names.length === 0) return;
  const vfs = mount(personality, device, { data: "delalloc" }, { clock });
  for (const name of names) new Task(vfs).rmdir(`/${name}` as Name);
  vfs.unmount();
}

export function describeReport(report: CheckReport): string | null {
  if (report.findings.length > 0) {
    return `check finds: ${report.findings.map(describeCorruption).join("; ")}`;
  }
  return report.clean ? null : "check says that the image was not unmounted cleanly";
}

/** Another device with the same bytes: what a power cut leaves, if every store reached the medium. */
export function copyDevice(device: PmemDevice): PmemDevice {
  const copy = new Pmem(device.size);
  const bytes = new Uint8Array(SEGMENT_SIZE);
  for (let offset = 0; offset < copy.size; offset += bytes.length) {
    const length = Math.min(bytes.length, copy.size - offset);
    device.load(offset, bytes, 0, length);
    copy.storeNonTemporal(offset, bytes, 0, length, PURPOSE_DATA);
  }
  copy.fence();
  return copy;
}
