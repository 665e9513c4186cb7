/**
 * A build farm: tasks that wait for each other, given to workers on any number of machines.
 *
 * The engine delivers at least once; the farm makes of it exactly one published result. An attempt works in a folder
 * of its own; publishing is a rename of that folder, behind a fence that only the newest attempt passes. What a
 * lost worker sends later finds the fence closed, or the name taken.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Abortable } from '@distrokit/rpm';
import type { BuildPlan } from './build-plan.js';
import { type Engine, type FarmStore, openEngine } from './farm-engine.js';
import { type Claim, type EventRow, type HeldClaim, type TaskRow, type TaskState, TaskStore } from './farm-store.js';
import { LeaseWatch } from './lease-watch.js';
import { directoryResults, type FinishedAttempt, type PublishedResult, type ResultStore } from './result-store.js';

/** How a farm is set up. All processes of one farm must agree. */
export interface FarmOptions {
  readonly store: FarmStore;
  /** Folder of this process for attempts; with the default `results` the same for all processes of the farm. */
  readonly folder: string;
  /** Where results go. Default: `directoryResults(folder)`. Workers that share no file system use `httpResults`. */
  readonly results?: ResultStore;
  /** How long a worker may be silent before its task is given away. Default 60 s. */
  readonly leaseMs?: number;
  /** Tasks per queue that are handed out ahead of the workers. Small: fair. Default 32. */
  readonly window?: number;
}

/** Something to do. */
export interface FarmTask {
  /** Unique for ever, fit for a file name: letters, digits and `._+~^-`, at most 200. Handing in an id again changes nothing. */
  readonly id: string;
  /** Who takes it: an arch, or a capability. */
  readonly queue: string;
  /** Whose it is; tenants take turns. Default ''. */
  readonly tenant?: string;
  /** Greater comes first within a tenant. Default 0. */
  readonly priority?: number;
  /** Ids of tasks that must have ended well before. */
  readonly needs?: readonly string[];
  /** For the worker; what JSON can hold. */
  readonly payload?: unknown;
  /** Attempts in all, lost ones included. Default 3. */
  readonly maxAttempts?: number;
  /** How long an attempt may take; then its signal is aborted, and it counts as a `timeout`. Default: no limit. */
  readonly timeoutMs?: number;
}

/** A task and where it stands. */
export interface TaskStatus {
  readonly id: string;
  readonly queue: string;
  readonly tenant: string;
  readonly priority: number;
  readonly state: TaskState;
  readonly attempt: number;
  readonly worker: string | null;
  /** Class of the last failure. */
  readonly failure: string | null;
  readonly message: string | null;
  /** What the worker returned; null until `done`. */
  readonly result: unknown;
}

/** A change of a task's state. `seq` orders all changes of a farm. */
export interface FarmEvent {
  readonly seq: bigint;
  readonly at: Date;
  readonly task: string;
  readonly state: TaskState;
  readonly attempt: number;
  readonly detail: string | null;
  /** When a task was taken back: how long its worker had not been heard of, by the database's clock. Else null. */
  readonly silentMs: number | null;
}

/** A farm as one process sees it. */
export class Farm implements AsyncDisposable {
  readonly folder: string;
  readonly leaseMs: number;
  readonly #window: number;
  readonly #engine: Engine;
  /** For workers and the status page. */
  readonly store: TaskStore;
  readonly results: ResultStore;
  readonly #leases: LeaseWatch<HeldClaim>;
  readonly #deliveries: LeaseWatch;
  /** Grows with each question to the engine, so that the next one is not asked before its time. */
  #deliveryChecks = 0;

  constructor(engine: Engine, options: FarmOptions) {
    this.#engine = engine;
    this.store = new TaskStore(engine);
    this.folder = options.folder;
    this.leaseMs = options.leaseMs ?? 60_000;
    this.#window = options.window ?? 32;
    this.results = options.results ?? directoryResults(options.folder);
    this.#leases = new LeaseWatch(this.leaseMs);
    this.#deliveries = new LeaseWatch(Math.max(20_000, this.leaseMs * 2));
  }

