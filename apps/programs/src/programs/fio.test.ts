/**
 * fio's verify jobs: every block is written with a checksum of itself and read back, through every way
 * to reach a file: system calls, asynchronous ones, direct ones, mapped memory, and several at once.
 */
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { isFull, onMount, TEST_LIMITS, testDesigns } from "../harness/on-mount.ts";

const MIB = isFull ? 256 : 4;
const NEEDS = ["fio"];

const JOBS = `[global]
directory=\${DIRECTORY}
size=${MIB}m
verify=crc32c
verify_fatal=1
do_verify=1
randseed=20131206
randrepeat=1
thread=0
fallocate=none
norandommap=0

[write-sequential]
rw=write
bs=1m
ioengine=psync
end_fsync=1

[write-random]
stonewall
rw=randwrite
bsrange=512-64k
bs_unaligned=1
ioengine=psync
fsync=64
verify=md5

[write-fdatasync]
stonewall
rw=randwrite
bs=4k
ioengine=sync
fdatasync=16
verify_backlog=32
size=${Math.max(1, MIB / 4)}m

[mixed-asynchronous-direct]
stonewall
rw=randrw
bs=4k
ioengine=libaio
iodepth=8
direct=1
verify_backlog=64

[mixed-buffered-preallocated]
stonewall
rw=randrw
bs=4k-32k
ioengine=psync
fallocate=posix
verify=sha1

[mapped]
stonewall
rw=randwrite
bs=4k
ioengine=mmap
fsync=256

[mapped-preallocated]
stonewall
rw=randrw
bs=4k
ioengine=mmap
fallocate=posix
verify=sha256

[several]
stonewall
numjobs=4
rw=randwrite
bs=8k
ioengine=psync
fsync=32
size=${Math.max(1, MIB / 4)}m

[vectors]
stonewall
rw=randwrite
bs=16k
ioengine=pvsync2
verify_async=2
verify_backlog=16
`;

/** Nine, one of them fourfold. */
const JOB_COUNT = 12;

test.for(testDesigns)("fio verifies on $name", TEST_LIMITS, async (design, { skip }) => {
  await onMount(design, { needs: NEEDS, skip }, async (mounted) => {
    const jobs = path.join(mounted.scratch, "jobs.fio");
    fs.writeFileSync(jobs, JOBS);
    const env = { DIRECTORY: mounted.directory };
    const where = { env, cwd: mounted.scratch };
    const written = await mounted.run("fio", ["--output-format=json", jobs], where);
    expect(errorsOf(written)).toEqual(Array.from({ length: JOB_COUNT }, () => 0));
    // Verified once more by a process that wrote nothing.
    const again = ["--verify_only=1", "--section=write-sequential", "--output-format=json", jobs];
    expect(errorsOf(await mounted.run("fio", again, where))).toEqual([0]);
  });
});

const errorsOf = (report: string): number[] =>
  (JSON.parse(report) as { jobs: { error: number }[] }).jobs.map(({ error }) => error);
