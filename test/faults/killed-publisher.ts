/**
 * A publisher that is killed: `killed-publisher.ts JSON` publishes revision 4, or goes back to a generation, and sends
 * itself SIGKILL before or amid one of its changes to the store. Without such a change it ends with `done`.
 */
import { request } from 'node:http';
import {
  directoryStore,
  publishRepository,
  type RepositoryStore,
  revertRepository,
  type S3FetchFunction,
  type S3StoreOptions,
  s3Store,
} from '@distrokit/repo/node';
import { at, locations, signatureOf, stage } from './staged-repository.js';

/** What the process is told. */
export interface KilledPublish {
  readonly folder?: string;
  readonly bucket?: Omit<S3StoreOptions, 'fetch' | 'at'>;
  /** A generation to go back to; else revision 4 is published. */
  readonly revertTo?: string;
  /** The change to be killed at, counted from 0. */
  readonly change: number;
  /** `amid`: with half of the bytes written or sent. */
  readonly moment: 'before' | 'amid';
}

const told = JSON.parse(process.argv[2] ?? '') as KilledPublish;
let changes = 0;

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => undefined);
}

async function* half(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield bytes.subarray(0, bytes.length >> 1);
  await die();
}

function dyingFolder(folder: string): RepositoryStore {
  const store = directoryStore(folder);
  return {
    ...store,
    async write(path, data, options) {
      if (changes++ !== told.change) return store.write(path, data, options);
      if (told.moment === 'before') await die();
      const chunks: Uint8Array[] = [];
      if (data instanceof Uint8Array) chunks.push(data);
      else for await (const chunk of data) chunks.push(chunk);
      return store.write(path, half(Buffer.concat(chunks)), options);
    },
    async remove(path, options) {
      if (changes++ === told.change) await die();
      return store.remove(path, options);
    },
  };
}

const dyingFetch: S3FetchFunction = async (url, init) => {
  if (!['PUT', 'POST', 'DELETE'].includes(init.method) || changes++ !== told.change) return fetch(url, init);
  if (told.moment === 'before' || init.body === undefined) await die();
  const body = init.body as Uint8Array;
  const headers = { ...init.headers, 'content-length': String(body.length) };
  const torn = request(url, { method: init.method, headers });
  await new Promise((resolve) => torn.write(body.subarray(0, body.length >> 1), resolve));
  return die();
};

const store =
  told.bucket === undefined
    ? dyingFolder(told.folder ?? '')
    : s3Store({ ...told.bucket, fetch: dyingFetch, at: () => new Date() });
if (told.revertTo !== undefined) await revertRepository(store, told.revertTo);
else {
  const staged = await stage(4, ['b', 'c']);
  await publishRepository(staged, store, {
    at: at(40_000),
    packages: locations(['b', 'c']),
    signature: signatureOf(staged),
    keep: { count: 1 },
  });
}
process.stdout.write('done');
