/**
 * What memory costs, as data: three kinds of persistent memory, each figure with its source.
 *
 * Sources:
 * - FAST'20: Yang et al., "An Empirical Guide to the Behavior and Use of Scalable Persistent
 *   Memory"; its data files are `graphs/*.csv` of github NVSL/OptaneStudy. One thread; one DIMM
 *   where a file name ends in `_ni` (not interleaved), 2nd-generation Xeon Scalable.
 * - Pond: Li et al., ASPLOS'23. Melody: Liu et al., ASPLOS'25 (abstract).
 *
 * Which figures were fitted and which are there to check the model against: `cost.test.ts` and
 * docs/internals/pmem.md. `assumed` says that no measurement was found and what was put instead.
 */
import type { MediaName } from "../spec/device.ts";

/** A number with where it comes from. */
export interface Figure {
  readonly value: number;
  readonly source: string;
}

/** All times in nanoseconds, for one thread. A line is 64 bytes. */
export interface MediaModel {
  readonly name: MediaName;
  readonly title: string;
  /** Load of a line that does not follow the line loaded last. */
  readonly loadRandomNs: Figure;
  /** Load of the line after the line loaded last, one load waiting for the other. */
  readonly loadSequentialNs: Figure;
  /** Every further line of one copy: loads overlap, bandwidth counts. */
  readonly loadStreamNs: Figure;
  /** The CPU cache that stands before the memory: its lines, and a load that it answers. */
  readonly cacheLines: Figure;
  readonly cacheHitNs: Figure;
  readonly cacheStreamNs: Figure;
  /** A cached store to a line that is in the cache. A line that is not is loaded first. */
  readonly storeLineNs: Figure;
  /** CLWB of a dirty line, without waiting for it. */
  readonly flushLineNs: Figure;
  /** Non-temporal store of a line, without waiting for it. */
  readonly nonTemporalLineNs: Figure;
  /** A fence with nothing to wait for; with flushed lines; with non-temporal stores. */
  readonly fenceNs: Figure;
  readonly flushDrainNs: Figure;
  readonly nonTemporalDrainNs: Figure;
  /** What the medium writes at once, in bytes, and how long it is busy with that. */
  readonly mediaLineSize: Figure;
  readonly mediaWriteNs: Figure;
  /** Media lines that the write-combining buffer holds; 0 where there is none. */
  readonly bufferLines: Figure;
}

const figure = (value: number, source: string): Figure => ({ value, source });

const CPU = {
  cacheLines: figure(16_384, "L2 of Skylake-SP and Cascade Lake: 1 MiB (anandtech.com, 11550)"),
  cacheHitNs: figure(5, "L2 latency of 11 to 13 cycles (anandtech.com, 11550), at 2.6 GHz"),
  cacheStreamNs: figure(0.5, "assumed: a line per cycle or two, loads overlap"),
  storeLineNs: figure(2, "assumed: the share of the store in FAST'20's store+clwb"),
  fenceNs: figure(2, "assumed: SFENCE with empty buffers, some cycles"),
};

/** FAST'20 `12-flush_instr_lat.csv`: fits at both ends, 64 B and 4 KiB, of a line a + b n. */
const CLWB_64B_NS = 116.43;
const CLWB_4K_NS = 1774.25;
const NT_64B_NS = 124.69;
const NT_4K_NS = 1550.55;
const CLWB_PER_LINE_NS = (CLWB_4K_NS - CLWB_64B_NS) / 63;
const NT_PER_LINE_NS = (NT_4K_NS - NT_64B_NS) / 63;

