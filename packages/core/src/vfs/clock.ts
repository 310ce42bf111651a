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

/** A clock that stands still for `granularityNsec`, a divisor of a second. Gives the same object each
 * time: copy it. */
export function coarseClock(clock: Clock, granularityNsec: number): Clock {
  assert(NSEC_PER_SEC % granularityNsec === 0, "the granularity divides a second");
  if (granularityNsec === 1) return clock;
  const time: Timespec = { sec: 0, nsec: 0 };
  return {
    now(): Timespec {
      const { sec, nsec } = clock.now();
      time.sec = sec;
      time.nsec = nsec - (nsec % granularityNsec);
      return time;
    },
  };
}
