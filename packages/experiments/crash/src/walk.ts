/**
 * Goes through a recording once: the image follows what is durable, the oracle what is promised,
 * and at every crash point a visitor is told what is in flight.
 *
 * Crash points: just before each fence, and when an operation has returned. What was stored before
 * the body (mount, setup) is not explored, but stays in flight if nobody made it durable.
 */
import {
  EVENT_FENCE,
  EVENT_MARK,
  EVENT_STORE,
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
import { type Recording, beginMark } from "./record.ts";
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
    this.pointsTotal = countPoints(recording.events, crashCase.body.length);
    this.playSetup();
  }

  /** Visit every crash point. The image is as it was when the visitor returns. */
  run(visit: (point: Point) => void): void {
    const persist = (offset: number, bytes: Uint8Array): void => this.image.put(offset, bytes);
    let operation = -1;
    let fence = 0;
    for (const event of this.recording.events) {
      if (event.kind === EVENT_MARK) {
        const index = Math.floor(event.mark / 2);
        if (event.mark === beginMark(index)) {
          operation = index;
          fence = 0;
          this.begin(index);
        } else {
          this.end(index);
          visit({ name: { operation, fence: -1 }, flight: this.tracker.flight() });
        }
        continue;
      }
      if (event.kind === EVENT_FENCE && operation >= 0) {
        visit({ name: { operation, fence }, flight: this.tracker.flight() });
        fence++;
      }
      if (event.kind === EVENT_STORE) this.purposes.push(event.purpose);
      this.tracker.add(event, persist);
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

function countPoints(events: readonly PmemEvent[], bodyLength: number): number {
  const first = events.findIndex((event) => event.kind === EVENT_MARK);
  const fences = events.slice(first).filter((event) => event.kind === EVENT_FENCE).length;
  return fences + bodyLength + 1;
}
