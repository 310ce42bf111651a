/** Host paths as bytes: names on Linux are not always text. */
import { type BigIntStats, lstatSync } from "node:fs";
import { resolve } from "node:path";
import { type Name, nameFromBytes, nameToBytes, type Timespec } from "@xiplab/core";
import { argumentBytes } from "../raw-arguments.ts";

const SLASH = Buffer.from("/");

export const joinHost = (directory: Buffer, name: Buffer): Buffer =>
  directory.at(-1) === 0x2f
    ? Buffer.concat([directory, name])
    : Buffer.concat([directory, SLASH, name]);

/** The last part of an absolute path. "." and ".." have been resolved. */
export const hostBaseName = (path: Buffer): Buffer => path.subarray(path.lastIndexOf(0x2f) + 1);

/** An argument as an absolute path, without "." and "..". */
export function hostArgument(cwd: string, argument: string): Buffer {
  // A character per byte: `resolve` looks at slashes and dots alone.
  const bytes = (buffer: Buffer): string => buffer.toString("latin1");
  return Buffer.from(resolve(bytes(Buffer.from(cwd)), bytes(argumentBytes(argument))), "latin1");
}

export const nameOf = (bytes: Buffer): Name => nameFromBytes(bytes);
export const bytesOf = (name: Name): Buffer => Buffer.from(nameToBytes(name));

/** Null where there is nothing of that name. */
export const lstatHost = (path: Buffer): BigIntStats | null =>
  lstatSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;

const NSEC_PER_SEC = 1_000_000_000n;

/** Nanoseconds since the epoch as seconds and nanoseconds; the latter are never negative. */
export function timespecOf(ns: bigint): Timespec {
  const nsec = ((ns % NSEC_PER_SEC) + NSEC_PER_SEC) % NSEC_PER_SEC;
  return { sec: Number((ns - nsec) / NSEC_PER_SEC), nsec: Number(nsec) };
}

/** For messages. */
export const shown = (path: Buffer): string => path.toString();
