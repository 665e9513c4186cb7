/**
 * Tasks and their states, in SQL: what makes each task end exactly once.
 *
 * A task is `blocked` (by others) → `waiting` → `queued` (handed to the engine) → `running` (claimed) → `publishing` →
 * `done`; or `failed`, `cancelled`. Each claim gets a token that nobody has had before; whoever reports with an
 * older one is refused. A claim is a lease: unless its worker says in time that it lives, the task is given to
 * another. Whether it was in time is no question of any clock on the wall: a claim counts its renewals, and who
 * coordinates sees whether the count goes on (see `lease-watch.ts`). Times in the tables are for people.
 */
import type { Engine } from './farm-engine.js';

/** Where a task stands. */
export type TaskState = 'blocked' | 'waiting' | 'queued' | 'running' | 'publishing' | 'done' | 'failed' | 'cancelled';

/** A task as the store has it. */
export interface TaskRow {
  readonly id: string;
  readonly tenant: string;
  readonly queue: string;
  readonly priority: number;
  readonly state: TaskState;
  readonly attempt: number;
  readonly worker: string | null;
  readonly failure: string | null;
  readonly message: string | null;
  readonly result: unknown;
  readonly payload: unknown;
}

/** One change of a task's state. */
export interface EventRow {
  readonly seq: string;
  readonly at: Date;
  readonly task: string;
  readonly kind: TaskState;
  readonly attempt: number;
  readonly detail: string | null;
  readonly silentMs: number | null;
}

/** A task handed in. */
export interface NewTask {
  readonly id: string;
  readonly tenant: string;
  readonly queue: string;
  readonly priority: number;
  readonly needs: readonly string[];
  readonly payload: unknown;
  readonly maxAttempts: number;
  readonly timeoutMs: number | null;
}

/** A task that a worker has claimed. */
export interface Claim {
  readonly id: string;
  readonly attempt: number;
  readonly token: string;
  readonly queue: string;
  readonly payload: unknown;
  /** How long this attempt may take. */
  readonly timeoutMs: number | null;
}

/** A claim in somebody's hands, as the store sees it. */
export interface HeldClaim {
  readonly id: string;
  readonly token: string;
  /** How often it was renewed. */
  readonly beats: number;
}

const schema = `
create schema if not exists distrokit;
create table if not exists distrokit.task (
  id text primary key, tenant text not null, queue text not null, priority int not null, seq bigserial,
  state text not null, open_needs int not null, payload jsonb, attempt int not null default 0, max_attempts int not null,
  timeout_ms bigint,
  token text, worker text, beats int not null default 0, renewed_at timestamptz, not_before timestamptz not null default now(), 
  failure text, message text, result jsonb);
create index if not exists task_open on distrokit.task (state, queue, tenant) where state in ('waiting', 'queued', 'running', 'publishing');
create table if not exists distrokit.need (task text not null, parent text not null, primary key (task, parent));
create index if not exists need_parent on distrokit.need (parent);
create table if not exists distrokit.event (
  seq bigserial primary key, at timestamptz not null default clock_timestamp(), task text not null, kind text not null, attempt int not null, detail text, silent_ms bigint);
create table if not exists distrokit.log (seq bigserial primary key, task text not null, attempt int not null, lines text not null);
create index if not exists log_task on distrokit.log (task, seq);
create table if not exists distrokit.worker (name text primary key, queues text not null, slots int not null, seen timestamptz not null, draining boolean not null);
`;

/** The store behind a farm. Every method is one statement, so that a process may die between any two of them. */
export class TaskStore {
  readonly #engine: Engine;
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Makes the tables where they are missing. Any number of processes may do so at once. */
  async prepare(): Promise<void> {
    await this.#engine.query(`begin; select pg_advisory_xact_lock(7261001); ${schema} commit;`);
  }

