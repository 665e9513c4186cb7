/**
 * A page that shows a farm while it works: counts, workers, the graph of tasks, logs; kept fresh by server-sent
 * events.
 *
 * A request handler and no server: who shows the page decides where it listens and who may see it. The page loads
 * nothing from elsewhere, and changes nothing.
 *
 * Reference: HTML, Server-sent events
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Farm } from './farm.js';

/** What is read of a request; an `http.IncomingMessage` is one. */
export interface PageRequest {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}

/** What is done with a response; an `http.ServerResponse` is one. */
export interface PageResponse {
  readonly headersSent: boolean;
  writeHead(status: number, headers: Readonly<Record<string, string>>): unknown;
  write(text: string): unknown;
  end(text?: string): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/** How the page is shown. */
export interface FarmPageOptions {
  /** Tasks shown at once, those in work first. Default 200. */
  readonly maxTasks?: number;
  /** How often a changed state is sent. Default 500 ms. */
  readonly intervalMs?: number;
}

/** A handler for `http.createServer`. Answers GET for `/`, `/state`, `/events` and `/log?task=ID`; to anything else 404 or 405. */
export function farmPage(
  farm: Farm,
  options: FarmPageOptions = {},
): (request: PageRequest, response: PageResponse) => void {
  const maxTasks = options.maxTasks ?? 200;
  const intervalMs = options.intervalMs ?? 500;
  return (request, response) => {
    const url = new URL(request.url ?? '/', 'http://page.invalid');
    const answer = async (): Promise<void> => {
      if (request.method !== 'GET') send(response, 405, 'text/plain', 'only GET');
      else if (url.pathname === '/') send(response, 200, 'text/html', page);
      else if (url.pathname === '/state')
        send(response, 200, 'application/json', JSON.stringify(await stateOf(farm, maxTasks)));
      else if (url.pathname === '/log') {
        const lines = await farm.log(url.searchParams.get('task') ?? '');
        send(response, 200, 'text/plain', lines.join('\n'));
      } else if (url.pathname === '/events') await stream(farm, response, maxTasks, intervalMs);
      else send(response, 404, 'text/plain', 'nothing here');
    };
    answer().catch(() => {
      if (!response.headersSent) send(response, 503, 'text/plain', 'the farm does not answer');
      else response.end();
    });
  };
}

async function stateOf(farm: Farm, maxTasks: number): Promise<unknown> {
  const [counts, workers, tasks, needs] = await Promise.all([
    farm.counts(),
    farm.store.workers(),
    farm.store.tasks(maxTasks),
    farm.store.needs(maxTasks * 10),
  ]);
  const shown = new Set(tasks.map((task) => task.id));
  return {
    counts,
    workers,
    tasks: tasks.map(({ id, queue, tenant, state, attempt, worker, failure, message }) => ({
      id,
      queue,
      tenant,
      state,
      attempt,
      worker,
      failure,
      // For one line of a table; the log says the rest.
      message: message?.slice(0, 300) ?? null,
    })),
    needs: needs.filter((need) => shown.has(need.task) && shown.has(need.parent)),
  };
}

/** Sends the state whenever it differs from what was sent last. */
async function stream(farm: Farm, response: PageResponse, maxTasks: number, intervalMs: number): Promise<void> {
  const closed = new AbortController();
  response.once('close', () => closed.abort());
  response.writeHead(200, { ...headers, 'content-type': 'text/event-stream' });
  let last = '';
  while (!closed.signal.aborted) {
    const state = JSON.stringify(await stateOf(farm, maxTasks));
    response.write(state === last ? ': still here\n\n' : `data: ${state}\n\n`);
    last = state;
    await sleep(intervalMs, undefined, { signal: closed.signal }).catch(() => {});
  }
}

const headers = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy':
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'",
} as const;

function send(response: PageResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { ...headers, 'content-type': `${type}; charset=utf-8` });
  response.end(body);
}

