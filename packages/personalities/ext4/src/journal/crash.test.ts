/**
 * Power cuts of mount, commits, checkpoints (the log is made to run full), and unmount, in states of
 * the x86 persistence model: at every fence and inside every epoch. Each state must be recovered to
 * what some prefix of the transactions left, of which every acknowledged one is part; with both
 * superblocks mended. Small epochs are enumerated in full; of large ones none, all, each group by
 * itself, all but each, and random subsets.
 */
import assert from "node:assert/strict";
import {
  createPmem,
  EVENT_FENCE,
  EVENT_MARK,
  EVENT_STORE,
  InFlight,
  PENDING_LINE,
  type PendingGroup,
  type PendingStore,
  type Pmem,
  type PmemEvent,
  PURPOSE_DATA,
  runUnit,
} from "@xiplab/core";
import { expect, test } from "vitest";
import { SUPERBLOCK } from "../format/superblock.ts";
import { JBD2_MAGIC } from "../format/jbd2.ts";
import { readGeometry } from "../super.ts";
import { superBuffer } from "../super-buffer.ts";
import * as t from "./testing.ts";
import { DATA, NUMBER, REUSED, Run, wholeLife } from "./testing-run.ts";

/** So many that five transactions with all of them fill the log of 1,023 blocks. */
const MANY = Array.from({ length: 220 }, (_, index) => 3100 + index);
/** Of an epoch with many stores, so many are taken or left out each by itself. */
const GROUPS_MAX = 12;
const SEED = 7;

/** What `fill` and `commit` make of a value. */
function contentOf(value: number): Buffer {
  const bytes = Buffer.alloc(4096, value);
  if (value % 3 === 0 && value !== 0) bytes.writeUInt32BE(JBD2_MAGIC);
  return bytes;
}
const CONTENTS = Array.from({ length: 256 }, (_, value) => contentOf(value));

const holds = (device: Pmem, pblk: number, value: number): boolean =>
  CONTENTS[value]!.equals(device.directAccess(pblk * 4096, 4096));

/** Every crash state of a run, recovered and looked at. */
class Explorer {
  readonly device: Pmem;
  readonly counts = { states: 0 };
  private readonly run: Run;
  private readonly flight: InFlight;
  private readonly random = t.randomOf(SEED);
  private durable = 0;
  private begun = 0;

  constructor(run: Run) {
    this.run = run;
    this.device = t.copyDevice(run.start, createPmem({ size: run.start.size }));
    this.flight = new InFlight("adr");
  }

  /** Look at the states from the moment on when transaction `first` is being committed. */
  explore(events: readonly PmemEvent[], first = 0): void {
    for (const event of events) {
      const looks = this.begun >= first;
      if (event.kind === EVENT_FENCE && looks) this.cut();
      if (event.kind === EVENT_MARK) {
        this.begun = event.mark >>> 1;
        if ((event.mark & 1) === 1) this.durable = this.begun;
      }
      this.flight.add(event, (offset, bytes) => {
        this.device.store(offset, bytes, 0, bytes.length, PURPOSE_DATA);
      });
      if (event.kind === EVENT_FENCE && looks) this.look([]);
      // In the midst of an epoch the few words that commit are what matters: before and after.
      if (event.kind === EVENT_STORE && looks && event.bytes.length <= 8) this.cut();
    }
  }

  /** The states of this moment. */
  private cut(): void {
    const groups = this.flight.pending();
    const whole = groups.map((group) => (group.kind === PENDING_LINE ? group.stores : [group]));
    const units = groups.reduce((sum, group) => sum + unitCount(group), 0);
    if (units <= 4 && groups.every((group) => group.kind !== PENDING_LINE)) {
      const choices = groups.flatMap((group) => unitsOf(group));
      for (let mask = 0; mask < 2 ** choices.length; mask++) {
        this.look(choices.filter((_, index) => ((mask >>> index) & 1) === 1));
      }
      return;
    }
    this.look([]);
    this.look(whole.flat());
    const step = Math.ceil(groups.length / GROUPS_MAX);
    for (let index = groups.length - 1; index >= 0; index -= step) {
      this.look(whole[index]!);
      this.look(whole.flatMap((stores, other) => (other === index ? [] : stores)));
    }
    const draws = units < 10_000 ? 4 : 1;
    for (let draw = 0; draw < draws; draw++) {
      const share = 2 ** 32 * (draw % 2 === 0 ? 0.5 : 0.97);
      this.look(groups.flatMap((group) => this.draw(group, share)));
    }
  }

