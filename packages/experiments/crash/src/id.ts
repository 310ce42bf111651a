/**
 * The name of one crash state, to be pasted:
 *
 *   plain/xip/none/fallocated-log:op3.f2.only5
 *   design/data path/write protocol/case : operation . fence . plan
 *
 * The operation is an index into the body of the case, or `unmount`. `f2` is the third fence inside
 * it: the power fails just before that fence takes effect; `end` is the moment at which the
 * operation has returned. The plan says which stores in flight had reached the medium (`plans.ts`).
 * Under a domain other than adr the domain stands before the operation: `log:eadr.op3.f2.all`.
 */
import { OptionError, type PersistenceDomain } from "@xiplab/core";
import type { CrashCase } from "./types.ts";

/** Where the power fails. */
export interface PointName {
  /** Index into the body; its length means the unmount. */
  readonly operation: number;
  /** Fences of this operation that have passed; -1: the operation has returned. */
  readonly fence: number;
}

export interface ParsedId {
  readonly prefix: string;
  readonly point: PointName;
  readonly plan: string;
}

/** "plain/xip/none/fallocated-log:", with the domain if it is not adr. */
export function idPrefix(crashCase: CrashCase): string {
  const { data = "xip", unwritten = "default" } = crashCase.mountOptions;
  const domain = domainOf(crashCase) === "adr" ? "" : "eadr.";
  return `${crashCase.personality.name}/${data}/${unwritten}/${crashCase.name}:${domain}`;
}

export const domainOf = (crashCase: CrashCase): PersistenceDomain => crashCase.domain ?? "adr";

export function formatPoint(point: PointName, bodyLength: number): string {
  const operation = point.operation === bodyLength ? "unmount" : `op${point.operation}`;
  return `${operation}.${point.fence < 0 ? "end" : `f${point.fence}`}`;
}

/** @throws OptionError where `id` is no id, or one of another case */
export function parseId(id: string, crashCase: CrashCase): ParsedId {
  const prefix = idPrefix(crashCase);
  if (!id.startsWith(prefix)) {
    throw new OptionError(`'${id}' is not an id of this case; its ids begin with '${prefix}'`);
  }
  const match = /^(?:op(\d+)|unmount)\.(?:f(\d+)|end)\.([a-z]+[0-9a-f.]*)$/.exec(
    id.slice(prefix.length),
  );
  if (match === null) {
    throw new OptionError(`'${id}' names no crash state: expected ${prefix}op3.f2.only5 or alike`);
  }
  const operation = match[1] === undefined ? crashCase.body.length : Number(match[1]);
  if (operation > crashCase.body.length) {
    throw new OptionError(`'${id}': the case has only ${crashCase.body.length} operations`);
  }
  const fence = match[2] === undefined ? -1 : Number(match[2]);
  return { prefix, point: { operation, fence }, plan: match[3]! };
}
