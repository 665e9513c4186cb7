/** The S3-compatible server of the registry (s3rver) as a process on loopback, with one bucket. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { S3Credentials } from '@distrokit/rpm';

export interface S3Server {
  readonly place: {
    readonly bucketUrl: string;
    readonly region: string;
    readonly credentials: S3Credentials;
    readonly at: () => Date;
  };
  close(): Promise<void>;
}

export async function startS3rver(): Promise<S3Server> {
  const folder = mkdtempSync(join(tmpdir(), 'distrokit-s3-'));
  const program = join(dirname(createRequire(import.meta.url).resolve('s3rver/package.json')), 'bin/s3rver.js');
  const words = ['-d', folder, '-a', '127.0.0.1', '-p', '0', '-s', '--no-vhost-buckets'];
  // Its continuation tokens are in DES, which the platform's OpenSSL keeps apart.
  const server = spawn(
    process.execPath,
    ['--openssl-legacy-provider', program, ...words, '--configure-bucket', 'bucket'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const port = await new Promise<string>((resolve, reject) => {
    let output = '';
    server.once('close', (code) => reject(new Error(`s3rver ended with ${code}`)));
    server.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      const found = /listening on \S+:(\d+)/.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  return {
    place: {
      bucketUrl: `http://127.0.0.1:${port}/bucket`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
      // The server compares with its own clock.
      at: () => new Date(),
    },
    close: async () => {
      const closed = new Promise((resolve) => server.once('close', resolve));
      server.kill();
      await closed;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
