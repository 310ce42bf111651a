/**
 * Proves that check sees an image that the kernel left dirty as recovery will leave it: orphans of
 * every kind and a log full of changes are no findings, and the same image without its log is bad.
 */
import { describeCorruption } from "@xiplab/core";
import {
  mkfsExt4,
  readImage,
  requireOracle,
  runOrThrow,
  withLoopMount,
  withTempDirectory,
} from "@xiplab/oracles";
import { expect, test } from "vitest";
import { INCOMPAT_RECOVER } from "../format/features.ts";
import { check } from "./index.ts";
import { damage } from "./testing/damage.ts";

const MIB = 2 ** 20;

/** Files and a directory that are open and have no name; the rest only in the log. */
const WORK = `
mkdir d rd rd/sub; for i in $(seq 200); do echo $i > d/f$i; done; sync
rm d/f1*; mkdir d/x; mv d/f2 d/x; head -c 100000 /dev/zero > big; head -c 90000 /dev/zero > gone
exec 3< rd/sub; rmdir rd/sub; exec 4< gone; rm gone; exec 5>> d/f3; rm d/f3; sync; truncate -s 0 big
`;

test.for([
  ["-b", "4096"],
  ["-b", "1024", "-O", "orphan_file"],
  ["-b", "2048", "-O", "^extent,^64bit,^metadata_csum"],
])("dirty: mkfs.ext4 %s", (args, { skip }) => {
  requireOracle(["mkfs.ext4", "loop", "xfs_io"], skip);
  withTempDirectory((directory) => {
    const image = `${directory}/image`;
    mkfsExt4(image, 16 * MIB, args);
    withLoopMount(image, { complaintsAllowed: true }, (mount) => {
      const shutdown = `xfs_io -x -c 'shutdown -f' ${mount.directory}`;
      runOrThrow("sh", ["-c", `cd ${mount.directory}\n${WORK}\n${shutdown}`]);
    });
    const device = readImage(image);
    const report = check(device);
    expect(report.findings.map(describeCorruption)).toEqual([]);
    expect(report.clean).toBe(false);

    damage(device, {
      name: "ext4_super_block.featureIncompat",
      nth: 0,
      value: (before) => before & ~INCOMPAT_RECOVER,
    });
    expect(check(device).findings.length).toBeGreaterThan(5);
  });
});
