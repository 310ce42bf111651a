/**
 * Goes through a recording once: the image follows what is durable, the oracle what is promised,
 * and at every crash point a visitor is told what is in flight.
 *
 * Crash points: just before each fence, and when an operation has returned; under eadr also just
 * before it returns, if it made cached stores since its last fence. What was stored before the body
 * (mount, setup) is not explored, but stays in flight if nobody made it durable.
 */
import {
  EVENT_FENCE,
  EVENT_MARK,
  EVENT_STORE,
  type PersistenceDomain,
  Pmem,
  type PmemEvent,
  type Purpose,
} from "@xiplab/core";
import { ModelFs } from "@xiplab/testkit";
import { type Flight, type FlightTracker, trackFlight } from "./flight.ts";
import { type PointName, domainOf } from "./id.ts";
import { CrashImage } from "./image.ts";
import { Oracle } from "./oracle.ts";
import { promisesOf } from "./promises.ts";
import { type Recording, endMark } from "./record.ts";
import type { CrashCase } from "./types.ts";

export interface Point {
  readonly name: PointName;
  readonly flight: Flight;
}

export const samePoint = (a: PointName, b: PointName): boolean =>
  a.operation === b.operation && a.fence === b.fence;

export class Walk {
  readonly image: CrashImage;
  readonly oracle: Oracle;
  readonly pointsTotal: number;
  /** What each store of the recording was for, by its order (from 1). */
  readonly purposes: Purpose[] = [0];
  private readonly crashCase: CrashCase;
  private readonly recording: Recording;
  private readonly tracker: FlightTracker;

  constructor(crashCase: CrashCase, recording: Recording) {
    this.crashCase = crashCase;
    this.recording = recording;
    const device = new Pmem(crashCase.deviceSize, domainOf(crashCase), recording.source);
    this.image = new CrashImage(device);
    this.tracker = trackFlight(domainOf(crashCase));
    this.oracle = new Oracle(new ModelFs(recording.limits), promisesOf(crashCase));
    this.pointsTotal = countPoints(recording.events, domainOf(crashCase));
    this.playSetup();
  }

  /** Visit every crash point. The image is as it was when the visitor returns. */
  run(visit: (point: Point) => void): void {
    const persist = (offset: number, bytes: Uint8Array): void => this.image.put(offset, bytes);
    let operation = -1;
    let fence = 0;
    const cut = (): void => visit({ name: { operation, fence }, flight: this.tracker.flight() });
    for (const event of this.recording.events) {
      const returns = event.kind === EVENT_MARK && event.mark === endMark(operation);
      if (operation >= 0 && event.kind === EVENT_FENCE) {
        cut();
        fence++;
      } else if (returns && this.tracker.undecided) {
        cut();
      }
      if (event.kind === EVENT_STORE) this.purposes.push(event.purpose);
      this.tracker.add(event, persist);
      if (event.kind !== EVENT_MARK) continue;
      if (returns) {
        this.end(operation);
        fence = -1;
        cut();
      } else {
        operation++;
        fence = 0;
        this.begin(operation);
      }
    }
  }

  private begin(index: number): void {
    const operation = this.crashCase.body[index];
    if (operation !== undefined) this.oracle.begin(operation);
  }

  private end(index: number): void {
    if (index === this.crashCase.body.length) this.oracle.syncAll();
    else this.oracle.end();
  }

  private playSetup(): void {
    for (const operation of this.crashCase.setup) {
      this.oracle.begin(operation);
      this.oracle.end();
    }
    this.oracle.syncAll();
  }
}

function countPoints(events: readonly PmemEvent[], domain: PersistenceDomain): number {
  const tracker = trackFlight(domain);
  let count = 0;
  let begun = false;
  for (const event of events) {
    if (event.kind === EVENT_MARK && event.mark % 2 === 1) count += tracker.undecided ? 2 : 1;
    else if (event.kind === EVENT_FENCE && begun) count++;
    begun ||= event.kind === EVENT_MARK;
    tracker.add(event, () => {});
  }
  return count;
}
