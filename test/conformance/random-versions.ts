/** Random version pairs from a seed, and the installed rpm's verdict on them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type VersionPair = readonly [string, string];

/** Pairs that are often close to each other: the interesting cases lie there. */
export function randomVersionPairs(count: number, seed: number): VersionPair[] {
  const random = xorshift(seed);
  const pick = (text: string): string => text[random(text.length)]!;
  const pieces = [
    () => pick('0123456789'),
    () => `0${pick('0123456789')}`,
    () => String(random(20_240_000)),
    () => pick('abcxyzABCXYZ'),
    () => ['rc', 'beta', 'el9', 'git', 'fc', 'alpha', 'p'][random(7)]!,
    () => pick('~^'),
    () => pick('._+'),
    () => '.',
    () => ['é', '€', '_é', '日'][random(4)]!,
  ];
  const make = (): string => Array.from({ length: 1 + random(8) }, () => pieces[random(pieces.length)]!()).join('');
  const change = (text: string): string => {
    const at = random(text.length + 1);
    const kind = random(3);
    const insert = kind === 0 ? '' : pieces[random(pieces.length)]!();
    return text.slice(0, at) + insert + text.slice(kind === 1 ? at : at + 1) || '0';
  };
  return Array.from({ length: count }, () => {
    const a = make();
    return [a, random(4) === 0 ? make() : change(a)];
  });
}

/** Pairs of `[epoch:]version[-release]` made from the pairs above. */
export function randomEvrPairs(count: number, seed: number): VersionPair[] {
  const random = xorshift(seed);
  const parts = randomVersionPairs(count * 2, seed);
  const epochs = ['', '', '', '0:', '1:', '01:', ':'];
  return Array.from({ length: count }, (_, i) => {
    const [a, b] = parts[2 * i]!;
    const [releaseA, releaseB] = parts[2 * i + 1]!;
    const text = (version: string, release: string): string =>
      `${epochs[random(epochs.length)]}${version}${random(4) === 0 ? '' : `-${release}`}`;
    return [text(a, releaseA), text(random(2) === 0 ? a : b, releaseB)];
  });
}

/** −1, 0 or 1 for each pair of EVRs, from one run of rpm. They must not hold tabs or line ends, nor be empty. */
export function rpmVerdicts(pairs: readonly VersionPair[]): number[] {
  const folder = mkdtempSync(join(tmpdir(), 'vercmp-'));
  try {
    const file = join(folder, 'pairs');
    writeFileSync(file, pairs.map(([a, b]) => `${a}\t${b}\n`).join(''));
    const loop = `%{lua: for l in io.lines("${file}") do local a, b = l:match("([^\\t]*)\\t(.*)") io.write(rpm.vercmp(a, b), "\\n") end}`;
    const text = execFileSync('rpm', ['--eval', loop], { encoding: 'utf8', maxBuffer: 1 << 30 });
    return text.trimEnd().split('\n').map(Number);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function xorshift(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}
