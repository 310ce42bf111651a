/**
 * The process that measures one target: what it has in its heap, and what V8 made of its code,
 * disturbs no other target. Driven by `run.ts` over the IPC channel.
 */
import { type Batch, type Measurement, Meter } from "./batch.ts";
import { ALL_USED, ImageSections } from "./catalog.ts";
import {
  chooseDirectories,
  chooseFiles,
  makeFlatTree,
  makeGrowthTree,
  Operations,
  type Scene,
} from "./operations.ts";
import type { ChildOptions, Reply, Request, TargetName } from "./protocol.ts";
import { EXT4, MEMCPY, MEMFS, NODE_EXT4, NODE_PLAIN, NODE_VFS, PLAIN } from "./protocol.ts";
import { beginPause, endPause } from "./pauses.ts";
import { openMemfs, openNodeVfs, openTmpfs, openZenfs } from "./targets/peers.ts";
import type { Target } from "./targets/target.ts";

/** Files that a batch makes. ZenFS takes 1 ms to make one, so it gets smaller directories. */
const BATCH_FILES = 1_000;
const BATCH_FILES_ZENFS = 100;

interface Opened {
  prepare(op: string): ReadonlyMap<TargetName, Measurement>;
  dispose(): void;
}

/** xiplab is imported where it is measured, as every peer is. */
async function open(options: ChildOptions): Promise<Opened> {
  switch (options.target) {
    case PLAIN:
    case EXT4: {
      const { openXiplab } = await import("./targets/xiplab.ts");
      const { prepareImage } = await import("./image.ts");
      const scene = sceneOf(openXiplab(options.target, options.population), options);
      const images = ImageSections.flatMap(({ rows }) => rows.map(({ op }) => op));
      return {
        ...scene,
        prepare: (op) => {
          if (!images.includes(op)) return scene.prepare(op);
          return new Map([[options.target, new Meter(prepareImage(op))]]);
        },
      };
    }
    case NODE_PLAIN:
    case NODE_EXT4: {
      const { openNodeFs } = await import("./targets/node-fs.ts");
      return sceneOf(openNodeFs(options.target), options);
    }
    case MEMFS:
      return sceneOf(await openMemfs(), options);
    case "zenfs":
      return sceneOf(await openZenfs(), options);
    case NODE_VFS:
      return sceneOf(await openNodeVfs(), options);
    case "tmpfs":
      return sceneOf(openTmpfs(), options);
    case MEMCPY: {
      const { prepareXip } = await import("./xip.ts");
      const prepare = (op: string) => metersOf(prepareXip(op, options.beside));
      return { prepare, dispose: () => undefined };
    }
    default: {
      const { target } = options;
      const { openMountScene } = await import("./mounts/scene.ts");
      const scene = await openMountScene(target);
      return { ...scene, prepare: (op) => new Map([[target, scene.prepare(op)]]) };
    }
  }
}

function metersOf(batches: ReadonlyMap<TargetName, Batch>): ReadonlyMap<TargetName, Measurement> {
  return new Map([...batches].map(([target, batch]) => [target, new Meter(batch)]));
}

function sceneOf<Handle>(
  opened: { readonly target: Target<Handle>; readonly root: string },
  { target: name, population, oneDirectory }: ChildOptions,
): Opened {
  const { target, root } = opened;
  const batchFiles = name === "zenfs" ? BATCH_FILES_ZENFS : BATCH_FILES;
  const makeTree = oneDirectory ? makeFlatTree : makeGrowthTree;
  const all = population === 0 ? [] : makeTree(target, root, population);
  const tree = oneDirectory ? chooseFiles(all) : chooseDirectories(all);
  const some: Scene<Handle> = { target, root, batchFiles, tree };
  const prepare = (op: string): ReadonlyMap<TargetName, Measurement> => {
    const operation = Operations[op.replace(/ @.*/, "")];
    if (operation === undefined) throw new Error(`no operation '${op}'`);
    const scene = op.endsWith(ALL_USED) ? { ...some, tree: all } : some;
    const batch = operation(scene);
    // Of so many files a slice visits a part: caches shall know all of them before the first.
    const passes = population > 0 && !op.startsWith("create") ? 2 : 0;
    for (let pass = 0; pass < passes; pass++) batch.run(0, batch.ops);
    return new Map([[name, new Meter(batch)]]);
  };
  return { prepare, dispose: () => target.dispose() };
}

async function main(): Promise<void> {
  const opened = await open(JSON.parse(process.argv[2]!) as ChildOptions);
  // Rows that are compared are prepared together, so there may be several at a time.
  const running = new Map<string, ReadonlyMap<TargetName, Measurement>>();
  const answer = (request: Request): Reply => {
    const { kind, op } = request;
    switch (kind) {
      case "prepare": {
        running.set(op, opened.prepare(op));
        // What preparing left behind is not to be collected on the clock.
        globalThis.gc?.();
        return { kind: "done" };
      }
      case "slice": {
        const meter = running.get(op)!.get(request.target)!;
        return { kind: "slice", slice: meter.slice(request.budgetMs) };
      }
      case "end":
        for (const meter of running.get(op)?.values() ?? []) meter.end();
        running.delete(op);
        return { kind: "done" };
    }
  };
  process.on("message", (request) => {
    endPause();
    const reply = guarded(() => answer(request as Request));
    beginPause();
    process.send!(reply);
  });
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
