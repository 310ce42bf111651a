/** fs._toUnixTimestamp: what Node keeps for its tests, and old programs have found there. */
import { invalidType } from "../errors.ts";
import type { Platform } from "../platform.ts";

/** Seconds since the epoch; what is before it means now. @throws TypeError ERR_INVALID_ARG_TYPE */
export function toUnixTimestamp(platform: Platform, time: unknown, name = "time"): number {
  const number = typeof time === "string" && time !== "" ? Number(time) : time;
  const isText = typeof time === "string" && !Number.isNaN(number);
  if (isText) return number as number;
  if (typeof time === "number" && Number.isFinite(time)) {
    return time < 0 ? platform.now() / 1000 : time;
  }
  if (time instanceof Date) return time.getTime() / 1000;
  const expected = "an instance of Date or Time in seconds";
  throw invalidType(platform, name, expected, time);
}
