/**
 * Runs one program and every process it starts, and leaves none of them behind.
 *
 * The program leads a process group of its own; the group is killed when the program ends, is
 * aborted, runs out of time or says too much. A process that left the group is found by its HOME,
 * which no other build shares. Standard output and error come through one pipe, in their true order.
 *
 * This is the only file that knows execa.
 */
import { createWriteStream } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import { StringDecoder } from 'node:string_decoder';
import type { Abortable } from '@distrokit/rpm';
import { findTool } from './tool.js';

/** One program to run. */
export interface Command extends Abortable {
  /** Absolute path of the program, then its arguments. */
  readonly argv: readonly string[];
  /** The whole environment: nothing is inherited. HOME must belong to this command alone. */
  readonly env: Readonly<Record<string, string>> & { readonly HOME: string; readonly PATH: string };
  readonly cwd: string;
  /** File that receives every byte. Without it only `lastLines` remain. */
  readonly logPath?: string | undefined;
  readonly timeoutMs?: number | undefined;
  /** The program is ended when it has said more than this. */
  readonly maxOutputBytes: number;
  /** Each line as it comes, without its end; cut at 64 KiB. */
  readonly onLine?: ((line: string) => void) | undefined;
}

/** How a program ended. */
export interface CommandOutcome {
  readonly ending: 'exited' | 'timeout' | 'too-much-output';
  readonly exitStatus: number | null;
  readonly signal: string | null;
  readonly outputBytes: number;
  /** At most 40, oldest first. */
  readonly lastLines: readonly string[];
}

const maxLineChars = 65_536;
const lastLineCount = 40;

/**
 * Runs a program to its end. A non-zero exit is an answer; an abort rejects with the signal's reason,
 * after the last process is gone. Rejects with what `onLine` throws, likewise.
 */
export async function runCommand(command: Command): Promise<CommandOutcome> {
  const { signal } = command;
  // Not loaded with this package: it takes longer than all the rest, and a plan starts no program.
  const { execa } = await import('execa');
  const shell = await findTool('sh');
  signal?.throwIfAborted();
  // The shell joins the two outputs and then becomes the program: one pipe, one process.
  const child = execa(shell, ['-c', 'exec "$@" 2>&1', 'sh', ...command.argv], {
    cwd: command.cwd,
    env: { ...command.env },
    extendEnv: false,
    detached: true,
    stdin: 'ignore',
    stderr: 'ignore',
    buffer: false,
    reject: false,
    stripFinalNewline: false,
  });
  const log = command.logPath === undefined ? undefined : createWriteStream(command.logPath, { flags: 'a' });
  const lines = new LineReader(command.onLine);
  let ending: CommandOutcome['ending'] = 'exited';
  let stop: { readonly reason: unknown } | undefined;
  const end = (): void => killGroup(child.pid);
  const onAbort = (): void => {
    stop ??= { reason: signal?.reason };
    end();
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer =
    command.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          ending = 'timeout';
          end();
        }, command.timeoutMs);
  let outputBytes = 0;
  log?.on('error', (cause) => {
    stop ??= { reason: cause };
    end();
  });
  child.stdout.on('data', (chunk: Buffer) => {
    outputBytes += chunk.length;
    if (ending === 'exited' && outputBytes > command.maxOutputBytes) {
      ending = 'too-much-output';
      end();
    }
    if (ending === 'too-much-output' || stop !== undefined) return;
    if (log !== undefined && !log.write(chunk)) {
      child.stdout.pause();
      log.once('drain', () => child.stdout.resume());
    }
    try {
      lines.add(chunk);
    } catch (cause) {
      stop ??= { reason: cause };
      end();
    }
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  try {
    await exited;
    // What the program left running would hold the pipe open, and run on.
    end();
    await killByHome(command.env.HOME);
    const result = await child;
    lines.flush();
    if (result.exitCode === undefined && result.signal === undefined) throw result;
    if (stop !== undefined) throw stop.reason;
    return {
      ending,
      exitStatus: result.exitCode ?? null,
      signal: result.signal ?? null,
      outputBytes,
      lastLines: lines.last,
    };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    if (log !== undefined && !log.errored) {
      log.end();
      await finished(log);
    }
  }
}

/** Splits output into lines and keeps the last few. */
class LineReader {
  readonly #decoder = new StringDecoder('utf8');
  readonly #onLine: ((line: string) => void) | undefined;
  readonly last: string[] = [];
  #rest = '';

  constructor(onLine: ((line: string) => void) | undefined) {
    this.#onLine = onLine;
  }

  add(chunk: Buffer): void {
    const parts = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = parts.pop() ?? '';
    for (const part of parts) this.#emit(part);
    // A line without end must not gather in memory.
    if (this.#rest.length > maxLineChars) this.#rest = this.#rest.slice(0, maxLineChars + 1);
  }

  flush(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = '';
    if (rest !== '') this.#emit(rest);
  }

  #emit(line: string): void {
    const cut = line.endsWith('\r') ? line.slice(0, -1) : line;
    const kept = cut.length > maxLineChars ? `${cut.slice(0, maxLineChars)}…` : cut;
    this.last.push(kept);
    if (this.last.length > lastLineCount) this.last.shift();
    this.#onLine?.(kept);
  }
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended already.
  }
}

/** Ends processes that carry this HOME, wherever they moved. Linux only; elsewhere there is no /proc to read. */
async function killByHome(home: string): Promise<void> {
  const mark = Buffer.from(`HOME=${home}\0`);
  for (let round = 0; round < 5; round += 1) {
    let found = 0;
    for (const name of await readdir('/proc').catch(() => [])) {
      if (!/^\d+$/.test(name)) continue;
      const environ = await readFile(`/proc/${name}/environ`).catch(() => undefined);
      if (environ === undefined || !environ.includes(mark)) continue;
      try {
        process.kill(Number(name), 'SIGKILL');
        found += 1;
      } catch {
        // It ended in between.
      }
    }
    if (found === 0) return;
  }
}
