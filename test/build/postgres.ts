/** A PostgreSQL server of this machine's own packages, for one test: started, stopped hard, started again, removed. */
import { execFile } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A running server. */
export interface PostgresServer {
  readonly url: string;
  /** Stops without saying goodbye, as a crash would, and comes back. */
  crash(): Promise<void>;
  stop(): Promise<void>;
}

/** Makes a server below `folder`, which must be empty, and starts it on a free port of the loopback address. */
export async function startPostgres(folder: string): Promise<PostgresServer> {
  const [version] = (await readdir('/usr/lib/postgresql')).sort((a, b) => Number(b) - Number(a));
  const tool = (name: string): string => `/usr/lib/postgresql/${version}/bin/${name}`;
  const data = join(folder, 'data');
  const port = await freePort();
  await mkdir(folder, { recursive: true });
  await run('chown', ['postgres', folder]);
  // The server refuses to be root.
  const as = (argv: readonly string[]) => run('runuser', ['-u', 'postgres', '--', ...argv], { cwd: '/' });
  await as([tool('initdb'), '-D', data, '-A', 'trust', '-E', 'UTF8', '--no-sync']);
  const options = `-c listen_addresses=127.0.0.1 -c port=${port} -c unix_socket_directories=${folder} -c max_connections=200`;
  const start = () => as([tool('pg_ctl'), '-D', data, '-w', '-l', join(folder, 'server.log'), '-o', options, 'start']);
  const stop = () => as([tool('pg_ctl'), '-D', data, '-w', '-m', 'immediate', 'stop']);
  await start();
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    crash: async () => {
      await stop();
      await start();
    },
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
