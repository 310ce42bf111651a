/**
 * openAsBlob: a file as a Blob. Its content is taken when it is opened, for only so can the Blob be
 * given to whatever takes Blobs; reading it afterwards fails where the file has changed, as in Node.
 */
import type { OpenAsBlobOptions, Stats } from "node:fs";
import { requireString } from "../callback/arguments.ts";
import type { SyncFs } from "../callback/sync-fs.ts";
import { requireObject } from "../sync/arguments.ts";
import { textPath, type TreeContext } from "./context.ts";
import { renamedCall } from "./renamed-call.ts";

/** @throws TypeError for wrong arguments; Error ENOENT, EACCES of stat */
export function openAsBlob(context: TreeContext, path: unknown, options: unknown): Blob {
  const { sync, schedule } = context;
  const { platform } = schedule;
  const given = options === undefined ? {} : options;
  requireObject(platform, given, "options");
  const type = (given as OpenAsBlobOptions).type || "";
  requireString(platform, type, "options.type");
  const file = textPath(platform, path);
  const stats = sync.statSync(file);
  try {
    const content = stats.isFile() ? sync.readFileSync(file) : new Uint8Array();
    return new FileBlob([content as Part], type, { sync, file, stats });
  } catch (error) {
    throw renamedCall(error, "stat");
  }
}

type Part = Blob | Uint8Array<ArrayBuffer>;

interface Source {
  readonly sync: SyncFs;
  readonly file: string;
  readonly stats: Stats;
}

class FileBlob extends Blob {
  readonly #source: Source;

  constructor(parts: Part[], type: string, source: Source) {
    super(parts, { type });
    this.#source = source;
  }

  override async arrayBuffer(): Promise<ArrayBuffer> {
    this.#requireSame();
    return super.arrayBuffer();
  }

  override async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    this.#requireSame();
    return super.bytes();
  }

  override async text(): Promise<string> {
    this.#requireSame();
    return super.text();
  }

  override stream(): ReturnType<Blob["stream"]> {
    this.#requireSame();
    return super.stream();
  }

  override slice(start?: number, end?: number, type?: string): Blob {
    return new FileBlob([super.slice(start, end, type)], type ?? "", this.#source);
  }

  /** @throws DOMException NotReadableError */
  #requireSame(): void {
    const { sync, file, stats } = this.#source;
    const now = sync.statSync(file, { throwIfNoEntry: false });
    const isSame = now?.ino === stats.ino && now.mtimeMs === stats.mtimeMs;
    if (isSame && now.size === stats.size) return;
    throw new DOMException("The blob could not be read", "NotReadableError");
  }
}
