/**
 * Comparing two kernel-like sources of 500 patches each: reading both folders, every patch's identity, and which belong
 * together. The peer is `git patch-id` over the same 1,000 patches, which computes one identity and relates nothing.
 * Rounds alternate; the ratio is the median of the pairwise ratios of time (below 1: ours is faster). awk reads
 * the patches for git, in processes of their own: both begin with files and end with identities.
 *
 *     node --import tsx bench/source-compare.ts [patches = 500] [rounds = 7]
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareSources, describeSource, type Origin, readSourceTree } from '@distrokit/source';

const count = Number(process.argv[2] ?? 500);
const rounds = Number(process.argv[3] ?? 7);
const root = mkdtempSync(join(tmpdir(), 'bench-source-'));

/** A patch of a few hunks over a few files; `shift` moves it to other lines, `change` alters some of its own. */
function patch(seed: number, shift: number, change: boolean): string {
  const files = Array.from({ length: 1 + (seed % 4) }, (_, file) => {
    const hunks = Array.from({ length: 1 + (seed % 5) }, (_, hunk) => {
      const start = 100 * hunk + 10 + shift;
      const lines = Array.from(
        { length: 12 },
        (_, line) => `+\tvalue_${seed}_${file}_${hunk}_${line} = ${change && line === 3 ? 'other' : line};`,
      );
      const context = [0, 1, 2].map((line) => ` \tkept line ${line} of hunk ${hunk} in ${file};`);
      return [
        `@@ -${start},7 +${start},18 @@ static int f${hunk}(void)`,
        ...context,
        `-\told_${seed}_${hunk}();`,
        ...lines,
        ...context,
      ].join('\n');
    });
    const path = `drivers/net/driver${seed}/part${file}.c`;
    return [
      `diff --git a/${path} b/${path}`,
      'index 0123..4567 100644',
      `--- a/${path}`,
      `+++ b/${path}`,
      ...hunks,
    ].join('\n');
  });
  return `From 0123 Mon Sep 17 00:00:00 2001\nSubject: patch ${seed}\n\n---\n${files.join('\n')}\n`;
}

function makeTree(name: string, first: number, moved: boolean): string {
  const folder = join(root, name);
  mkdirSync(folder);
  const tags: string[] = [];
  for (let i = 0; i < count; i++) {
    const seed = first + i;
    writeFileSync(join(folder, `${seed}.patch`), patch(seed, moved && i % 3 === 0 ? 40 : 0, moved && i % 7 === 0));
    tags.push(`Patch${moved ? 1000 + i : i}: ${seed}.patch`);
  }
  writeFileSync(
    join(folder, 'kernel.spec'),
    `Name: kernel\nVersion: 5.14.0\nRelease: ${moved ? 2 : 1}\n${tags.join('\n')}\n%prep\n%autosetup\n`,
  );
  return folder;
}

const folders = [makeTree('a', 0, false), makeTree('b', 20, true)];
const origin: Origin = { kind: 'directory', where: 'bench', terms: 'own' };

async function ours(): Promise<string> {
  const [treeA, treeB] = await Promise.all(folders.map((folder) => readSourceTree(folder, { origin, ref: 'bench' })));
  const a = await describeSource(treeA!, { label: 'a' });
  const b = await describeSource(treeB!, { label: 'b', known: [a] });
  const counts = new Map<string, number>();
  for (const { relation } of compareSources(a, b).patches) counts.set(relation, (counts.get(relation) ?? 0) + 1);
  return [...counts].map(([relation, number]) => `${number} ${relation}`).join(', ');
}

/** One process for all patches: `git patch-id` tells them apart by the line that begins each. */
const program = `awk 'FNR == 1 { printf "commit %040d\\n", ++n } { print }' "$1"/*.patch "$2"/*.patch | git patch-id --stable; times >&2`;
function peer(): { readonly ids: number; readonly cpuMs: number } {
  const run = spawnSync('sh', ['-c', program, 'sh', ...folders], { encoding: 'utf8' });
  // The shell's own times, then those of awk and git: minutes, seconds; user, system.
  const seconds = [...run.stderr.matchAll(/(\d+)m([\d.]+)s/g)].map((match) => Number(match[1]) * 60 + Number(match[2]));
  return { ids: run.stdout.split('\n').length - 1, cpuMs: 1000 * (seconds.at(-1)! + seconds.at(-2)!) };
}

/** User and system time of this process. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

try {
  const ratios = { wall: [] as number[], cpu: [] as number[] };
  const fastest = { own: Number.POSITIVE_INFINITY, other: Number.POSITIVE_INFINITY };
  for (let round = 0; round < rounds; round++) {
    let started = performance.now();
    let used = cpuMs();
    const relations = await ours();
    const own = { wall: performance.now() - started, cpu: cpuMs() - used };
    started = performance.now();
    used = cpuMs();
    const { ids, cpuMs: git } = peer();
    const other = { wall: performance.now() - started, cpu: cpuMs() - used + git };
    fastest.own = Math.min(fastest.own, own.wall);
    fastest.other = Math.min(fastest.other, other.wall);
    ratios.wall.push(own.wall / other.wall);
    ratios.cpu.push(own.cpu / other.cpu);
    console.log(
      `round ${round + 1}: ours ${own.wall.toFixed(0)} ms (${relations}), git patch-id ${other.wall.toFixed(0)} ms (${ids} ids)`,
    );
  }
  const median = (values: number[]): string => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!.toFixed(2);
  console.log(`fastest rounds: ours ${fastest.own.toFixed(0)} ms, git patch-id ${fastest.other.toFixed(0)} ms`);
  console.log(`ratio ${median(ratios.wall)}, of processor time ${median(ratios.cpu)}`);
} finally {
  rmSync(root, { recursive: true, force: true });
}
