/**
 * Is the judge there? A developer's machine without it skips the test and says why; in CI a test
 * that silently judges nothing would be worse than a failure.
 */
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

/** A program by its name, or a right: root on Linux with loop devices (`loop`) or FUSE (`fuse`). */
export type OracleNeed = string;

/** Rights, and the device behind each. */
const Rights = new Map([
  ["loop", { device: "/dev/loop-control", none: "there are no loop devices" }],
  ["fuse", { device: "/dev/fuse", none: "there is no /dev/fuse" }],
]);
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin"];
const found = new Map<string, string | null>();

/** The full path of a program, or null. Also looks where PATH of a plain user does not. */
export function findProgram(name: string): string | null {
  const known = found.get(name);
  if (known !== undefined) return known;
  const folders = [...(process.env["PATH"] ?? "").split(path.delimiter), ...SYSTEM_FOLDERS];
  const places = folders.filter((folder) => folder !== "").map((folder) => path.join(folder, name));
  const program = places.find(isExecutable) ?? null;
  found.set(name, program);
  return program;
}

/**
 * Null where everything in `needs` is there: `requireOracle(["e2fsck", "loop"])`. Otherwise the
 * reason, which is given to `skip` first (a test's own `skip`, which does not return).
 * @throws Error instead of that where the environment says CI=true.
 */
export function requireOracle(
  needs: readonly OracleNeed[],
  skip?: (reason: string) => void,
): string | null {
  const reasons = needs.map(reasonAgainst).filter((reason) => reason !== null);
  if (reasons.length === 0) return null;
  const reason = reasons.join("; ");
  if (process.env["CI"] === "true") throw new Error(`no judge for this test: ${reason}`);
  skip?.(reason);
  return reason;
}

function reasonAgainst(need: OracleNeed): string | null {
  const right = Rights.get(need);
  if (right === undefined) return findProgram(need) === null ? `${need} is not installed` : null;
  if (os.platform() !== "linux") return "only Linux can mount";
  if (process.geteuid?.() !== 0) return "only root can mount";
  return fs.existsSync(right.device) ? null : right.none;
}

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    // Not there, or not for us: the next folder.
    return false;
  }
}
