/**
 * Proves that the cost meter gives what was published. Measurements: FAST'20 (github
 * NVSL/OptaneStudy, `graphs/*.csv`). The model was fitted to two points of each write curve (64 B
 * and 4 KiB), to single latencies and to one-thread bandwidths; everything else here is a check, each
 * with its tolerance. What the model misses is at the end, so that nobody has to find it.
 */
import { describe, expect, it } from "vitest";
import {
  CostMeter,
  createPmem,
  MediaModels,
  MediaNames,
  type MediaName,
  type Pmem,
  PURPOSE_DATA,
} from "../index.ts";

const MIB = 2 ** 20;
const BYTES = new Uint8Array(MIB);

function watched(name: MediaName, size = 64 * MIB): { meter: CostMeter; device: Pmem } {
  const meter = new CostMeter(MediaModels[name]);
  return { meter, device: createPmem({ size, observers: [meter] }) };
}

type Write = "ntstore" | "store+clwb" | "store";

function write(device: Pmem, kind: Write, offset: number, length: number): void {
  if (kind === "ntstore") device.storeNonTemporal(offset, BYTES, 0, length, PURPOSE_DATA);
  else device.store(offset, BYTES, 0, length, PURPOSE_DATA);
  if (kind === "store+clwb") device.flush(offset, length);
}

/** One write and its fence, the lines in the cache, the medium at rest. Nanoseconds. */
function latencyNs(name: MediaName, kind: Write, length: number): number {
  const { meter, device } = watched(name);
  device.load(0, BYTES.slice(), 0, length);
  const before = meter.modelledNs;
  write(device, kind, 0, length);
  device.fence();
  return meter.modelledNs - before;
}

/** A fixed walk over the device that looks random: a full cycle over `count` places. */
function* places(count: number): Generator<number> {
  let place = 1;
  for (let index = 0; index < count; index++) {
    place = (Math.imul(place, 1664525) + 1013904223) >>> 0;
    yield place % count;
  }
}

/** GB/s of writes of `length` at random places, with a fence after each or none at all. */
function bandwidth(kind: Write, length: number, fenced: boolean): number {
  const { meter, device } = watched("optane");
  const count = (64 * MIB) / length;
  let writes = 0;
  for (const place of places(count)) {
    write(device, kind, place * length, length);
    if (fenced) device.fence();
    if (++writes === 4000) break;
  }
  return (writes * length) / meter.modelledNs;
}

const off = (found: number, published: number) => Math.abs(found / published - 1);

// 12-flush_instr_lat.csv: latency with the fence, ns.
const CURVE: ReadonlyArray<readonly [length: number, ntstore: number, clwb: number]> = [
  [64, 124.69, 116.43],
  [128, 134.69, 133.71],
  [256, 211.98, 192.47],
  [512, 304.68, 327.9],
  [1024, 483.97, 601.01],
  [2048, 853.5, 1015.17],
  [4096, 1550.55, 1774.25],
];
const ENDS = [64, 4096];

describe("Optane: cost of a write with its fence", () => {
  it.each(CURVE.filter(([length]) => ENDS.includes(length)))("fitted: %i B", (length, nt, clwb) => {
    expect(off(latencyNs("optane", "ntstore", length), nt)).toBeLessThan(0.001);
    expect(off(latencyNs("optane", "store+clwb", length), clwb)).toBeLessThan(0.001);
  });

  it.each(CURVE.filter(([length]) => !ENDS.includes(length)))(
    "checked: %i B, ntstore within 10%, store+clwb within 16%",
    (length, nt, clwb) => {
      expect(off(latencyNs("optane", "ntstore", length), nt)).toBeLessThan(0.1);
      expect(off(latencyNs("optane", "store+clwb", length), clwb)).toBeLessThan(0.16);
    },
  );

  it("checked: from 512 B on ntstore is the cheaper way, below it is not", () => {
    const cheaper = (length: number) =>
      latencyNs("optane", "ntstore", length) < latencyNs("optane", "store+clwb", length);
    expect([64, 128, 512, 1024, 4096].map(cheaper)).toEqual([false, false, true, true, true]);
  });
});

