/**
 * The process that measures one target: what it has in its heap, and what V8 made of its code,
 * disturbs no other target. Driven by `run.ts` over the IPC channel.
 */
import { type Batch, Meter } from "./batch.ts";
import { makeGrowthTree, Operations, type Scene } from "./operations.ts";
import type { ChildOptions, Reply, Request, TargetName } from "./protocol.ts";
import { MEMCPY, XIPLAB } from "./protocol.ts";
import { openMemfs, openNodeVfs, openTmpfs, openZenfs } from "./targets/peers.ts";
import type { Target } from "./targets/target.ts";

/** Files that a batch makes. ZenFS takes 1 ms to make one, so it gets smaller directories. */
const BATCH_FILES = 1_000;
const BATCH_FILES_ZENFS = 100;
const VISITS = 50_000;
const VISITS_QUICK = 10_000;

interface Opened {
  prepare(op: string): ReadonlyMap<TargetName, Batch>;
  dispose(): void;
}

/** xiplab is imported where it is measured, as every peer is. */
async function open(options: ChildOptions): Promise<Opened> {
  switch (options.target) {
    case XIPLAB: {
      const { openXiplab } = await import("./targets/xiplab.ts");
      return sceneOf(openXiplab(options.population), options);
    }
    case "memfs":
      return sceneOf(await openMemfs(), options);
    case "zenfs":
      return sceneOf(await openZenfs(), options);
    case "node-vfs":
      return sceneOf(await openNodeVfs(), options);
    case "tmpfs":
      return sceneOf(openTmpfs(), options);
    case MEMCPY: {
      const { prepareXip } = await import("./xip.ts");
      return { prepare: prepareXip, dispose: () => undefined };
    }
  }
}

function sceneOf<Handle>(
  opened: { readonly target: Target<Handle>; readonly root: string },
  { target: name, population, quick }: ChildOptions,
): Opened {
  const { target, root } = opened;
  const scene: Scene<Handle> = {
    target,
    root,
    batchFiles: name === "zenfs" ? BATCH_FILES_ZENFS : BATCH_FILES,
    tree: population === 0 ? [] : makeGrowthTree(target, root, population),
    visits: quick ? VISITS_QUICK : VISITS,
  };
  const prepare = (op: string): ReadonlyMap<TargetName, Batch> => {
    const operation = Operations[op.replace(/ @.*/, "")];
    if (operation === undefined) throw new Error(`no operation '${op}'`);
    return new Map([[name, operation(scene)]]);
  };
  return { prepare, dispose: () => target.dispose() };
}

async function main(): Promise<void> {
  const opened = await open(JSON.parse(process.argv[2]!) as ChildOptions);
  let batches: ReadonlyMap<TargetName, Batch> = new Map();
  let meters = new Map<TargetName, Meter>();
  const answer = (request: Request): Reply => {
    switch (request.kind) {
      case "prepare":
        batches = opened.prepare(request.op);
        meters = new Map([...batches].map(([target, batch]) => [target, new Meter(batch)]));
        // What preparing left behind is not to be collected on the clock.
        globalThis.gc?.();
        return { kind: "done" };
      case "slice":
        return { kind: "slice", slice: meters.get(request.target)!.slice(request.budgetMs) };
      case "end":
        for (const batch of batches.values()) batch.end?.();
        batches = new Map();
        return { kind: "done" };
    }
  };
  process.on("message", (request) => process.send!(guarded(() => answer(request as Request))));
  // The parent decides when to stop, also after Ctrl-C; then what is on the host goes away.
  process.on("SIGINT", () => undefined);
  process.on("disconnect", () => opened.dispose());
  process.send!({ kind: "done" } satisfies Reply);
}

/** A target that fails loses its row, and the parent says why. */
function guarded(work: () => Reply): Reply {
  try {
    return work();
  } catch (error) {
    return { kind: "failed", message: error instanceof Error ? error.message : String(error) };
  }
}

await main();