  private draw(group: PendingGroup, share: number): PendingStore[] {
    if (group.kind === PENDING_LINE) {
      return group.stores.slice(0, this.random() % (group.stores.length + 1));
    }
    return unitsOf(group).filter(() => this.random() < share);
  }

  /** One crash state: recovered, judged, and taken back. */
  private look(chosen: readonly PendingStore[]): void {
    const { device } = this;
    this.counts.states++;
    device.snapshot();
    for (const { bytes, offset } of chosen.toSorted((one, other) => one.order - other.order)) {
      device.store(offset, bytes, 0, bytes.length, PURPOSE_DATA);
    }
    this.judge();
    device.rollback();
  }

  private judge(): void {
    const { device, run } = this;
    const { geometry, buffers } = t.openOn(device);
    const legal = run.states.slice(this.durable, this.begun + 1);
    const state = legal.findIndex((state) =>
      run.blocks.every((pblk) => holds(device, pblk, state.get(pblk) ?? 0)),
    );
    assert.notEqual(state, -1, `transactions ${this.durable} to ${this.begun}`);
    readGeometry(device);
    const buffer = superBuffer(buffers);
    const number = SUPERBLOCK.freeInodes.get(buffer.view, buffer.at + geometry.superOffset);
    if (this.durable > 0) assert.equal(number, legal[state]!.get(NUMBER));
    this.judgeReused();
  }

  /** Data that was stored in place stays, whatever of the block is in the log. */
  private judgeReused(): void {
    const value = this.run.states[this.durable]!.get(REUSED);
    if (value === undefined || value < DATA) return;
    assert.ok(holds(this.device, REUSED, value), "data in place stays");
  }
}

const unitCount = (group: PendingGroup): number =>
  group.kind === PENDING_LINE ? group.stores.length : group.units;

const unitsOf = (group: PendingGroup): PendingStore[] =>
  group.kind === PENDING_LINE
    ? [...group.stores]
    : Array.from({ length: group.units }, (_, index) => runUnit(group, index));

test.each([
  ["with checksums", ["-b", "4096"]],
  ["without checksums", ["-b", "4096", "-O", "^metadata_csum,^64bit"]],
])("every crash state of a mount is recovered to a legal state, %s", (_, args) => {
  const run = wholeLife(args);
  const explorer = new Explorer(run);
  explorer.explore(run.recorder.events);
  console.log(`seed=${SEED}`, explorer.counts.states, "states");
  expect(explorer.counts.states).toBeGreaterThan(100);
});

test("every crash state of a commit that finds the log full is recovered to a legal state", () => {
  const run = new Run(["-b", "4096"], MANY);
  run.mount();
  // The first 20 are in the oldest transaction alone: they have to go home.
  for (let number = 1; number <= 4; number++) {
    run.commit(MANY.slice(number === 1 ? 0 : 20).map((pblk) => [pblk, number]));
  }
  run.commit(MANY.slice(20, 150).map((pblk) => [pblk, 5]));
  run.commit(MANY.slice(50).map((pblk) => [pblk, 7]));
  const events = run.recorder.events.length;
  const explorer = new Explorer(run);
  explorer.explore(run.recorder.events, 5);
  console.log(`seed=${SEED}`, explorer.counts.states, "states of", events, "events");
  expect(explorer.counts.states).toBeGreaterThan(30);
});
