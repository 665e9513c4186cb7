/** A real headless Chromium on a page that has the isomorphic doors, with files served beside it on the loopback address. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { build } from 'tsup';

export interface BrowserPage extends AsyncDisposable {
  readonly page: Page;
  /** What the server was asked for, in order: path and `Range` header. */
  readonly requests: { readonly path: string; readonly range: string | undefined; readonly sentBytes: number }[];
}

/** Bundles the doors named (`rpm`, `sign`, `repo`) and opens a page; `files` are served with range support. */
export async function openPage(
  doors: readonly string[],
  files: Readonly<Record<string, Uint8Array>>,
): Promise<BrowserPage> {
  const folder = await mkdtemp(join(tmpdir(), 'distrokit-browser-'));
  const root = fileURLToPath(new URL('../..', import.meta.url));
  await build({
    config: false,
    silent: true,
    clean: false,
    dts: false,
    entry: Object.fromEntries(doors.map((door) => [door, join(root, 'packages', door, 'dist', 'index.js')])),
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    noExternal: [/.*/],
    external: ['lzma-native'],
    outDir: folder,
  });
  // Each door is a global of its own name: a module imported inside a test's function would be rewritten by the runner.
  const imports = doors.map((door) => `import * as ${door} from '/${door}.js'; globalThis.${door} = ${door};`);
  const page = `<!doctype html><title>distrokit</title><script type="module">${imports.join('')}globalThis.ready = true;</script>`;
  const requests: BrowserPage['requests'] = [];
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname).slice(1);
    const { range } = request.headers;
    const file = files[path] ?? (path.endsWith('.js') ? await readFile(join(folder, path)) : undefined);
    const type = path.endsWith('.js') ? 'text/javascript' : 'application/octet-stream';
    if (path === '') {
      response.writeHead(200, { 'content-type': 'text/html' }).end(page);
    } else if (!file) {
      response.writeHead(404).end();
    } else {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
      const start = Number(first ?? 0);
      const end = Math.min(Number(last ?? file.length - 1), file.length - 1);
      const body = file.subarray(start, end + 1);
      requests.push({ path, range, sentBytes: body.length });
      const headers = { 'content-type': type, 'content-length': body.length, 'accept-ranges': 'bytes' };
      if (range === undefined) response.writeHead(200, headers).end(body);
      else response.writeHead(206, { ...headers, 'content-range': `bytes ${start}-${end}/${file.length}` }).end(body);
    }
  });
  await listen(server);
  let browser: Browser | undefined;
  try {
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: [
        ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
        ...['--disable-background-networking', '--disable-component-update'],
      ],
    });
    const opened = await browser.newPage();
    await opened.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await opened.waitForFunction(() => 'ready' in globalThis);
    return {
      page: opened,
      requests,
      [Symbol.asyncDispose]: async () => {
        await browser?.close();
        server.closeAllConnections();
        server.close();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await browser?.close();
    server.close();
    throw error;
  }
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
}
