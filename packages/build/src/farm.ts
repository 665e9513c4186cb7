/**
 * A build farm: tasks that wait for each other, given to workers on any number of machines.
 *
 * The engine delivers at least once; the farm makes of it exactly one published result. An attempt works in a folder
 * of its own; publishing is a rename of that folder, behind a fence that only the newest attempt passes. What a
 * lost worker sends later finds the fence closed, or the name taken.
 */
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Abortable } from '@distrokit/rpm';
import type { BuildPlan } from './build-plan.js';
import { type Engine, type FarmStore, openEngine } from './farm-engine.js';
import { type Claim, type EventRow, type TaskRow, type TaskState, TaskStore } from './farm-store.js';

/** How a farm is set up. All processes of one farm must agree. */
export interface FarmOptions {
  readonly store: FarmStore;
  /** Folder for attempts and results, the same for all workers; one file system, so that a rename is one step. */
  readonly folder: string;
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
}

/** A farm as one process sees it. */
export class Farm implements AsyncDisposable {
  readonly folder: string;
  readonly leaseMs: number;
  readonly #window: number;
  readonly #engine: Engine;
  /** For workers and the status page. */
  readonly store: TaskStore;

  constructor(engine: Engine, options: FarmOptions) {
    this.#engine = engine;
    this.store = new TaskStore(engine);
    this.folder = options.folder;
    this.leaseMs = options.leaseMs ?? 60_000;
    this.#window = options.window ?? 32;
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
      tasks.map(({ id, queue, tenant = '', priority = 0, needs = [], payload = null, maxAttempts = 3 }) => ({
        id,
        queue,
        tenant,
        priority,
        needs,
        payload,
        maxAttempts,
      })),
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

  /** Where the published result of a task lies. */
  resultFolder(id: string): string {
    return join(this.folder, 'results', id);
  }

  /**
   * One round of coordination: takes back what is lost, hands out what may run. Any process may do this, at any time, also
   * several at once. Returns the number of tasks handed out.
   */
  async coordinate(): Promise<number> {
    await this.store.reap(this.leaseMs);
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
    const claim = await this.store.claim(delivery.task, worker, this.leaseMs);
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
    const text = await readFile(join(this.resultFolder(claim.id), resultFile), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : (JSON.parse(text) as { readonly result: unknown });
  }

  /** Publishes an attempt. False: another attempt has the task, this one's work is thrown away. */
  async publish(claim: Claim, attemptFolder: string, result: unknown): Promise<boolean> {
    await writeFile(
      join(attemptFolder, resultFile),
      `${JSON.stringify({ attempt: claim.attempt, result: result ?? null })}\n`,
    );
    if (!(await this.store.beginPublishing(claim.id, claim.token, this.leaseMs))) return false;
    await mkdir(join(this.folder, 'results'), { recursive: true });
    try {
      await rename(attemptFolder, this.resultFolder(claim.id));
    } catch (cause) {
      // Taken: an attempt that passed the fence earlier and was lost before it could say so. Its result stands.
      if (
        !(await stat(this.resultFolder(claim.id)).then(
          () => true,
          () => false,
        ))
      )
        throw cause;
    }
    const standing = (await this.published(claim))?.result;
    return this.store.finish(claim.id, claim.token, standing);
  }

  /** Ends a claim whose result an earlier attempt has published already. */
  async adopt(claim: Claim, result: unknown): Promise<boolean> {
    return (
      (await this.store.beginPublishing(claim.id, claim.token, this.leaseMs)) &&
      this.store.finish(claim.id, claim.token, result)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine.close();
  }
}

const resultFile = 'farm-result.json';

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
  };
}
