/** A PostgreSQL server of this machine's own packages, for one test: started, stopped hard, started again, removed. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A running server. */
export interface PostgresServer {
  readonly url: string;
  /** Stops without saying goodbye, as a crash would, and comes back. */
  crash(): Promise<void>;
  /** Sets the clock that the server sees, off the machine's by so much. Only with `clock`. */
  setClock(offsetSeconds: number): Promise<void>;
  stop(): Promise<void>;
}

/** Where Debian and Fedora put the library that lets a program see another time. */
const clockLibraries = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib64/faketime/libfaketime.so.1',
];

/**
 * Makes a server below `folder`, which must be empty, and starts it on a free port of the loopback address. With `clock` it sees
 * a clock that can be set while it runs.
 */
export async function startPostgres(
  folder: string,
  options: { readonly clock?: boolean } = {},
): Promise<PostgresServer> {
  const [version] = (await readdir('/usr/lib/postgresql')).sort((a, b) => Number(b) - Number(a));
  const tool = (name: string): string => `/usr/lib/postgresql/${version}/bin/${name}`;
  const data = join(folder, 'data');
  const port = await freePort();
  await mkdir(folder, { recursive: true });
  await run('chown', ['postgres', folder]);
  const clockFile = join(folder, 'clock');
  const setClock = (offsetSeconds: number): Promise<void> =>
    writeFile(clockFile, `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}\n`, { mode: 0o644 });
  await setClock(0);
  const library = clockLibraries.find((path) => existsSync(path));
  if (options.clock === true && library === undefined) throw new Error('libfaketime is missing');
  const environment =
    options.clock === true
      ? [
          ...[`LD_PRELOAD=${library}`, `FAKETIME_TIMESTAMP_FILE=${clockFile}`, 'FAKETIME_NO_CACHE=1'],
          // Waiting is counted by the clock that only runs forward; that one stays true.
          ...['FAKETIME_DONT_FAKE_MONOTONIC=1', 'DONT_FAKE_MONOTONIC=1'],
        ]
      : [];
  // The server refuses to be root.
  const as = (argv: readonly string[]) => run('runuser', ['-u', 'postgres', '--', ...argv], { cwd: '/' });
  await as([tool('initdb'), '-D', data, '-A', 'trust', '-E', 'UTF8', '--no-sync']);
  const words = `-c listen_addresses=127.0.0.1 -c port=${port} -c unix_socket_directories=${folder} -c max_connections=200`;
  const start = () =>
    as([
      'env',
      ...environment,
      tool('pg_ctl'),
      '-D',
      data,
      '-w',
      '-l',
      join(folder, 'server.log'),
      '-o',
      words,
      'start',
    ]);
  const stop = () => as([tool('pg_ctl'), '-D', data, '-w', '-m', 'immediate', 'stop']);
  await start();
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    crash: async () => {
      await stop();
      await start();
    },
    setClock,
    stop: async () => {
      await stop();
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
