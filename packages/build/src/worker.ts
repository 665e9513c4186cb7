/**
 * A worker of the farm: takes tasks, shows that it lives, hands in results.
 *
 * The work itself should run in child processes (as every build driver does): what blocks this process longer than
 * a lease makes the farm believe that it is lost.
 */
import { setMaxListeners } from 'node:events';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FailureClass, isRetriable } from './build-log.js';
import { BuildError } from './errors.js';
import type { Farm } from './farm.js';
import type { Claim } from './farm-store.js';

/** A task in a worker's hands. */
export interface WorkerTask {
  readonly id: string;
  readonly queue: string;
  readonly payload: unknown;
  readonly attempt: number;
  /** Empty; everything in it is published when the work returns. */
  readonly folder: string;
  /** Aborted when the task is cancelled, given to another or over its time. Work that does not end then is given up after a lease. */
  readonly signal: AbortSignal;
  /** For the live log. */
  readonly onLog: (line: string) => void;
}

/** How a worker works. */
export interface WorkerOptions {
  /** Unique among the farm's workers. */
  readonly name: string;
  /** Queues it takes from, the first with something wins. */
  readonly queues: readonly string[];
  /** Tasks at once. */
  readonly slots: number;
  /** Does the work; what it returns goes into the task's status and must fit JSON. A `BuildError` is classed by its failure class. */
  readonly work: (task: WorkerTask) => Promise<unknown>;
  /** How long to wait when there is nothing to do. Default 250 ms. */
  readonly pollMs?: number;
}

/** A running worker. */
export interface FarmWorker extends AsyncDisposable {
  /** Takes nothing new, finishes what it has, ends. */
  drain(): Promise<void>;
}

/** The reason of a signal that tells a worker to stop. */
export class TaskLost extends Error {
  constructor(id: string) {
    super(`task ${id} was cancelled or given to another worker`);
    this.name = 'TaskLost';
  }
}

/** Starts a worker. Disposing aborts what runs: those tasks are given away when their leases end. */
export function startWorker(farm: Farm, options: WorkerOptions): FarmWorker {
  const stop = new AbortController();
  // Every slot listens while it waits and while it works: that many listeners are no leak.
  setMaxListeners(options.slots * 4 + 10, stop.signal);
  let draining = false;
  const present = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await farm.store.seeWorker(options.name, options.queues, options.slots, draining).catch(() => {});
      await sleep(Math.min(5_000, farm.leaseMs / 3), undefined, { signal: stop.signal }).catch(() => {});
    }
  };
  const slot = async (): Promise<void> => {
    while (!draining && !stop.signal.aborted) {
      const claim = await next(farm, options).catch(() => undefined);
      if (claim !== undefined) await attempt(farm, claim, options, stop.signal);
      else await sleep(options.pollMs ?? 250, undefined, { signal: stop.signal }).catch(() => {});
    }
  };
  const slots = Promise.all(Array.from({ length: options.slots }, slot));
  const presence = present();
  const end = async (): Promise<void> => {
    await slots;
    stop.abort();
    await presence;
    await farm.store.forgetWorker(options.name).catch(() => {});
  };
  return {
    drain: async () => {
      draining = true;
      await end();
    },
    [Symbol.asyncDispose]: async () => {
      draining = true;
      stop.abort();
      await end();
    },
  };
}

async function next(farm: Farm, options: WorkerOptions): Promise<Claim | undefined> {
  for (const queue of options.queues) {
    const claim = await farm.claim(queue, options.name);
    if (claim !== undefined) return claim;
  }
  return undefined;
}

/** One attempt, from its folder to its result. Never rejects: whatever goes wrong is the farm's to know, not the slot's to die of. */
async function attempt(farm: Farm, claim: Claim, options: WorkerOptions, stopped: AbortSignal): Promise<void> {
  const lost = new AbortController();
  const signal = AbortSignal.any([lost.signal, stopped]);
  const ended = new AbortController();
  const log = new LogSender(farm, claim);
  const alive = stayAlive(farm, claim, lost, ended.signal);
  let folder: string | undefined;
  try {
    const earlier = await farm.published(claim);
    if (earlier !== undefined) {
      await farm.adopt(claim, earlier.result);
      return;
    }
    folder = await farm.attemptFolder(claim);
    const { id, queue, payload } = claim;
    const onLog = (line: string): void => log.add(line);
    let result: unknown;
    const clock = startClock(claim, lost);
    try {
      const work = options.work({ id, queue, payload, attempt: claim.attempt, folder, signal, onLog });
      result = await endedOrHung(work, signal, farm.leaseMs);
    } catch (cause) {
      await log.flush();
      const late = lost.signal.reason instanceof BuildError ? lost.signal.reason : undefined;
      if (late !== undefined) await report(farm, claim, failureOf(late), late);
      else if (!signal.aborted) await report(farm, claim, failureOf(cause), cause);
      return;
    } finally {
      clearTimeout(clock);
    }
    await log.flush();
    const done = folder;
    if (!signal.aborted) await persist(() => farm.publish(claim, done, result, { signal }), signal);
  } catch (cause) {
    if (signal.aborted) return;
    // Not the work has failed but the farm around it: the disk, the database. Another attempt may fare better.
    await report(
      farm,
      claim,
      (cause as NodeJS.ErrnoException).code === 'ENOSPC' ? 'out-of-disk' : isFinal(cause) ? 'unknown' : 'lost-worker',
      cause,
    );
  } finally {
    ended.abort();
    await alive;
    if (folder !== undefined) await rm(folder, { recursive: true, force: true }).catch(() => {});
  }
}

