/** Keys that gpg makes, in every state that a key can be in, and packets cut out of them by hand. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Outcome, tool } from './judges.js';

/** A gpg of its own, with a clock that stands where it is told to. */
export interface Gpg {
  readonly home: string;
  run(time: string, ...args: string[]): Promise<string>;
  /** Detached, binary, by exactly this key. */
  sign(time: string, key: string, data: string): Promise<Uint8Array>;
  fingerprints(): Promise<string[]>;
  publicKey(): Promise<string>;
  secretKey(): Promise<string>;
}

/** Times are like `20260101T000000`. */
export async function gpgIn(folder: string, name: string): Promise<Gpg> {
  const home = join(folder, `gpg-${name}`);
  await mkdir(home, { mode: 0o700 });
  const base = ['--homedir', home, '--batch', '--yes', '--pinentry-mode', 'loopback', '--passphrase', ''];
  const good = (outcome: Outcome): string => {
    if (outcome.code !== 0) throw new Error(`gpg: ${outcome.stderr}`);
    return outcome.stdout;
  };
  const run = async (time: string, ...args: string[]): Promise<string> =>
    good(await tool('gpg', [...base, '--faked-system-time', `${time}!`, ...args]));
  return {
    home,
    run,
    sign: async (time, key, data) => {
      const [file, output] = [join(home, 'data'), join(home, 'data.sig')];
      await writeFile(file, data);
      await run(time, '--local-user', `${key}!`, '--output', output, '--detach-sign', file);
      const { readFile } = await import('node:fs/promises');
      return new Uint8Array(await readFile(output));
    },
    fingerprints: async () => {
      const list = good(await tool('gpg', [...base, '--with-colons', '--list-keys', '--with-subkey-fingerprint']));
      return [...list.matchAll(/^fpr:.*:([0-9A-F]{40}):/gm)].map(([, fingerprint]) => fingerprint!.toLowerCase());
    },
    publicKey: async () => good(await tool('gpg', [...base, '--armor', '--export'])),
    secretKey: async () => good(await tool('gpg', [...base, '--armor', '--export-secret-keys'])),
  };
}