/** The page. Everything that comes from tasks is put in as text, never as markup. */
const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Build farm</title>
<style>
  :root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
  body { max-width: 70rem; margin: 1rem auto; padding: 0 1rem; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; padding: 0.2rem 0.8rem 0.2rem 0; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
  button { font: inherit; background: none; border: 0; padding: 0; color: inherit; text-align: left; text-decoration: underline; cursor: pointer; }
  .wide { overflow: auto; } .high { max-height: 26rem; }
  td { white-space: nowrap; } td:last-child { white-space: normal; min-width: 12rem; }
  .done { --state: #2a8a3a; } .failed, .cancelled { --state: #c03030; } .running, .publishing { --state: #2060c0; }
  td.state { color: var(--state, inherit); }
  pre { overflow: auto; max-height: 20rem; padding: 0.5rem; background: color-mix(in srgb, currentColor 8%, transparent); }
  svg { display: block; font-size: 12px; }
  svg rect { fill: Canvas; stroke: var(--state, currentColor); }
  svg .running rect { stroke-width: 2; }
  svg text { fill: currentColor; } svg path { fill: none; stroke: currentColor; opacity: 0.4; }
</style>
<h1>Build farm</h1>
<p id="counts" role="status">Waiting for the farm …</p>
<h2>Workers</h2>
<div class="wide"><table><thead><tr><th>Name<th>Queues<th>Slots<th>State<th>Running</tr></thead><tbody id="workers"></tbody></table></div>
<h2>Tasks</h2>
<div class="wide high"><table><thead><tr><th>Task<th>Queue<th>State<th>Attempt<th>Worker<th>Failure</tr></thead><tbody id="tasks"></tbody></table></div>
<h2>Log <span id="log-of"></span></h2>
<pre id="log" tabindex="0">Choose a task.</pre>
<h2>Graph</h2>
<div id="graph" class="wide"></div>
<script>
const byId = (id) => document.getElementById(id);
const row = (cells) => { const tr = document.createElement('tr'); for (const cell of cells) { const td = document.createElement('td'); td.append(cell ?? ''); tr.append(td); } return tr; };
let chosen;
const showLog = async () => { if (chosen === undefined) return; const answer = await fetch('log?task=' + encodeURIComponent(chosen)); const log = byId('log'), text = (await answer.text()) || 'Nothing said yet.';
  // The end is what is new: it stays in view unless somebody reads further up.
  const atEnd = byId('log-of').textContent !== 'of ' + chosen || log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  byId('log-of').textContent = 'of ' + chosen; log.textContent = text; if (atEnd) log.scrollTop = log.scrollHeight; };
const draw = (tasks, needs) => {
  const level = new Map(); const parents = new Map(tasks.map((task) => [task.id, []]));
  for (const need of needs) parents.get(need.task).push(need.parent);
  const depth = (id, on = new Set()) => { if (level.has(id)) return level.get(id); if (on.has(id)) return 0; on.add(id); const value = Math.max(-1, ...parents.get(id).map((parent) => depth(parent, on))) + 1; level.set(id, value); return value; };
  const used = []; const place = new Map();
  for (const task of tasks) { const x = depth(task.id); used[x] = (used[x] ?? 0) + 1; place.set(task.id, [x, used[x] - 1]); }
  const make = (name, attributes) => { const element = document.createElementNS('http://www.w3.org/2000/svg', name); for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value); return element; };
  const width = used.length * 220 + 10, height = Math.max(1, ...used.map((count) => count ?? 0)) * 34 + 10;
  const svg = make('svg', { viewBox: '0 0 ' + width + ' ' + height, width, height, role: 'img', 'aria-label': tasks.length + ' tasks, ' + needs.length + ' dependencies' });
  for (const need of needs) { const [a, b] = place.get(need.parent), [c, d] = place.get(need.task); svg.append(make('path', { d: 'M' + (a * 220 + 190) + ' ' + (b * 34 + 20) + 'C' + (a * 220 + 210) + ' ' + (b * 34 + 20) + ' ' + (c * 220 - 10) + ' ' + (d * 34 + 20) + ' ' + (c * 220 + 10) + ' ' + (d * 34 + 20) })); }
  for (const task of tasks) { const [x, y] = place.get(task.id); const group = make('g', { class: task.state, 'data-task': task.id }); group.append(make('rect', { x: x * 220 + 10, y: y * 34 + 8, width: 180, height: 24, rx: 4 })); const text = make('text', { x: x * 220 + 16, y: y * 34 + 24 }); text.textContent = task.id.length > 26 ? task.id.slice(0, 25) + '…' : task.id; const title = make('title', {}); title.textContent = task.id + ': ' + task.state; group.append(title, text); svg.append(group); }
  byId('graph').replaceChildren(svg);
};
const source = new EventSource('events');
source.onmessage = (event) => {
  const { counts, workers, tasks, needs } = JSON.parse(event.data);
  byId('counts').textContent = Object.entries(counts).map(([state, count]) => count + ' ' + state).join(', ') || 'No tasks.';
  byId('workers').replaceChildren(...workers.map((worker) => row([worker.name, worker.queues, String(worker.slots), worker.draining ? 'draining' : worker.silentMs > 30000 ? 'silent' : 'working', worker.running.join(', ')])));
  // Who moves through the page with the keyboard keeps his place in it.
  const focused = document.activeElement?.dataset?.task;
  byId('tasks').replaceChildren(...tasks.map((task) => { const button = document.createElement('button'); button.textContent = task.id; button.dataset.task = task.id; button.onclick = () => { chosen = task.id; showLog(); }; const line = row([button, task.queue, task.state, String(task.attempt), task.worker, [task.failure, task.message].filter(Boolean).join(': ')]); line.className = task.state; line.children[2].className = 'state'; return line; }));
  if (focused !== undefined) [...document.querySelectorAll('#tasks button')].find((button) => button.dataset.task === focused)?.focus({ preventScroll: true });
  draw(tasks.slice(0, 100), needs.filter((need) => tasks.slice(0, 100).some((task) => task.id === need.task) && tasks.slice(0, 100).some((task) => task.id === need.parent)));
  showLog();
};
source.onerror = () => { byId('counts').textContent = 'The farm does not answer.'; };
</script>
</html>
`;