const OPTANE: MediaModel = {
  name: "optane",
  title: "Intel Optane DCPMM, one DIMM",
  ...CPU,
  loadRandomNs: figure(305, "FAST'20, 02-best_case_latency.csv, read random"),
  loadSequentialNs: figure(169.4, "FAST'20, 02-best_case_latency.csv, read sequential"),
  loadStreamNs: figure(64 / 2.92, "FAST'20, 04-*_optane_ni.csv: read, 1 thread, 2.92 GB/s"),
  flushLineNs: figure(
    CLWB_PER_LINE_NS - CPU.storeLineNs.value,
    "FAST'20, 12-flush_instr_lat.csv, store+clwb: slope from 64 B to 4 KiB, less storeLineNs",
  ),
  flushDrainNs: figure(
    CLWB_64B_NS - CLWB_PER_LINE_NS,
    "FAST'20, 12-flush_instr_lat.csv, store+clwb of 64 B, less one line",
  ),
  nonTemporalLineNs: figure(
    NT_PER_LINE_NS,
    "FAST'20, 12-flush_instr_lat.csv, ntstore: slope from 64 B to 4 KiB",
  ),
  nonTemporalDrainNs: figure(
    NT_64B_NS - NT_PER_LINE_NS,
    "FAST'20, 12-flush_instr_lat.csv, ntstore of 64 B, less one line",
  ),
  mediaLineSize: figure(256, "FAST'20 §2.1: XPLine"),
  mediaWriteNs: figure(256 / 2.22, "FAST'20, 04-*_optane_ni.csv: ntstore, 1 thread, 2.22 GB/s"),
  bufferLines: figure(64, "FAST'20 §5.1: XPBuffer of about 16 KB"),
};

const DRAM: MediaModel = {
  name: "dram",
  title: "DRAM with battery (NVDIMM-N)",
  ...CPU,
  loadRandomNs: figure(101.5, "FAST'20, 02-best_case_latency.csv, DRAM read random"),
  loadSequentialNs: figure(81.4, "FAST'20, 02-best_case_latency.csv, DRAM read sequential"),
  loadStreamNs: figure(64 / 7.38, "FAST'20, 04-*_dram.csv: read, 1 thread, 7.38 GB/s"),
  flushLineNs: figure(
    CLWB_PER_LINE_NS - CPU.storeLineNs.value,
    "assumed as Optane: in 02-best_case_latency.csv the write paths differ by 5 ns",
  ),
  flushDrainNs: figure(
    57.3 - CLWB_PER_LINE_NS,
    "FAST'20, 02-best_case_latency.csv, DRAM store+clwb+fence, less one line",
  ),
  nonTemporalLineNs: figure(64 / 4.31, "FAST'20, 04-*_dram.csv: ntstore, 1 thread, 4.31 GB/s"),
  nonTemporalDrainNs: figure(
    86.9 - 64 / 4.31,
    "FAST'20, 02-best_case_latency.csv, DRAM ntstore+fence, less one line",
  ),
  mediaLineSize: figure(64, "DDR4 burst of eight: a CPU line"),
  mediaWriteNs: figure(0, "one thread does not saturate DRAM (FAST'20, 04-*_dram.csv)"),
  bufferLines: figure(0, "none"),
};

/** One way to the device and back, in addition to DRAM. */
const CXL_NS = 70;
/** The CPU keeps as many lines under way as with DRAM, so throughput falls as latency grows. */
const CXL_SLOWER = (DRAM.loadRandomNs.value + CXL_NS) / DRAM.loadRandomNs.value;
const LITTLE = "DRAM's, times the ratio of the random loads (same lines under way) [derived]";

const CXL: MediaModel = {
  name: "cxl",
  title: "DRAM with battery behind CXL",
  ...CPU,
  loadRandomNs: figure(
    DRAM.loadRandomNs.value + CXL_NS,
    "DRAM + 70 ns, CXL's end-to-end overhead (Pond); Melody measures 140 to 410 ns",
  ),
  loadSequentialNs: figure(DRAM.loadSequentialNs.value + CXL_NS, "DRAM + 70 ns (Pond)"),
  loadStreamNs: figure(DRAM.loadStreamNs.value * CXL_SLOWER, LITTLE),
  flushLineNs: figure(
    (DRAM.flushLineNs.value + CPU.storeLineNs.value) * CXL_SLOWER - CPU.storeLineNs.value,
    LITTLE,
  ),
  flushDrainNs: figure(DRAM.flushDrainNs.value + CXL_NS, "DRAM + 70 ns [derived]"),
  nonTemporalLineNs: figure(DRAM.nonTemporalLineNs.value * CXL_SLOWER, LITTLE),
  nonTemporalDrainNs: figure(DRAM.nonTemporalDrainNs.value + CXL_NS, "DRAM + 70 ns [derived]"),
  mediaLineSize: DRAM.mediaLineSize,
  mediaWriteNs: figure(0, "assumed as DRAM"),
  bufferLines: DRAM.bufferLines,
};

export const MediaModels: Readonly<Record<MediaName, MediaModel>> = {
  dram: DRAM,
  optane: OPTANE,
  cxl: CXL,
};