/** Ends an attempt that takes longer than it may. */
function startClock(claim: Claim, lost: AbortController): NodeJS.Timeout | undefined {
  const { timeoutMs } = claim;
  if (timeoutMs === null) return undefined;
  const late = new BuildError(
    { code: 'BUILD_TIMEOUT', driver: 'farm', timeoutMs, lastLogLines: [], logPath: '' },
    `task ${claim.id}: still at work after ${timeoutMs} ms`,
  );
  return setTimeout(() => lost.abort(late), timeoutMs);
}

/** The end of the work; rejects with the signal's reason when it goes on for `graceMs` after the signal. */
async function endedOrHung<Value>(work: Promise<Value>, signal: AbortSignal, graceMs: number): Promise<Value> {
  const ended = new AbortController();
  const hung = new Promise<never>((_resolve, reject) => {
    const wait = async (): Promise<void> => {
      await sleep(graceMs, undefined, { signal: ended.signal });
      reject(signal.reason as Error);
    };
    const begin = (): void => void wait().catch(() => {});
    if (signal.aborted) begin();
    else signal.addEventListener('abort', begin, { once: true });
  });
  try {
    return await Promise.race([work, hung]);
  } finally {
    ended.abort();
  }
}

async function report(farm: Farm, claim: Claim, failure: FailureClass, cause: unknown): Promise<void> {
  const message = cause instanceof Error ? cause.message.slice(0, 2_000) : String(cause).slice(0, 2_000);
  const delayMs = 1_000 * 2 ** Math.min(claim.attempt, 8);
  // When even this does not get through, the lease ends and the task is given to another.
  await persist(() => farm.store.fail(claim.id, claim.token, failure, message, isRetriable(failure), delayMs)).catch(
    () => {},
  );
}

/** Tries again while the database or the keeper of results is away. Every step may be taken twice. */
async function persist<Value>(step: () => Promise<Value>, signal?: AbortSignal): Promise<Value> {
  for (let round = 0; ; round += 1) {
    try {
      return await step();
    } catch (cause) {
      if (round === 6 || signal?.aborted === true || isFinal(cause)) throw cause;
      await sleep(100 * 2 ** round);
    }
  }
}

/** Refusals that another try does not change. */
function isFinal(cause: unknown): boolean {
  if (!(cause instanceof BuildError) || cause.fault.code !== 'BUILD_RESULT_REFUSED') return false;
  return ['fenced', 'name', 'limit'].includes(cause.fault.why);
}

function failureOf(cause: unknown): FailureClass {
  if (!(cause instanceof BuildError)) return 'unknown';
  if ('failureClass' in cause.fault) return cause.fault.failureClass;
  return cause.fault.code === 'BUILD_TIMEOUT' ? 'timeout' : 'unknown';
}

/** Prolongs the lease three times within its length; tells the work when the task is not its own any more. */
async function stayAlive(farm: Farm, claim: Claim, lost: AbortController, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await sleep(farm.leaseMs / 3, undefined, { signal: ended }).catch(() => {});
    if (ended.aborted) return;
    // An answer that does not come says nothing: the fence decides in the end.
    const ours = await farm.store.renew(claim.id, claim.token).catch(() => true);
    if (!ours && !ended.aborted) {
      lost.abort(new TaskLost(claim.id));
      return;
    }
  }
}

/** Gathers lines and sends them twice a second, the last two hundred of each half. */
class LogSender {
  readonly #farm: Farm;
  readonly #claim: Claim;
  #lines: string[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(farm: Farm, claim: Claim) {
    this.#farm = farm;
    this.#claim = claim;
  }

  add(line: string): void {
    // A NUL is nothing that a database takes as text.
    this.#lines.push(line.slice(0, 1_000).replaceAll('\0', '\ufffd'));
    if (this.#lines.length > 200) this.#lines.shift();
    this.#timer ??= setTimeout(() => void this.flush(), 500);
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const lines = this.#lines;
    this.#lines = [];
    if (lines.length > 0)
      await this.#farm.store.addLog(this.#claim.id, this.#claim.attempt, lines.join('\n')).catch(() => {});
  }
}
