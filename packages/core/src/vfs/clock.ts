/** Clocks: that of a mount that was given none, and that of a format with coarse times. */
import { assert } from "../spec/errors.ts";
import type { Clock, Timespec } from "../spec/inode.ts";

/** 6 December 2013, 00:00 UTC: the day of the mail that this project starts from. */
const EPOCH_SEC = 1_386_288_000;
const STEP_NSEC = 1_000;
const NSEC_PER_SEC = 1_000_000_000;

/**
 * A clock that starts at 2013-12-06 00:00:00 UTC and goes on by one microsecond whenever it is
 * asked, so that every later event has a later time. Gives the same object each time: copy it.
 */
export function counterClock(): Clock {
  const time: Timespec = { sec: EPOCH_SEC, nsec: 0 };
  return {
    now(): Timespec {
      time.nsec += STEP_NSEC;
      if (time.nsec >= NSEC_PER_SEC) {
        time.nsec -= NSEC_PER_SEC;
        time.sec++;
      }
      return time;
    },
  };
}

/**
 * A clock whose ticks never go back behind an exact time that it gave: what changed later has no
 * earlier time, whichever way the two were asked for.
 */
export function multigrain(clock: Clock): Clock {
  if (clock.tick === undefined) return clock;
  const last: Timespec = { sec: -Infinity, nsec: 0 };
  return {
    now(): Timespec {
      const time = clock.now();
      last.sec = time.sec;
      last.nsec = time.nsec;
      return time;
    },
    tick(): Timespec {
      const time = clock.tick!();
      const isBehind = time.sec < last.sec || (time.sec === last.sec && time.nsec < last.nsec);
      return isBehind ? last : time;
    },
  };
}

/** A clock that stands still for `granularityNsec`, a divisor of a second. */
export function coarseClock(clock: Clock, granularityNsec: number): Clock {
  assert(NSEC_PER_SEC % granularityNsec === 0, "the granularity divides a second");
  if (granularityNsec === 1) return clock;
  const coarse = (exact: Timespec): Timespec => ({
    sec: exact.sec,
    nsec: exact.nsec - (exact.nsec % granularityNsec),
  });
  const now = (): Timespec => coarse(clock.now());
  return clock.tick === undefined ? { now } : { now, tick: () => coarse(clock.tick!()) };
}
