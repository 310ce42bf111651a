/** What the kernel says of one device from now on (/dev/kmsg), where it may be read. */
import fs from "node:fs";
import { libc } from "@xiplab/testkit/kernel";

const SEEK_END = 2;
/** A record is never longer (CONSOLE_EXT_LOG_MAX). */
const RECORD_MAX = 8192;

/** A shutdown was asked for: what follows it is no fault of the image. */
const SHUTDOWN = /shut down requested|User initiated shutdown/;
/** What the kernel says of its own work when two writebacks of a file meet: none of the image's. */
const OWN_WORK = /ext4_convert_unwritten_extents_endio/;
const COMPLAINT = new RegExp(
  [
    "EXT4-fs (error|warning|critical)",
    // Whole words: a uuid may have "bad" in it.
    "EXT4-fs \\(.*\\b(error|warning|invalid|corrupt\\w*|bad|fail\\w*|not (found|supported))\\b",
    "JBD2:.*\\b(error|corrupt\\w*|invalid|fail\\w*|bad|recovery)\\b",
    "Aborting journal",
    "XFS .*(Corruption|corrupt|Internal error|CRC error|Metadata)",
    "I/O error",
    "Remounting filesystem read-only",
  ].join("|"),
  "i",
);

export class KernelLog {
  private readonly lines: string[] = [];
  private readonly fd: number;

  /** Starts now: what was said before is not read. */
  constructor() {
    this.fd = openLog();
    if (this.fd >= 0) libc.lseek(this.fd, 0n, SEEK_END);
  }

  /** Lines that name the device (`loop3`), in order. */
  linesOf(device: string): string[] {
    this.read();
    const name = new RegExp(`\\b${device}\\b`);
    return this.lines.filter((line) => name.test(line));
  }

  /** Those of them that say something is wrong, up to a shutdown that was asked for. */
  complaintsOf(device: string): string[] {
    const lines = this.linesOf(device);
    const stop = lines.findIndex((line) => SHUTDOWN.test(line));
    const before = stop < 0 ? lines : lines.slice(0, stop);
    return before.filter((line) => COMPLAINT.test(line) && !OWN_WORK.test(line));
  }

  close(): void {
    if (this.fd >= 0) fs.closeSync(this.fd);
  }

  /** A read gives one record: `level,sequence,time,flags;text`, and lines with its dictionary. */
  private read(): void {
    const record = Buffer.alloc(RECORD_MAX);
    while (this.fd >= 0) {
      const length = readRecord(this.fd, record);
      if (length === 0) return;
      const text = record.toString("latin1", 0, length);
      if (length > 0) this.lines.push(text.slice(text.indexOf(";") + 1).split("\n", 1)[0]!);
    }
  }
}

function openLog(): number {
  try {
    return fs.openSync("/dev/kmsg", fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch {
    // Not Linux, or the log is not for us: then nothing is known of complaints.
    return -1;
  }
}

/** Bytes; 0 where there is no more; -1 where records were lost before they were read. */
function readRecord(fd: number, record: Buffer): number {
  try {
    return fs.readSync(fd, record, 0, record.length, null);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EAGAIN") return 0;
    if (code === "EPIPE") return -1;
    throw error;
  }
}
