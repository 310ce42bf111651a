/**
 * The image as a check reads it: blocks of the device, or of the log where that holds a newer copy.
 *
 * `open` points `view` and `at` at a block, without a copy. Views of a device are valid for its life,
 * so a caller that opens another block keeps its own pair.
 */
import { FsError, type PmemDevice, SEGMENT_SIZE } from "@xiplab/core";
import type { Geometry } from "../geometry.ts";
import type { Findings } from "./findings.ts";

/** Newer contents of blocks, by block: what a log holds that was not replayed. */
export type Overlay = ReadonlyMap<number, Uint8Array>;

export class Image {
  readonly device: PmemDevice;
  readonly geometry: Geometry;
  readonly findings: Findings;
  /** Mounting this image will recover it: what recovery mends is no finding. */
  readonly recovers: boolean;
  view: DataView;
  at = 0;
  private readonly overlay: Overlay | null;

  constructor(
    device: PmemDevice,
    geometry: Geometry,
    findings: Findings,
    recovers: boolean,
    overlay: Overlay | null,
  ) {
    this.device = device;
    this.geometry = geometry;
    this.findings = findings;
    this.recovers = recovers;
    this.overlay = overlay;
    this.view = new DataView(new ArrayBuffer(0));
  }

  /** Look at a block that is on the device. False, with a finding, where it cannot be read. HOT. */
  open(pblk: number): boolean {
    if (this.overlay !== null && this.openOverlay(pblk)) return true;
    const { blockSize } = this.geometry;
    const home = pblk * blockSize;
    try {
      this.view = this.device.view(home, blockSize);
      this.at = home % SEGMENT_SIZE;
      return true;
    } catch (error) {
      if (!(error instanceof FsError) || error.code !== "EIO") throw error;
      this.findings.add("medium", home, "block", "EIO", "data");
      return false;
    }
  }

  /** The same image, whose findings go elsewhere. */
  silent(findings: Findings): Image {
    return new Image(this.device, this.geometry, findings, this.recovers, this.overlay);
  }

  /** Can data and metadata stand there? */
  isOnDevice(pblk: number): boolean {
    return pblk >= this.geometry.firstDataBlock && pblk < this.geometry.blockCount;
  }

  private openOverlay(pblk: number): boolean {
    const newer = this.overlay!.get(pblk);
    if (newer === undefined) return false;
    this.view = new DataView(newer.buffer, newer.byteOffset, newer.byteLength);
    this.at = 0;
    return true;
  }
}
