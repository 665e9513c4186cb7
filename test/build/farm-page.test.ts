import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Farm, farmPage, openFarm, startWorker } from '@distrokit/build';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { scratchFolder } from './fixture.js';

let scratch: Awaited<ReturnType<typeof scratchFolder>>;
let farm: Farm;
let server: Server;
let browser: Browser;
let page: Page;
let url: string;
const stop = new AbortController();
const foreign: string[] = [];
let coordination: Promise<void>;
beforeAll(async () => {
  scratch = await scratchFolder();
  farm = await openFarm({ store: { kind: 'pglite' }, folder: join(scratch.path, 'farm') });
  coordination = farm.run({ signal: stop.signal, intervalMs: 50 });
  server = createServer(farmPage(farm, { intervalMs: 100 }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  page = await browser.newPage();
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) foreign.push(request.url());
  });
  page.on('pageerror', (error) => foreign.push(String(error)));
});
afterAll(async () => {
  await browser.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  stop.abort();
  await coordination;
  await farm[Symbol.asyncDispose]();
  await scratch.remove();
});

test('shows queue, workers, graph and log while they change, in a real browser', async () => {
  await farm.submit([
    { id: 'lib', queue: 'x86_64' },
    { id: 'app', queue: 'x86_64', needs: ['lib'] },
    { id: 'other', queue: 's390x' },
  ]);
  await page.goto(url);
  await page.getByText('1 blocked').waitFor();
  expect(await page.locator('#graph g').count()).toBe(3);
  expect(await page.locator('#graph path').count()).toBe(1);

  let goOn = (): void => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const worker = startWorker(farm, {
    name: 'machine-1',
    queues: ['x86_64'],
    slots: 1,
    pollMs: 20,
    work: async (task) => {
      task.onLog(`<b>compiling</b> ${task.id}`);
      if (task.id === 'lib') await held;
    },
  });
  await page.locator('#workers tr', { hasText: 'machine-1' }).getByText('lib', { exact: true }).waitFor();
  await page.locator('#graph g.running[data-task=lib]').waitFor();
  await page.getByRole('button', { name: 'lib', exact: true }).click();
  // What a build says is text: markup in it stays what it is.
  await page.locator('#log', { hasText: '<b>compiling</b> lib' }).waitFor();
  expect(await page.locator('#log b').count()).toBe(0);
  goOn();
  await page.locator('#graph g.done[data-task=app]').waitFor();
  await page.getByText('2 done').waitFor();
  await worker.drain();
  await page.locator('#workers tr').waitFor({ state: 'detached' });
  expect(foreign).toEqual([]);
});

test('says why a task failed, follows the end of a log, and leaves the keyboard where it is', async () => {
  await page.goto(url);
  await using _worker = startWorker(farm, {
    name: 'machine-2',
    queues: ['s390x'],
    slots: 1,
    pollMs: 20,
    work: async (task) => {
      for (let line = 1; line <= 150; line += 1) task.onLog(`line ${line} of ${task.id}`);
      throw new Error('exit status 1: <i>hello.c</i> does not compile');
    },
  });
  await page
    .locator('#tasks tr.failed', { hasText: 'other' })
    .getByText('unknown: exit status 1: <i>hello.c</i> does not compile')
    .waitFor();
  await page.getByRole('button', { name: 'other', exact: true }).click();
  await page.locator('#log', { hasText: 'line 150 of other' }).waitFor();
  const below = (): Promise<number> =>
    page.locator('#log').evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight);
  expect(await below()).toBeLessThan(8);
  // A change of state draws the table anew.
  await farm.submit([{ id: 'later', queue: 'nobody' }]);
  await page.locator('#tasks tr', { hasText: 'later' }).waitFor();
  expect(await page.evaluate('document.activeElement.dataset.task')).toBe('other');
  expect(foreign).toEqual([]);
});

test('answers only what it is asked for, and changes nothing', async () => {
  expect((await fetch(new URL('nowhere', url))).status).toBe(404);
  expect((await fetch(url, { method: 'POST' })).status).toBe(405);
  const answer = await fetch(url);
  expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
  const state = (await (await fetch(new URL('state', url))).json()) as {
    readonly tasks: readonly { readonly id: string }[];
  };
  expect(state.tasks.map((task) => task.id)).toContain('other');
  expect(await (await fetch(new URL("log?task=' or 1=1 --", url))).text()).toBe('');
});