  /** Hands in tasks, all or none. What they need must be known or among them. Throws TypeError otherwise, and for a bad id. */
  async submit(tasks: readonly FarmTask[]): Promise<void> {
    const given = new Set(tasks.map((task) => task.id));
    for (const { id, queue } of tasks) {
      if (!/^[A-Za-z0-9][A-Za-z0-9._+~^-]{0,199}$/.test(id))
        throw new TypeError(`"tasks": ${JSON.stringify(id)} is no task id`);
      if (!/^[A-Za-z0-9_-]{1,50}$/.test(queue)) throw new TypeError(`"tasks": ${JSON.stringify(queue)} is no queue`);
    }
    if (given.size !== tasks.length) throw new TypeError('"tasks": an id occurs twice');
    const outside = [...new Set(tasks.flatMap((task) => task.needs ?? []))].filter((id) => !given.has(id));
    const unknown = outside.length === 0 ? [] : await this.store.unknown(outside);
    if (unknown.length > 0) throw new TypeError(`"tasks": nobody has handed in ${JSON.stringify(unknown[0])}`);
    await this.store.add(
      tasks.map(
        ({ id, queue, tenant = '', priority = 0, needs = [], payload = null, maxAttempts = 3, timeoutMs = null }) => ({
          id,
          queue,
          tenant,
          priority,
          needs,
          payload,
          maxAttempts,
          timeoutMs,
        }),
      ),
    );
  }

  /** Cancels a task and everything that needs it; its worker stops at its next sign of life. False when it has ended. */
  async cancel(id: string): Promise<boolean> {
    return this.store.cancel(id);
  }

  async task(id: string): Promise<TaskStatus | undefined> {
    const row = await this.store.task(id);
    return row === undefined ? undefined : statusOf(row);
  }

  /** Number of tasks in each state. */
  async counts(): Promise<Readonly<Partial<Record<TaskState, number>>>> {
    return this.store.counts();
  }

  /** The last lines that a task has said, of all its attempts. */
  async log(id: string): Promise<readonly string[]> {
    return (await this.store.log(id)).flatMap(({ lines }) => lines.split('\n'));
  }

  /** Where the published result of a task lies, when results are kept in the farm's own folder. */
  resultFolder(id: string): string {
    return join(this.folder, 'results', id);
  }

  /** The published result of a task with its files and their digests; undefined when there is none. */
  async result(id: string): Promise<PublishedResult | undefined> {
    return this.results.published(id);
  }

