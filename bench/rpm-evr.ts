/**
 * Comparing versions: ours against librpm's own function, called from C over the same pairs in the same run.
 *
 * Two sets: version and release texts as distributions have them, and random short ones with every special character.
 * Rounds alternate; the ratio is the median of the pairwise ratios of time (below 1: ours is faster).
 *
 *     node --import tsx bench/rpm-evr.ts [rounds = 9]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareVersion } from '@distrokit/rpm';
import { compilePeer, median } from './c-peer.js';

type Pair = readonly [string, string];

/** Calls rpmvercmp over the pairs of a file again and again; prints nanoseconds per call and a sum that keeps the calls alive. */
const peerSource = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
int rpmvercmp(const char *a, const char *b);
int main(int argc, char **argv) {
  FILE *file = fopen(argv[1], "r");
  int repeat = atoi(argv[2]);
  static char *left[1 << 20], *right[1 << 20];
  char line[4096];
  int count = 0;
  while (fgets(line, sizeof line, file)) {
    char *tab = strchr(line, '\\t');
    line[strcspn(line, "\\n")] = 0;
    *tab = 0;
    left[count] = strdup(line);
    right[count++] = strdup(tab + 1);
  }
  struct timespec start, end;
  long sum = 0;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (int r = 0; r < repeat; r++)
    for (int i = 0; i < count; i++) sum += rpmvercmp(left[i], right[i]);
  clock_gettime(CLOCK_MONOTONIC, &end);
  double ns = (end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec);
  printf("%.3f %ld\\n", ns / repeat / count, sum / repeat);
  return 0;
}
`;

/** A fixed sequence of numbers below `limit`: the same pairs in every run. */
function sequence(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

function distributionPairs(count: number): Pair[] {
  const next = sequence(1);
  const version = (): string => [next(20), next(40), next(15)].slice(0, 2 + next(2)).join('.');
  const release = (): string => `${1 + next(500)}.${next(30)}.${next(4)}.el9${next(2) === 0 ? '' : `_${next(7)}`}`;
  return Array.from({ length: count }, () => {
    const make = next(2) === 0 ? version : release;
    const a = make();
    // Half of the questions are about the same package a few builds later.
    return [a, next(2) === 0 ? make() : a.replace(/\d+$/, (digits) => String(Number(digits) + next(2)))];
  });
}

function randomPairs(count: number): Pair[] {
  const next = sequence(2);
  const alphabet = '0123456789abcxyzABC~^..__+';
  const text = (): string => Array.from({ length: 1 + next(12) }, () => alphabet[next(alphabet.length)]).join('');
  return Array.from({ length: count }, () => {
    const a = text();
    return [a, next(3) === 0 ? text() : a.slice(0, next(a.length + 1)) + text()];
  });
}

function ours(pairs: readonly Pair[], repeat: number): { readonly ns: number; readonly sum: number } {
  // Two arrays, as the peer has them.
  const left = pairs.map(([a]) => a);
  const right = pairs.map(([, b]) => b);
  let sum = 0;
  const started = performance.now();
  for (let r = 0; r < repeat; r++) {
    for (let i = 0; i < left.length; i++) sum += compareVersion(left[i] as string, right[i] as string);
  }
  return { ns: ((performance.now() - started) * 1e6) / repeat / pairs.length, sum: sum / repeat };
}

const rounds = Number(process.argv[2] ?? 9);
const folder = mkdtempSync(join(tmpdir(), 'rpm-evr-'));
try {
  const peer = compilePeer(folder, peerSource);
  for (const [name, pairs] of [
    ['distribution', distributionPairs(20_000)],
    ['random', randomPairs(20_000)],
  ] as const) {
    const file = join(folder, name);
    writeFileSync(file, pairs.map(([a, b]) => `${a}\t${b}\n`).join(''));
    // As a parser gives them: each string in one piece.
    const flat = JSON.parse(JSON.stringify(pairs)) as Pair[];
    const repeat = 50;
    ours(flat, repeat);
    const results = Array.from({ length: rounds }, () => {
      const [ns, sum] = execFileSync(peer, [file, String(repeat)], { encoding: 'utf8' })
        .split(' ')
        .map(Number);
      const mine = ours(flat, repeat);
      if (mine.sum !== sum) throw new Error(`${name}: the answers differ, ${mine.sum} and ${sum}`);
      return { ours: mine.ns, librpm: ns as number };
    });
    const ratio = median(results.map((each) => each.ours / each.librpm));
    const [mine, theirs] = [median(results.map((each) => each.ours)), median(results.map((each) => each.librpm))];
    console.log(
      `rpm-evr ${name}: ours ${mine.toFixed(0)} ns, librpm ${theirs.toFixed(0)} ns, ratio ${ratio.toFixed(2)} (${rounds} rounds)`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
