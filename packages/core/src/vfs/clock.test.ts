/** Ticks and exact times: what changed later never has the earlier time. */
import { expect, test } from "vitest";
import type { Clock, Timespec } from "../spec/inode.ts";
import { O_CREAT, O_RDWR } from "../spec/mode.ts";
import { coarseClock, multigrain } from "./clock.ts";
import { Task } from "./task.ts";
import { mountMemory, n } from "./testing.ts";

/** Ticks each 10 ns; time goes on by 1 ns at each question. */
function tickingClock(): Clock {
  let nsec = 0;
  return {
    now: (): Timespec => ({ sec: 1, nsec: ++nsec }),
    tick: (): Timespec => ({ sec: 1, nsec: nsec - (nsec % 10) }),
  };
}

test("a tick does not go back behind an exact time", () => {
  const clock = multigrain(tickingClock());
  for (let index = 0; index < 13; index++) clock.now();
  expect(clock.tick!()).toEqual({ sec: 1, nsec: 13 });
  const coarse = coarseClock(multigrain(tickingClock()), 1000);
  expect(coarse.now()).toEqual({ sec: 1, nsec: 0 });
  expect(coarse.tick!()).toEqual({ sec: 1, nsec: 0 });
});

test("a clock without ticks is as it was", () => {
  const clock: Clock = { now: () => ({ sec: 7, nsec: 7 }) };
  expect(multigrain(clock)).toBe(clock);
});

test("writes share a tick until somebody looks at the times", () => {
  let asked = 0;
  const ticking = tickingClock();
  const clock: Clock = {
    now: () => {
      asked++;
      return ticking.now();
    },
    tick: () => ticking.tick!(),
  };
  const { vfs } = mountMemory({ clock: multigrain(clock) });
  const task = new Task(vfs);
  const file = task.open(n("/f"), O_CREAT | O_RDWR);
  const write = (): void => void task.write(file, new Uint8Array(1));
  const mtime = (): number => task.fstat(file).mtimeNsec;
  mtime();
  write();
  const first = mtime();
  asked = 0;
  write();
  write();
  write();
  // The first write after the look takes the exact time, the others the tick, which is no earlier.
  expect(asked).toBe(1);
  const second = mtime();
  expect(second).toBeGreaterThan(first);
  write();
  expect(mtime()).toBeGreaterThan(second);
});
