/** Small C programs around a reference library, compiled when a benchmark runs, so that the peer has no wrapper's cost. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Compiles a program against librpm by its library's name; no development package is needed. */
export function compilePeer(folder: string, source: string): string {
  const program = join(folder, 'peer');
  writeFileSync(`${program}.c`, source);
  execFileSync('gcc', ['-O2', '-w', '-o', program, `${program}.c`, '-l:librpm.so.9', '-l:librpmio.so.9']);
  return program;
}

/** The middle value. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}
