/**
 * Signers behind other programs: gpg with its agent (and so tokens and smart cards), or any command.
 *
 * The only file of this package that starts processes. Programs get the data on standard input and are never run by a
 * shell; what they print on standard error goes into no message, except gpg's own last line.
 */
import { spawn } from 'node:child_process';
import { type Abortable, quote } from '@distrokit/rpm';
import { isArmored, packetsOf } from './armor.js';
import { type Signer, type SignOptions, signerFailed, wholeSeconds } from './signer.js';

/** Bytes of a signature that are taken from a program; a post-quantum one has about 5,000. */
const MAX_SIGNATURE_BYTES = 1024 * 1024;

/** How gpg is run. */
export interface GpgSignerOptions {
  /** Of the key, or of the subkey to sign with: exactly this one is used. */
  readonly fingerprint: string;
  /** `--homedir`. Default: gpg's own. */
  readonly homeFolder?: string;
  /** Default `gpg`. */
  readonly program?: string;
}

/**
 * A signer behind gpg. The agent asks for passphrases and PINs; none passes through here. The time of the signature is
 * given to gpg, so with RSA and EdDSA keys the same input gives the same bytes.
 *
 * `sign` throws SIGN_SIGNER_FAILED when gpg is missing or refuses.
 */
export function gpgSigner(options: GpgSignerOptions): Signer {
  const { fingerprint, homeFolder, program = 'gpg' } = options;
  if (!/^[0-9a-fA-F]{40}$|^[0-9a-fA-F]{64}$/.test(fingerprint)) {
    throw new TypeError('"fingerprint" must be 40 or 64 hexadecimal digits');
  }
  return commandSigner(fingerprint.toLowerCase(), ({ signedAt, text }) => ({
    program,
    args: [
      ...(homeFolder === undefined ? [] : ['--homedir', homeFolder]),
      '--batch',
      '--no-tty',
      '--quiet',
      '--no-auto-key-locate',
      // The first that is long enough: curves of 384 bits and more do not take SHA-256.
      '--personal-digest-preferences',
      'SHA256 SHA384 SHA512',
      // The exclamation marks: exactly this key, and a clock that stands still.
      '--local-user',
      `${fingerprint}!`,
      '--faked-system-time',
      `${gpgTime(signedAt)}!`,
      ...(text ? ['--textmode'] : []),
      '--output',
      '-',
      '--detach-sign',
    ],
    showLastLine: true,
  }));
}

/** A program to run. */
export interface SignCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** Default: the one of this process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether the last line of standard error may be shown: only for programs that never print secrets. */
  readonly showLastLine?: boolean;
}

/**
 * A signer behind a command that reads data on standard input and writes one OpenPGP signature, binary or armored, to
 * standard output. It must give the signature the time `signedAt`.
 *
 * `sign` throws SIGN_SIGNER_FAILED when the program is missing, fails, or writes something else.
 */
export function commandSigner(fingerprint: string, command: (options: SignOptions) => SignCommand): Signer {
  return {
    fingerprint,
    sign: async (data, options) => {
      const signedAt = wholeSeconds(options.signedAt);
      const output = await run(fingerprint, command({ ...options, signedAt }), data, options);
      if (!isArmored(output)) return output;
      const [block] = packetsOf(output, ['SIGNATURE']);
      if (!block) throw signerFailed({ fingerprint }, 'a signature on standard output', 'other text');
      return block;
    },
  };
}

/** `20261122T030000`, in UTC. */
function gpgTime(instant: Date): string {
  return instant.toISOString().slice(0, 19).replace(/[-:]/g, '');
}

async function run(
  fingerprint: string,
  command: SignCommand,
  data: Uint8Array,
  { signal }: Abortable,
): Promise<Uint8Array> {
  signal?.throwIfAborted();
  const child = spawn(command.program, [...command.args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(command.environment ? { env: { ...command.environment } } : {}),
  });
  // Closing the pipes as well: a grandchild that still writes gets to know, and nobody waits for it.
  const stop = (): void => {
    child.kill('SIGKILL');
    child.stdout.destroy();
    child.stderr.destroy();
  };
  signal?.addEventListener('abort', stop, { once: true });
  const output: Buffer[] = [];
  let outputBytes = 0;
  let lastLine = '';
  child.stdout.on('data', (chunk: Buffer) => {
    outputBytes += chunk.length;
    if (outputBytes <= MAX_SIGNATURE_BYTES) output.push(chunk);
    else stop();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    if (command.showLastLine) lastLine = `${lastLine}${chunk.toString('latin1')}`.slice(-2000);
  });
  // A program that does not read all of its input ends the pipe: its exit status says what happened.
  child.stdin.on('error', () => {});
  child.stdin.end(data);
  const ended = new Promise<{ readonly code: number | null; readonly error?: Error }>((resolve) => {
    child.on('error', (error) => resolve({ code: null, error }));
    child.on('close', (code) => resolve({ code }));
  });
  const { code, error } = await ended;
  signal?.removeEventListener('abort', stop);
  signal?.throwIfAborted();
  const name = quote(command.program);
  if (error)
    throw signerFailed({ fingerprint }, `${name} to run`, (error as NodeJS.ErrnoException).code ?? error.name, error);
  if (outputBytes > MAX_SIGNATURE_BYTES) {
    throw signerFailed({ fingerprint }, `at most ${MAX_SIGNATURE_BYTES} bytes from ${name}`, 'more');
  }
  if (code !== 0) {
    const said = lastLine.trim().split('\n').at(-1);
    throw signerFailed(
      { fingerprint },
      `${name} to succeed`,
      `exit status ${code}${said ? `, ${quote(said, 200)}` : ''}`,
    );
  }
  return new Uint8Array(Buffer.concat(output));
}