  /**
   * One round of coordination: takes back what is lost, hands out what may run. Any process may do this, at any time, also
   * several at once. Returns the number of tasks handed out.
   */
  async coordinate(): Promise<number> {
    const held = await this.store.held();
    await this.store.takeBack(this.#leases.look(held, performance.now()));
    const queued = (await this.store.queued()).map((id) => ({ id, token: '', beats: this.#deliveryChecks }));
    const unclaimed = this.#deliveries.look(queued, performance.now()).map(({ id }) => id);
    if (unclaimed.length > 0) {
      // Long in the queue is not lost: the machines may be busy for hours. Only what the engine does not have goes in again.
      const underway = await this.#engine.underway();
      this.#deliveryChecks += 1;
      await this.store.requeue(unclaimed.filter((id) => !underway.has(id)));
    }
    const picked = await this.store.pick(this.#window);
    for (const queue of new Set(picked.map((task) => task.queue))) {
      await this.#engine.send(
        queue,
        picked.filter((task) => task.queue === queue),
      );
    }
    return picked.length;
  }

  /** Coordinates until the signal ends it. A database that is away for a while is waited for. */
  async run(options: { readonly signal: AbortSignal; readonly intervalMs?: number }): Promise<void> {
    while (!options.signal.aborted) {
      const handed = await this.coordinate().catch(() => 0);
      await sleep(handed > 0 ? 20 : (options.intervalMs ?? 250), undefined, { signal: options.signal }).catch(() => {});
    }
  }

  /** Changes of state as they come, from the first one after `after`. Ends with the signal. */
  async *events(
    options: Abortable & { readonly after?: bigint; readonly intervalMs?: number } = {},
  ): AsyncIterable<FarmEvent> {
    let after = String(options.after ?? 0n);
    while (options.signal?.aborted !== true) {
      const rows = await this.store.events(after, 1_000);
      for (const row of rows) {
        after = row.seq;
        yield eventOf(row);
      }
      if (rows.length === 0) {
        await sleep(
          options.intervalMs ?? 200,
          undefined,
          options.signal === undefined ? {} : { signal: options.signal },
        ).catch(() => {});
      }
    }
  }

  /** Waits until every task has ended. Somebody has to coordinate meanwhile. */
  async idle(options: Abortable = {}): Promise<void> {
    const open: readonly TaskState[] = ['blocked', 'waiting', 'queued', 'running', 'publishing'];
    for (;;) {
      options.signal?.throwIfAborted();
      const counts = await this.counts().catch((): Partial<Record<TaskState, number>> => ({ waiting: 1 }));
      if (open.every((state) => (counts[state] ?? 0) === 0)) return;
      await sleep(100);
    }
  }

  /** The next delivery of a queue, claimed; undefined when there is none. For workers. */
  async claim(queue: string, worker: string): Promise<Claim | undefined> {
    const delivery = await this.#engine.take(queue);
    if (delivery === undefined) return undefined;
    const claim = await this.store.claim(delivery.task, worker);
    // Only now: a worker that dies before this line has the task delivered again.
    await this.#engine.settle(queue, delivery.job);
    return claim;
  }

  /** An empty folder for one attempt. */
  async attemptFolder(claim: Claim): Promise<string> {
    const path = join(this.folder, 'attempts', `${claim.id}.${claim.attempt}`);
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true });
    return path;
  }

  /** What an earlier attempt has published before it was lost; undefined when there is nothing. */
  async published(claim: Claim): Promise<{ readonly result: unknown } | undefined> {
    return this.results.published(claim.id);
  }

  /** Publishes an attempt. False: another attempt has the task, this one's work is thrown away. May be called again after it threw. */
  async publish(claim: Claim, attemptFolder: string, result: unknown, options: Abortable = {}): Promise<boolean> {
    const { id: task, attempt, token } = claim;
    const finished: FinishedAttempt = { task, attempt, token, folder: attemptFolder, result: result ?? null };
    // A first try may have published before its answer was lost: then the folder is gone, and the result stands.
    if ((await this.results.published(task, options)) === undefined) {
      await this.results.upload(finished, options);
      if (!(await this.store.beginPublishing(task, token))) return false;
      await this.results.publish(finished, options);
    } else if (!(await this.store.beginPublishing(task, token))) return false;
    // Taken: an attempt that passed the fence earlier and was lost before it could say so. Its result stands.
    const standing = await this.results.published(task, options);
    return this.store.finish(task, token, standing?.result);
  }

  /** Ends a claim whose result an earlier attempt has published already. */
  async adopt(claim: Claim, result: unknown): Promise<boolean> {
    return (
      (await this.store.beginPublishing(claim.id, claim.token)) && this.store.finish(claim.id, claim.token, result)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine.close();
  }
}

/** Opens a farm; the first to open it makes its tables. Throws BUILD_STORE_LOCKED. */
export async function openFarm(options: FarmOptions): Promise<Farm> {
  const engine = await openEngine(options.store);
  const farm = new Farm(engine, options);
  try {
    await farm.store.prepare();
  } catch (cause) {
    await engine.close();
    throw cause;
  }
  return farm;
}

/** Tasks for a plan: one per source, each with what it waits for. `queueOf` routes; `idOf` makes ids unique among builds. */
export function planTasks(
  plan: BuildPlan,
  queueOf: (node: string) => string,
  idOf: (node: string) => string = (node) => node,
): FarmTask[] {
  return plan.waves.flat().map((node) => ({
    id: idOf(node),
    queue: queueOf(node),
    needs: plan.needs(node).map((need) => idOf(need.on)),
    payload: { node },
  }));
}

function statusOf({ payload: _payload, ...row }: TaskRow): TaskStatus {
  return row;
}

function eventOf(row: EventRow): FarmEvent {
  return {
    seq: BigInt(row.seq),
    at: new Date(row.at),
    task: row.task,
    state: row.kind,
    attempt: row.attempt,
    detail: row.detail,
    silentMs: row.silentMs,
  };
}
