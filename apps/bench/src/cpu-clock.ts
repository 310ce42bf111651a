/**
 * Time that this thread spent on a processor. Other programs of the machine do not count in it, the
 * garbage collector's pauses do. Node's own `process.threadCpuUsage` moves in steps of a tick.
 */

/** clockid_t: linux/time.h. */
const CLOCK_THREAD_CPUTIME_ID = 3;

/** Milliseconds; as wall time where the system has no such clock, or Node no way to it. */
export const threadCpuMs: () => number = await openClock();

async function openClock(): Promise<() => number> {
  const wall = (): number => performance.now();
  if (process.platform !== "linux") return wall;
  const { dlopen } = await import("node:ffi");
  const { functions } = dlopen("libc.so.6", {
    clock_gettime: { arguments: ["int32", "buffer"], return: "int32" },
  });
  const time = new BigInt64Array(2);
  const bytes = new Uint8Array(time.buffer);
  return () => {
    if (functions.clock_gettime(CLOCK_THREAD_CPUTIME_ID, bytes) !== 0) return wall();
    return Number(time[0]) * 1e3 + Number(time[1]) / 1e6;
  };
}
