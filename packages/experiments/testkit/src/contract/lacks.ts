/** What a design declares to lack is refused with the code that programs expect. */
import {
  type CapabilityName,
  type ErrorCode,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  O_RDWR,
  O_TMPFILE,
  RENAME_EXCHANGE,
  S_IFIFO,
} from "@xiplab/core";
import { pattern } from "../pattern.ts";
import type { Case, Group } from "./cases.ts";
import { fails, holds } from "./expect.ts";
import { BLOCK, type Fixture, n } from "./fixture.ts";

const ACTS: readonly (readonly [CapabilityName, ErrorCode, (f: Fixture) => void])[] = [
  ["hardLinks", "EPERM", (f) => f.task.link(n("/f"), n("/x"))],
  ["symlinks", "EPERM", (f) => f.task.symlink(n("f"), n("/x"))],
  ["deviceNodes", "EPERM", (f) => f.task.mknod(n("/x"), S_IFIFO | 0o600)],
  ["xattrs", "EOPNOTSUPP", (f) => f.task.setxattr(n("/f"), n("user.a"), pattern(1, 0, 1))],
  ["tmpfile", "EOPNOTSUPP", (f) => void f.open("/", O_TMPFILE | O_RDWR)],
  ["renameExchange", "EINVAL", (f) => f.task.rename(n("/f"), n("/g"), RENAME_EXCHANGE)],
  ["punchHole", "EOPNOTSUPP", fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)],
  ["zeroRange", "EOPNOTSUPP", fallocate(FALLOC_FL_ZERO_RANGE)],
  ["collapseRange", "EOPNOTSUPP", fallocate(FALLOC_FL_COLLAPSE_RANGE)],
  ["insertRange", "EOPNOTSUPP", fallocate(FALLOC_FL_INSERT_RANGE)],
];

function fallocate(mode: number): (f: Fixture) => void {
  return (f) => f.task.fallocate(f.open("/f"), mode, BLOCK, BLOCK);
}

export const lackCases: Group<Case> = {
  title: "capabilities",
  cases: [
    {
      name: "each is true, or says why not",
      run(f) {
        for (const [name, value] of Object.entries(f.personality.capabilities)) {
          const isSaid = value === true || (typeof value === "string" && value.length > 10);
          holds(isSaid, `${name} is ${JSON.stringify(value)}`, "say in words why it is not there");
        }
      },
    },
    ...ACTS.map(([name, code, act]) => ({
      name: `${name}: there, or refused with ${code}`,
      run: (f: Fixture): void => thereOrRefused(f, name, code, act),
    })),
  ],
};

function thereOrRefused(
  f: Fixture,
  name: CapabilityName,
  code: ErrorCode,
  act: (f: Fixture) => void,
): void {
  f.create("/f", pattern(1, 0, 4 * BLOCK));
  f.create("/g");
  if (f.personality.capabilities[name] === true) act(f);
  else fails(code, () => act(f), "core refuses what capabilities say is not there");
}
