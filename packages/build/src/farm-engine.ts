/**
 * The engine of the farm: pg-boss, on PGlite in this process or on a PostgreSQL server by URL.
 *
 * pg-boss delivers tasks to workers, at least once. That a task has exactly one published result is the farm's
 * own doing: see `farm-store.ts`. This is the only file that knows pg-boss and PGlite.
 *
 * PGlite takes no lock on its folder, and a second process would destroy it: a file beside the folder names the
 * process that has it. PGlite survives a killed process but not a power cut; a farm that must is on PostgreSQL.
 *
 * Reference: pg-boss, docs; PGlite, docs
 */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BuildError } from './errors.js';

/** Where the farm keeps its state. */
export type FarmStore =
  /** A folder, for one process. Absent `folder`: memory only. */
  | { readonly kind: 'pglite'; readonly folder?: string }
  /** A server from PostgreSQL 13 on, for any number of processes. */
  | { readonly kind: 'postgres'; readonly url: string };

/** A task that was delivered to a worker. */
export interface Delivery {
  readonly job: string;
  readonly task: string;
}

/** What the farm needs of its engine. */
export interface Engine {
  query<Row>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Hands tasks to a queue. */
  send(queue: string, tasks: readonly { readonly id: string; readonly priority: number }[]): Promise<void>;
  take(queue: string): Promise<Delivery | undefined>;
  /**
   * Tasks that are on their way: handed in and to be delivered at once, or just delivered. One that the engine counts on for a later
   * time (its server's clock was set back) is not.
   */
  underway(): Promise<ReadonlySet<string>>;
  /** The delivery has arrived: it is not repeated. */
  settle(queue: string, job: string): Promise<void>;
  close(): Promise<void>;
}

/** A delivery that nobody settles in this time comes again. pg-boss counts whole seconds. */
const redeliverSeconds = 15;

/** Opens the engine. Throws BUILD_STORE_LOCKED when another process has the folder. */
export async function openEngine(store: FarmStore): Promise<Engine> {
  const timing = { superviseIntervalSeconds: 2, monitorIntervalSeconds: 60, queueCacheIntervalSeconds: 1 };
  // Not loaded with this package: who builds without a farm does not wait for it.
  const { fromPglite, PgBoss } = await import('pg-boss');
  const opened = store.kind === 'postgres' ? undefined : await openPglite(store.folder);
  const boss =
    opened === undefined
      ? new PgBoss({
          connectionString: (store as { readonly url: string }).url,
          schema: 'distrokit_queue',
          max: 8,
          ...timing,
        })
      : new PgBoss({
          db: fromPglite(opened.database as never),
          backend: 'pglite',
          schema: 'distrokit_queue',
          ...timing,
        });
  // A server that goes away comes back: pg-boss reconnects by itself, and says so here.
  boss.on('error', () => {});
  try {
    await boss.start();
  } catch (cause) {
    await boss.stop({ graceful: false, close: true }).catch(() => {});
    await opened?.close();
    throw cause;
  }
  const known = new Set<string>();
  const ensure = async (queue: string): Promise<void> => {
    if (known.has(queue)) return;
    await boss.createQueue(queue, {
      retryLimit: 1_000,
      retryDelay: 0,
      expireInSeconds: redeliverSeconds,
      deleteAfterSeconds: 3_600,
    });
    known.add(queue);
  };
  return {
    query: async <Row>(sql: string, values: readonly unknown[] = []) =>
      (await boss.getDb().executeSql(sql, [...values])).rows as Row[],
    send: async (queue, tasks) => {
      await ensure(queue);
      await boss.insert(
        queue,
        tasks.map(({ id, priority }) => ({ data: { task: id }, priority })),
      );
    },
    take: async (queue) => {
      await ensure(queue);
      const [job] = await boss.fetch<{ readonly task: string }>(queue);
      return job === undefined ? undefined : { job: job.id, task: job.data.task };
    },
    underway: async () => {
      const { rows } = await boss.getDb().executeSql(
        `select distinct data->>'task' as task from distrokit_queue.job
           where (state in ('created', 'retry') and start_after <= now())
              or (state = 'active' and started_on between now() - interval '1 minute' and now())`,
        [],
      );
      return new Set((rows as { readonly task: string }[]).map((row) => row.task));
    },
    settle: async (queue, job) => {
      await boss.complete(queue, job);
    },
    close: async () => {
      await boss.stop({ graceful: false, close: true });
      await opened?.close();
    },
  };
}

async function openPglite(folder: string | undefined): Promise<{ readonly database: unknown; close(): Promise<void> }> {
  const lock = folder === undefined ? undefined : await takeLock(folder);
  try {
    const { PGlite } = await import('@electric-sql/pglite');
    const database = folder === undefined ? await PGlite.create() : await PGlite.create(folder);
    return {
      database,
      close: async () => {
        await database.close();
        await lock?.();
      },
    };
  } catch (cause) {
    await lock?.();
    throw cause;
  }
}

/** Takes the lock of a folder, from a dead process if need be; the returned function gives it back. */
async function takeLock(folder: string): Promise<() => Promise<void>> {
  await mkdir(dirname(folder), { recursive: true });
  const path = `${folder}.lock`;
  const mine = `${process.pid} ${await startOf(process.pid)}\n`;
  for (let attempt = 0; attempt < 5; attempt += 1) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(mine);
      await file.close();
      return async () => {
        if ((await readFile(path, 'utf8').catch(() => '')) === mine) await rm(path, { force: true });
      };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    }
    const [pid, started] = (await readFile(path, 'utf8').catch(() => '')).trim().split(' ');
    // A number of its own is not enough: numbers come round again. The time of the process's start does not.
    if (pid !== undefined && started !== undefined && (await startOf(Number(pid))) === started) {
      throw new BuildError(
        { code: 'BUILD_STORE_LOCKED', folder, pid: Number(pid) },
        `farm: the store in ${folder} is open in process ${pid}; several processes need a PostgreSQL server`,
      );
    }
    // Of several that see a dead lock, one moves it away; the others begin again.
    await rename(path, `${path}.${process.pid}`).then(
      () => rm(`${path}.${process.pid}`, { force: true }),
      () => {},
    );
  }
  throw new BuildError(
    { code: 'BUILD_STORE_LOCKED', folder, pid: 0 },
    `farm: the store in ${folder} changes hands too often`,
  );
}

/** When a process began, in the kernel's ticks; empty when there is none. */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name may hold blanks and parentheses; what follows the last parenthesis is regular.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
