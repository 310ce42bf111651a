/** Everything that is measured on one mounted image. */
import type { Measurement, Slice } from "../batch.ts";
import type { MountName } from "../protocol.ts";
import { prepareFio } from "./fio.ts";
import { MetadataRows } from "./metadata.ts";
import { prepareDbench, prepareUntar } from "./programs.ts";
import { openMount } from "./server.ts";

const PREFIX = "fuse: ";

export interface MountScene {
  prepare(op: string): Measurement;
  dispose(): void;
}

/** @throws Error where the image cannot be made or mounted */
export async function openMountScene(name: MountName): Promise<MountScene> {
  const { directory, check, release } = await openMount(name);
  // Whatever ends this process: no mount stays behind, and no server.
  process.on("exit", release);
  process.on("SIGTERM", () => process.exit(1));
  // The terminal was closed.
  process.on("SIGHUP", () => process.exit(1));
  const metadata = new MetadataRows(directory);
  const choose = (op: string): Measurement => {
    const what = op.slice(PREFIX.length);
    if (what.includes("KiB") || what.includes("MiB")) return prepareFio(what, directory);
    if (what.startsWith("untar")) return prepareUntar(directory);
    if (what.startsWith("dbench")) return prepareDbench(directory);
    return metadata.prepare(what);
  };
  /** What fails because there is no server any more says so, and what succeeds has one. */
  const checked = <T>(work: () => T): T => {
    try {
      return work();
    } finally {
      check();
    }
  };
  const prepare = (op: string): Measurement => {
    const { slice, end } = checked(() => choose(op));
    return { slice: (budgetMs: number): Slice => checked(() => slice(budgetMs)), end };
  };
  return { prepare, dispose: release };
}