describe("Optane: bandwidth, one DIMM", () => {
  // 05-bandwidth_accesssize_optane_ni.csv: many threads, so the medium is the limit.
  it.each([
    [64, 0.5547],
    [128, 1.0984],
    [256, 2.207],
    [4096, 2.2313],
  ])("checked: ntstore of %i B at random, no fence, %f GB/s within 5%", (length, published) => {
    expect(off(bandwidth("ntstore", length, false), published)).toBeLessThan(0.05);
  });

  // 13-sfence_interval.csv: one thread, a fence after every write.
  it.each([
    [256, 1.2625],
    [512, 2.2125],
    [1024, 2.2375],
    [4096, 2.2375],
  ])("checked: ntstore of %i B and a fence, %f GB/s within 20%", (length, published) => {
    expect(off(bandwidth("ntstore", length, true), published)).toBeLessThan(0.2);
  });

  it("checked: one thread of store+clwb over cold lines, 1.44 GB/s within 10%", () => {
    const { meter, device } = watched("optane");
    for (let offset = 0; offset < 16 * MIB; offset += 4096) {
      write(device, "store+clwb", offset, 4096);
    }
    expect(off((16 * MIB) / meter.modelledNs, 1.44)).toBeLessThan(0.1);
  });

  it("fitted: loads, random and sequential, and streams", () => {
    const { meter, device } = watched("optane");
    const cost = (offset: number, length: number) => {
      const before = meter.modelledNs;
      device.directAccess(offset, length);
      return meter.modelledNs - before;
    };
    expect(cost(8192, 64)).toBeCloseTo(305, 6);
    expect(cost(8192 + 64, 64)).toBeCloseTo(169.4, 6);
    expect(cost(8192, 64)).toBeCloseTo(5, 6);
    expect(off(MIB / cost(2 * MIB, MIB), 2.92)).toBeLessThan(0.01);
  });
});

describe("Optane: write amplification", () => {
  /** Bytes that left the CPU per byte that the medium wrote: FAST'20's effective write ratio. */
  function writeRatio(kind: Write, length: number): number {
    const { meter, device } = watched("optane");
    const count = (64 * MIB) / length;
    let writes = 0;
    for (const place of places(count)) {
      write(device, kind, place * length, length);
      if (++writes === 40_000) break;
    }
    return 1 / meter.writeAmplification;
  }

  // FAST'20 §5.1 and 08-*.csv.
  it("checked: effective write ratio, random", () => {
    expect(writeRatio("ntstore", 64)).toBeCloseTo(0.25, 2);
    expect(writeRatio("ntstore", 256)).toBeGreaterThanOrEqual(0.98);
    expect(writeRatio("store", 64)).toBeCloseTo(0.26, 1);
  });

  /** The experiment of 09: first halves of all media lines in turn, then the second halves. */
  function regionAmplification(size: number): number {
    const { meter, device } = watched("optane");
    for (let pass = 0; pass < 40; pass++) {
      for (const half of [0, 128]) {
        for (let offset = half; offset < size; offset += 256) {
          write(device, "ntstore", offset, 128);
        }
      }
    }
    return meter.writeAmplification;
  }

  // 09-infer_xpbuffer.csv.
  it.each([
    [2048, 1.036],
    [4096, 1.034],
    [16_384, 1.036],
    [18_432, 1.039],
    [20_480, 1.359],
    [24_576, 1.608],
    [32_768, 1.82],
    [65_536, 2.043],
    [262_144, 2.076],
  ])("checked: region of %i bytes, %f within 14%", (size, published) => {
    expect(off(regionAmplification(size), published)).toBeLessThan(0.14);
  });

  it("counts read-modify-writes, and what waits in the buffer once it is settled", () => {
    const { meter, device } = watched("optane");
    write(device, "ntstore", 0, 256);
    write(device, "ntstore", 4096, 64);
    expect([meter.mediaBytesWritten, meter.readModifyWrites]).toEqual([256, 0]);
    meter.settle();
    meter.settle();
    expect([meter.mediaBytesWritten, meter.readModifyWrites]).toEqual([512, 1]);
    expect(meter.writeAmplification).toBe(512 / 320);
    device.fence();
    write(device, "ntstore", 4096, 64);
    write(device, "ntstore", 4096 + 64, 192);
    expect([meter.mediaBytesWritten, meter.readModifyWrites]).toEqual([768, 1]);
  });
});

