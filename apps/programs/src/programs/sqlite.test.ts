/**
 * SQLite, with the journal that it rolls back and with the one that it writes ahead (whose index is
 * shared memory: a file mapped by every client). Transactions are acknowledged one by one on stdout;
 * the server, and then a client, is killed among them. Then the database is whole by SQLite's own
 * judgement, has every transaction that was acknowledged, and each entirely or not at all.
 */
import { expect, test } from "vitest";
import { isFull, type Mounted, onMount, TEST_LIMITS, testDesigns } from "../harness/on-mount.ts";
import type { Running } from "../harness/running.ts";

const TRANSACTIONS = isFull ? 2000 : 24;
const ROWS = 5;
/** More than anybody waits for: the client is to be killed. */
const ENDLESS = isFull ? 50_000 : 5000;
const NEEDS = ["sqlite3", "stdbuf"];

/** The text of the row `id`: long enough for overflow pages now and then. */
const BODY = `substr(replace(hex(zeroblob(900)), '00', printf('%08x', (id * 2654435761) % 4294967296)),
  1, 40 + (id * 7919) % 6000)`;

for (const mode of ["wal", "delete"]) {
  test.for(testDesigns)(`SQLite, ${mode}, on $name`, TEST_LIMITS, async (design, { skip }) => {
    await onMount(design, { needs: NEEDS, skip }, async (mounted) => {
      await sql(
        mounted,
        `PRAGMA journal_mode=${mode}; PRAGMA page_size;
        CREATE TABLE entries(id INTEGER PRIMARY KEY, txn INTEGER, body TEXT);
        CREATE INDEX by_txn ON entries(txn, body);
        CREATE TABLE total(rows INTEGER, txns INTEGER); INSERT INTO total VALUES (0, 0);`,
      );
      await mounted.shell("sync");
      const first = write(mounted, 1, ENDLESS);
      await first.until((output) => acknowledged(output) >= TRANSACTIONS);
      await mounted.killServer();
      await first.ended;
      await mounted.mount();
      let last = await expectWhole(mounted, acknowledged(first.output));

      const second = write(mounted, last + 1, ENDLESS);
      await second.until((output) => acknowledged(output) >= TRANSACTIONS);
      second.kill("SIGKILL");
      await second.ended;
      last = await expectWhole(mounted, last + acknowledged(second.output));

      // Three at once, who have to wait for each other's locks.
      const three = [0, 1, 2].map((client) =>
        write(mounted, last + 1 + client * TRANSACTIONS, last + (client + 1) * TRANSACTIONS),
      );
      for (const client of three) await client.succeed();
      expect(await expectWhole(mounted, last + 3 * TRANSACTIONS)).toBe(last + 3 * TRANSACTIONS);
      await sql(mounted, "DELETE FROM entries WHERE txn % 3 = 0; VACUUM;");
      expect(await sql(mounted, "PRAGMA integrity_check;")).toBe("ok\n");
    });
  });
}

/** It asks for locks for a minute, and tells of the system call behind an error. */
const SQLITE3 = ["sqlite3", "-batch", "-bail", "-cmd", ".timeout 60000", "-cmd", ".log stderr"];

/** What the sqlite3 shell prints. */
const sql = (mounted: Mounted, input: string): Promise<string> =>
  mounted.run("sqlite3", [...SQLITE3.slice(1), "base"], { input });

/** Transactions `first` to `last`, each acknowledged with a line when its COMMIT is through. */
function write(mounted: Mounted, first: number, last: number): Running {
  // EXTRA: with FULL the removal of a rollback journal, which is the commit, may be lost.
  const lines = ["PRAGMA synchronous=EXTRA;"];
  for (let txn = first; txn <= last; txn++) {
    lines.push(
      "BEGIN IMMEDIATE;",
      `INSERT INTO entries SELECT id, ${txn}, ${BODY} FROM
        (WITH RECURSIVE n(id) AS (SELECT ${txn * ROWS} UNION ALL SELECT id + 1 FROM n
         LIMIT ${ROWS}) SELECT id FROM n);`,
      `UPDATE total SET rows = rows + ${ROWS}, txns = txns + 1;`,
      "COMMIT;",
      `SELECT 'ack', ${txn};`,
    );
  }
  // Line by line: sqlite3 keeps what it prints into a pipe to itself.
  return mounted.start("stdbuf", ["-oL", ...SQLITE3, "base"], { input: lines.join("\n") });
}

const acknowledged = (output: string): number => output.match(/^ack\|\d+$/gm)?.length ?? 0;

/** The number of transactions that it has: at least `least`. */
async function expectWhole(mounted: Mounted, least: number): Promise<number> {
  const wrong = await sql(
    mounted,
    `PRAGMA integrity_check;
    SELECT 'rows', id FROM entries WHERE body <> ${BODY};
    SELECT 'torn', txn, count(*) FROM entries GROUP BY txn HAVING count(*) <> ${ROWS};
    SELECT 'total' FROM total WHERE rows <> (SELECT count(*) FROM entries)
      OR txns <> (SELECT count(DISTINCT txn) FROM entries);`,
  );
  expect(wrong).toBe("ok\n");
  const count = Number(await sql(mounted, "SELECT txns FROM total;"));
  expect(count).toBeGreaterThanOrEqual(least);
  return count;
}
