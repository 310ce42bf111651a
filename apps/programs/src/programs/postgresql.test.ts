/**
 * PostgreSQL: initdb, pgbench, the death of the file system's server under load, recovery, and what
 * PostgreSQL says of every page and index. Every transaction that pgbench was told of is there, and the
 * balances agree, which they do only where each transaction is there entirely or not at all.
 */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { isFull, type Mounted, onMount, TEST_LIMITS, testDesigns } from "../harness/on-mount.ts";
import type { Running, User } from "../harness/running.ts";

const SCALE = isFull ? 20 : 1;
const CLIENTS = 4;
const TRANSACTIONS = isFull ? 5000 : 60;
const SECONDS_BEFORE_KILL = isFull ? 60 : 1;
const SIZE = isFull ? 4 * 2 ** 30 : 512 * 2 ** 20;
const USER = "postgres";
const NEEDS = ["initdb", "postgres", "pgbench", "psql", "pg_checksums", "pg_amcheck"];

// Debian has the programs of each version in a directory that is in nobody's PATH.
const FOLDERS = fs.globSync("/usr/lib/postgresql/*/bin").sort();
process.env["PATH"] = [...FOLDERS.toReversed(), process.env["PATH"]].join(path.delimiter);

test.for(testDesigns)("PostgreSQL on $name", TEST_LIMITS, async (design, { skip }) => {
  await onMount(design, { needs: NEEDS, skip, sizeBytes: SIZE }, async (mounted) => {
    const cluster = new Cluster(mounted);
    await cluster.initialize();
    await cluster.start();
    const pgbench = (...args: string[]): Running => cluster.client("pgbench", [...args, USER]);
    await pgbench("-i", "-q", "-s", String(SCALE)).succeed();
    await cluster.query("CHECKPOINT");
    const each = ["-n", "-c", String(CLIENTS)];
    await pgbench(...each, "-t", String(TRANSACTIONS)).succeed();
    let acknowledged = CLIENTS * TRANSACTIONS;
    expect(await cluster.transactions()).toBe(acknowledged);

    const endless = ["-T", "100000", "-P", "1", "-l", "--log-prefix", `${mounted.scratch}/log`];
    const under = pgbench(...each, ...endless);
    await under.until((output) => output.includes(`progress: ${SECONDS_BEFORE_KILL}.`));
    const processes = cluster.processes();
    await mounted.killServer();
    await cluster.kill(processes);
    under.kill();
    await under.ended;
    // A lower bound: it keeps the end of its log to itself.
    acknowledged += loggedLines(mounted.scratch);

    await mounted.mount();
    await cluster.start();
    expect(await cluster.transactions()).toBeGreaterThanOrEqual(acknowledged);
    await cluster.client("pg_amcheck", AMCHECK).succeed();
    await cluster.query("VACUUM FULL");
    await cluster.query("REINDEX DATABASE postgres");
    await cluster.client("pg_amcheck", AMCHECK).succeed();
    await cluster.stop();
    await mounted.run("pg_checksums", ["--check", "-D", cluster.data], cluster.options);
  });
});

const AMCHECK = ["--install-missing", "--heapallindexed", "--rootdescend", USER];

/** One data directory on the mount, its socket beside the mount. */
class Cluster {
  readonly data: string;
  readonly options: { cwd: string; user: User };
  private readonly mounted: Mounted;
  private server: Running | null = null;

  constructor(mounted: Mounted) {
    this.mounted = mounted;
    this.data = mounted.path("data");
    this.options = { cwd: mounted.scratch, user: databaseUser() };
  }

  async initialize(): Promise<void> {
    const { uid, gid } = this.options.user;
    fs.chownSync(this.mounted.scratch, uid, gid);
    await this.mounted.shell(`mkdir -m 700 data; chown ${uid}:${gid} data`);
    const how = ["-k", "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "--no-instructions"];
    await this.mounted.run("initdb", ["-D", this.data, ...how], this.options);
  }

  /** Start it, and wait until it has recovered. */
  async start(): Promise<void> {
    const settings = ["listen_addresses=", `unix_socket_directories=${this.mounted.scratch}`];
    // It is no test of the machine's memory.
    settings.push("shared_buffers=16MB", "wal_sync_method=fdatasync", "max_wal_size=64MB");
    const args = ["-D", this.data, ...settings.flatMap((setting) => ["-c", setting])];
    this.server = this.mounted.start("postgres", args, this.options);
    await this.server.until((output) => output.includes("ready to accept connections"));
  }

  /** Its parts, each in a session of its own. They may outlive the first of them. */
  processes(): number[] {
    return childrenOf(this.server!.pid);
  }

  async kill(processes: readonly number[]): Promise<void> {
    this.server!.kill();
    for (const pid of processes) killIfThere(pid);
    await this.server!.ended;
  }

  /** As its administrator does: no client is waited for, everything is written. */
  async stop(): Promise<void> {
    this.server!.kill("SIGINT");
    await this.server!.succeed();
  }

  client(program: string, args: readonly string[]): Running {
    const where = ["-h", this.mounted.scratch, "-U", USER];
    return this.mounted.start(program, [...where, ...args], this.options);
  }

  query(text: string): Promise<string> {
    return this.client("psql", ["-X", "-A", "-t", "-q", "-c", text, USER]).succeed();
  }

  /** How many pgbench has made. @throws Error where the balances do not agree. */
  async transactions(): Promise<number> {
    const sums = await this.query(
      `SELECT count(*), coalesce(sum(delta), 0), (SELECT sum(abalance) FROM pgbench_accounts),
        (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) FROM pgbench_branches)
        FROM pgbench_history`,
    );
    const [count, ...balances] = sums.trim().split("|").map(Number);
    if (new Set(balances).size !== 1) throw new Error(`the balances do not agree: ${sums}`);
    return count!;
  }
}

/** It refuses to run as root. Debian's package makes a user for it. */
function databaseUser(): User {
  const idOf = (flag: string): number => Number(execFileSync("id", [flag, USER]).toString());
  return { uid: idOf("-u"), gid: idOf("-g") };
}

const childrenOf = (pid: number): number[] =>
  fs
    .readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .split(" ")
    .filter((text) => text.trim() !== "")
    .map(Number);

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

const loggedLines = (folder: string): number =>
  fs
    .globSync(path.join(folder, "log.*"))
    .map((file) => fs.readFileSync(file, "utf8").split("\n").length - 1)
    .reduce((sum, lines) => sum + lines, 0);