  /** Adds tasks; one that is there already stays as it is. What it needs must be there or among them. */
  async add(tasks: readonly NewTask[]): Promise<void> {
    await this.#engine.query(
      `with given as (select * from jsonb_to_recordset($1::jsonb)
         as t(id text, tenant text, queue text, priority int, needs jsonb, payload jsonb, max_attempts int, timeout_ms bigint, place int)),
       wanted as (select g.id as task, n.parent from given g, lateral (select distinct jsonb_array_elements_text(g.needs) as parent) n),
       ended as (select id, state from distrokit.task where id in (select parent from wanted) for share),
       added as (insert into distrokit.task (id, tenant, queue, priority, payload, max_attempts, timeout_ms, open_needs, state, failure)
         select g.id, g.tenant, g.queue, g.priority, g.payload, g.max_attempts, g.timeout_ms, o.count,
                case when o.broken then 'failed' when o.count = 0 then 'waiting' else 'blocked' end,
                case when o.broken then 'dependency-failed' end
         from given g, lateral (select count(*) filter (where e.state is distinct from 'done') as count,
                coalesce(bool_or(e.state in ('failed', 'cancelled')), false) as broken
                from wanted w left join ended e on e.id = w.parent where w.task = g.id) o
         order by g.place on conflict (id) do nothing returning id, state),
       linked as (insert into distrokit.need (task, parent) select w.task, w.parent from wanted w join added a on a.id = w.task
         on conflict do nothing returning 1)
       insert into distrokit.event (task, kind, attempt) select id, state, 0 from added`,
      [
        JSON.stringify(
          tasks.map((task, place) => ({
            ...task,
            max_attempts: task.maxAttempts,
            timeout_ms: task.timeoutMs,
            place,
          })),
        ),
      ],
    );
  }

  /** Ids among these that nobody has handed in. */
  async unknown(ids: readonly string[]): Promise<readonly string[]> {
    const rows = await this.#engine.query<{ id: string }>(
      `select w.id from jsonb_array_elements_text($1::jsonb) as w(id) where not exists (select 1 from distrokit.task t where t.id = w.id)`,
      [JSON.stringify(ids)],
    );
    return rows.map((row) => row.id);
  }

  /**
   * Picks waiting tasks for the engine, `window` per queue at most. Tenants take turns: who has less in work comes first; within a
   * tenant priority decides, then age. A delay that is longer than any (see `worker.ts`) comes from a clock that was set back.
   */
  async pick(
    window: number,
  ): Promise<readonly { readonly id: string; readonly queue: string; readonly priority: number }[]> {
    return this.#engine.query(
      `with busy as (select queue, tenant, count(*) as count from distrokit.task where state in ('queued', 'running', 'publishing') group by queue, tenant),
       candidate as (select t.id, t.queue, t.priority, t.seq, coalesce(b.count, 0)
           + row_number() over (partition by t.queue, t.tenant order by t.priority desc, t.seq) as turn
         from distrokit.task t left join busy b on b.queue = t.queue and b.tenant = t.tenant
         where t.state = 'waiting' and (t.not_before <= now() or t.not_before > now() + interval '10 minutes')),
       ranked as (select id, queue, row_number() over (partition by queue order by turn, priority desc, seq) as place from candidate),
       room as (select queue, count(*) as taken from distrokit.task where state = 'queued' group by queue),
       chosen as (select r.id from ranked r left join room using (queue) where r.place <= $1 - coalesce(room.taken, 0)),
       picked as (update distrokit.task set state = 'queued' where id in (select id from chosen) and state = 'waiting'
         returning id, queue, priority, attempt),
       told as (insert into distrokit.event (task, kind, attempt) select id, 'queued', attempt from picked)
       select id, queue, priority from picked`,
      [window],
    );
  }

  /** Gives a delivered task to a worker; undefined when it is no longer to be had (delivered twice, cancelled). */
  async claim(id: string, worker: string): Promise<Claim | undefined> {
    const rows = await this.#engine.query<Claim>(
      `with claimed as (update distrokit.task set state = 'running', attempt = attempt + 1, token = gen_random_uuid()::text, worker = $2,
         beats = 0, renewed_at = clock_timestamp(), failure = null, message = null
         where id = $1 and state = 'queued' returning id, attempt, token, queue, payload, timeout_ms::int as "timeoutMs"),
       told as (insert into distrokit.event (task, kind, attempt, detail) select id, 'running', attempt, $2 from claimed)
       select * from claimed`,
      [id, worker],
    );
    return rows[0];
  }

  /** Prolongs a lease. False: the task is another's by now, or cancelled; the worker has to stop. */
  async renew(id: string, token: string): Promise<boolean> {
    const rows = await this.#engine.query(
      `update distrokit.task set beats = beats + 1, renewed_at = clock_timestamp() where id = $1 and token = $2
         and state in ('running', 'publishing') returning 1`,
      [id, token],
    );
    return rows.length === 1;
  }

  /** Whether a claim is still good: what is sent in with an older token is refused. */
  async holds(id: string, token: string, attempt: number): Promise<boolean> {
    const rows = await this.#engine.query(
      `select 1 from distrokit.task where id = $1 and token = $2 and attempt = $3 and state in ('running', 'publishing')`,
      [id, token, attempt],
    );
    return rows.length === 1;
  }

  /** The fence: only the holder of the newest token passes, and may ask again when the answer was lost. */
  async beginPublishing(id: string, token: string): Promise<boolean> {
    const rows = await this.#engine.query(
      `update distrokit.task set state = 'publishing', beats = beats + 1, renewed_at = clock_timestamp()
         where id = $1 and token = $2 and state in ('running', 'publishing') returning 1`,
      [id, token],
    );
    return rows.length === 1;
  }

  /** Ends a task well, and lets go those that waited for it. */
  async finish(id: string, token: string, result: unknown): Promise<boolean> {
    const rows = await this.#engine.query(
      `with ended as (update distrokit.task set state = 'done', result = $3::jsonb, token = null
         where id = $1 and token = $2 and state = 'publishing' returning id, attempt),
       freed as (update distrokit.task t set open_needs = t.open_needs - 1,
           state = case when t.open_needs = 1 and t.state = 'blocked' then 'waiting' else t.state end
         from distrokit.need n where n.task = t.id and n.parent in (select id from ended) returning t.id, t.state, t.attempt),
       told as (insert into distrokit.event (task, kind, attempt) select id, 'done', attempt from ended
         union all select id, state, attempt from freed where state = 'waiting')
       select id from ended`,
      [id, token, JSON.stringify(result ?? null)],
    );
    return rows.length === 1;
  }

  /** Ends an attempt badly: once more after a while when `again` and attempts are left, else for good with all that need it. */
  async fail(
    id: string,
    token: string,
    failure: string,
    message: string,
    again: boolean,
    delayMs: number,
  ): Promise<boolean> {
    const rows = await this.#engine.query(
      `${this.#ending(
        `id = $1 and token = $2 and state in ('running', 'publishing')`,
        `$5 and attempt < max_attempts`,
        `failure = $3, message = $4, not_before = now() + $6 * interval '1 millisecond'`,
      )}`,
      [id, token, failure, message, again, delayMs],
    );
    return rows.length > 0;
  }

  /** Everything that is in somebody's hands. */
  async held(): Promise<readonly HeldClaim[]> {
    return this.#engine.query<HeldClaim>(
      `select id, token, beats from distrokit.task where state in ('running', 'publishing')`,
    );
  }

  /** Ids of tasks that are handed out and that nobody has claimed. */
  async queued(): Promise<readonly string[]> {
    const rows = await this.#engine.query<{ id: string }>(`select id from distrokit.task where state = 'queued'`);
    return rows.map((row) => row.id);
  }

  /** Takes back claims that have not been renewed since they were seen. Returns their number. */
  async takeBack(claims: readonly HeldClaim[]): Promise<number> {
    if (claims.length === 0) return 0;
    const rows = await this.#engine.query(
      this.#ending(
        `state in ('running', 'publishing') and (id, token, beats) in
           (select s.id, s.token, s.beats from jsonb_to_recordset($1::jsonb) as s(id text, token text, beats int))`,
        `attempt < max_attempts`,
        `failure = 'lost-worker', message = 'the worker was not heard of within its lease'`,
      ),
      [JSON.stringify(claims)],
    );
    return rows.length;
  }

  /** Puts tasks that the engine seems to have lost back among the waiting. */
  async requeue(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#engine.query(
      `update distrokit.task set state = 'waiting' where state = 'queued' and id in (select jsonb_array_elements_text($1::jsonb))`,
      [JSON.stringify(ids)],
    );
  }

  /** Cancels a task and all that need it. False when it has ended already. */
  async cancel(id: string): Promise<boolean> {
    const rows = await this.#engine.query(
      `with recursive hit as (select id from distrokit.task where id = $1 and state not in ('done', 'failed', 'cancelled')
         union select n.task from distrokit.need n join hit on n.parent = hit.id),
       ended as (update distrokit.task set state = 'cancelled', token = null where id in (select id from hit)
         and state not in ('done', 'failed', 'cancelled') returning id, attempt),
       told as (insert into distrokit.event (task, kind, attempt) select id, 'cancelled', attempt from ended)
       select id from ended where id = $1`,
      [id],
    );
    return rows.length === 1;
  }

  async task(id: string): Promise<TaskRow | undefined> {
    const rows = await this.#engine.query<TaskRow>(`select ${columns} from distrokit.task where id = $1`, [id]);
    return rows[0];
  }

  /** Tasks, those in work first; for people to look at. */
  async tasks(limit: number): Promise<readonly TaskRow[]> {
    return this.#engine.query<TaskRow>(
      `select ${columns} from distrokit.task order by array_position(array['publishing','running','queued','waiting','blocked','failed','cancelled','done'], state), seq limit $1`,
      [limit],
    );
  }

  /** Who waits for whom, among the first `limit` tasks that have not been forgotten. */
  async needs(limit: number): Promise<readonly { readonly task: string; readonly parent: string }[]> {
    return this.#engine.query(`select task, parent from distrokit.need order by task, parent limit $1`, [limit]);
  }

  async counts(): Promise<Readonly<Partial<Record<TaskState, number>>>> {
    const rows = await this.#engine.query<{ state: TaskState; count: number }>(
      `select state, count(*)::int as count from distrokit.task group by state order by state`,
    );
    return Object.fromEntries(rows.map((row) => [row.state, row.count]));
  }

  async events(after: string, limit: number): Promise<readonly EventRow[]> {
    return this.#engine.query<EventRow>(
      `select e.seq::text as seq, at, task, kind, attempt, detail, silent_ms::int as "silentMs" from distrokit.event e where e.seq > $1::bigint order by e.seq limit $2`,
      [after, limit],
    );
  }

  /** Keeps a piece of a log, and of each task the last hundred pieces. */
  async addLog(task: string, attempt: number, lines: string): Promise<void> {
    await this.#engine.query(
      `with kept as (insert into distrokit.log (task, attempt, lines) values ($1, $2, $3))
       delete from distrokit.log where task = $1 and seq <= (select seq from distrokit.log where task = $1 order by seq desc offset 99 limit 1)`,
      [task, attempt, lines],
    );
  }

  async log(task: string): Promise<readonly { readonly attempt: number; readonly lines: string }[]> {
    return this.#engine.query(`select attempt, lines from distrokit.log where task = $1 order by seq`, [task]);
  }

  async seeWorker(name: string, queues: readonly string[], slots: number, draining: boolean): Promise<void> {
    await this.#engine.query(
      `insert into distrokit.worker (name, queues, slots, seen, draining) values ($1, $2, $3, now(), $4)
         on conflict (name) do update set queues = $2, slots = $3, seen = now(), draining = $4`,
      [name, queues.join(' '), slots, draining],
    );
  }

  async forgetWorker(name: string): Promise<void> {
    await this.#engine.query(`delete from distrokit.worker where name = $1`, [name]);
  }

  async workers(): Promise<
    readonly {
      readonly name: string;
      readonly queues: string;
      readonly slots: number;
      readonly draining: boolean;
      readonly silentMs: number;
      readonly running: readonly string[];
    }[]
  > {
    return this.#engine.query(
      `select w.name, w.queues, w.slots, w.draining, (extract(epoch from now() - w.seen) * 1000)::int as "silentMs",
         coalesce((select jsonb_agg(t.id order by t.id) from distrokit.task t where t.worker = w.name and t.state in ('running', 'publishing')), '[]'::jsonb) as running
       from distrokit.worker w order by w.name`,
    );
  }

  /** Attempts that end badly: back to `waiting`, or failed together with everything that needs them. */
  #ending(which: string, again: string, how: string): string {
    return `with recursive bad as (select id, (${again}) as again, (extract(epoch from clock_timestamp() - renewed_at) * 1000)::bigint as silent from distrokit.task where ${which} for update),
       ended as (update distrokit.task t set state = case when bad.again then 'waiting' else 'failed' end, token = null, ${how}
         from bad where t.id = bad.id returning t.id, t.state, t.attempt, t.failure, bad.silent),
       hit as (select n.task as id from distrokit.need n join ended on n.parent = ended.id where ended.state = 'failed'
         union select n.task from distrokit.need n join hit on n.parent = hit.id),
       fallen as (update distrokit.task set state = 'failed', failure = 'dependency-failed' where id in (select id from hit)
         and state not in ('done', 'failed', 'cancelled') returning id, attempt),
       told as (insert into distrokit.event (task, kind, attempt, detail, silent_ms)
         select id, state, attempt, failure, case when failure = 'lost-worker' then silent end from ended
         union all select id, 'failed', attempt, 'dependency-failed', null from fallen)
       select id from ended`;
  }
}

const columns = 'id, tenant, queue, priority, state, attempt, worker, failure, message, result, payload';