describe("CostMeter", () => {
  it("charges a flush of a clean line, and a fence with nothing to wait for, next to nothing", () => {
    const { meter, device } = watched("optane");
    device.storeU64(0, 1, 1, PURPOSE_DATA);
    device.persist(0, 8);
    const { modelledNs, cpuBytesWritten } = meter;
    device.persist(0, 8);
    expect(meter.modelledNs - modelledNs).toBeLessThan(10);
    expect(meter.cpuBytesWritten).toBe(cpuBytesWritten);
  });

  it("combines small non-temporal stores to one line until the fence", () => {
    const { meter, device } = watched("optane");
    for (let offset = 0; offset < 64; offset += 8) write(device, "ntstore", offset, 8);
    expect(meter.cpuBytesWritten).toBe(64);
    device.fence();
    write(device, "ntstore", 56, 16);
    expect(meter.cpuBytesWritten).toBe(192);
  });

  it("writes dirty lines that the CPU cache pushes out, without charging time for it", () => {
    const { meter, device } = watched("dram");
    device.storeU64(0, 1, 1, PURPOSE_DATA);
    device.directAccess(MIB, 8);
    expect(meter.mediaBytesWritten).toBe(64);
    device.persist(0, 8);
    expect(meter.mediaBytesWritten).toBe(64);
  });

  it("lets the medium catch up while the software thinks", () => {
    const busy = watched("optane");
    const idle = watched("optane");
    for (const { meter, device } of [busy, idle]) {
      for (let offset = 0; offset < 4 * MIB; offset += 4096) {
        write(device, "ntstore", offset, 4096);
        if (meter === idle.meter) meter.idle(10_000);
      }
    }
    expect(idle.meter.modelledNs).toBeLessThan(busy.meter.modelledNs);
    expect(idle.meter.mediaBytesWritten).toBe(busy.meter.mediaBytesWritten);
  });

  it.each(MediaNames)("names a source for every figure of %s", (name) => {
    const { name: own, title, ...figures } = MediaModels[name];
    expect([own, title.length > 0]).toEqual([name, true]);
    for (const { value, source } of Object.values(figures)) {
      expect(value).toBeGreaterThanOrEqual(0);
      expect(source.length).toBeGreaterThan(3);
    }
  });
});

describe("DRAM and CXL", () => {
  // 02-best_case_latency.csv. By construction: a guard against slips, no proof of the model.
  it("fitted: DRAM, 64 B and a fence", () => {
    expect(latencyNs("dram", "ntstore", 64)).toBeCloseTo(86.9, 6);
    expect(latencyNs("dram", "store+clwb", 64)).toBeCloseTo(57.3, 6);
  });

  it("checked: a CXL load is within what Melody measured, 140 to 410 ns", () => {
    const { meter, device } = watched("cxl");
    device.directAccess(0, 64);
    expect(meter.modelledNs).toBeGreaterThan(140);
    expect(meter.modelledNs).toBeLessThan(410);
  });

  it("checked: DRAM is never slower than Optane, CXL never faster than DRAM", () => {
    for (const kind of ["ntstore", "store+clwb"] as const) {
      for (const [length] of CURVE) {
        const dram = latencyNs("dram", kind, length);
        expect(dram).toBeLessThanOrEqual(latencyNs("optane", kind, length));
        expect(dram).toBeLessThan(latencyNs("cxl", kind, length));
      }
    }
  });
});

describe("known misses", () => {
  it("64 B and 128 B with a fence each: 13-sfence_interval.csv is slower than 12-*.csv", () => {
    // Back to back, one thread measured 0.3375 and 0.65 GB/s, which is 190 and 197 ns; the latency
    // curve of the same paper says 125 and 135 ns. The model follows the curve.
    expect(bandwidth("ntstore", 64, true) / 0.3375).toBeGreaterThan(1.4);
    expect(bandwidth("ntstore", 128, true) / 0.65).toBeGreaterThan(1.3);
  });
});
