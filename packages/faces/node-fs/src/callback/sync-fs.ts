/** What the asynchronous forms are derived from: any object with Node's synchronous functions. */
import type * as NodeFs from "node:fs";
import type { SyncFs as PrimitiveFs } from "../sync/create.ts";

export type { PrimitiveFs };

/** The primitives, and what `tree/` makes of them that has a plain asynchronous form. */
export type SyncFs = PrimitiveFs & Pick<typeof NodeFs, "mkdtempSync">;
