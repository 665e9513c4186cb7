/**
 * Reading and editing many specs: parse, values of all tags, a patch, a release suffix, a changelog entry, print.
 *
 * The peer is `rpmspec -P` on the same specs, which reads and expands and edits nothing; it runs once per spec, as a tool
 * that edits by way of rpm does. Specs that rpm cannot read count for neither. The ratio is the median of the rounds'
 * ratios of time (below 1: ours is faster).
 *
 *     node --import tsx bench/source-spec.ts FOLDER [rounds = 3]
 *
 * Without a folder a synthetic spec of 3,000 lines is read 200 times.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseSpec } from '@distrokit/source';

const [folder, roundsText] = process.argv.slice(2);
const rounds = Number(roundsText ?? 3);
const scratch = mkdtempSync(join(tmpdir(), 'bench-source-'));

function specsBelow(path: string): string[] {
  return readdirSync(path).flatMap((name) => {
    const child = join(path, name);
    return statSync(child).isDirectory() ? specsBelow(child) : child.endsWith('.spec') ? [child] : [];
  });
}

function synthetic(): string[] {
  const patches = Array.from({ length: 700 }, (_, i) => `Patch${i}: change-${i}.patch\n`).join('');
  const applied = Array.from({ length: 700 }, (_, i) => `%patch -P ${i} -p1\n`).join('');
  const packages = Array.from(
    { length: 80 },
    (_, i) => `%package p${i}\nSummary: Part ${i}\n%description p${i}\nA part.\n%files p${i}\n`,
  ).join('');
  const entries = Array.from(
    { length: 300 },
    (_, i) => `* Mon Jan 01 2024 A <a@b> - 1-${300 - i}\n- Change ${i}\n\n`,
  ).join('');
  const path = join(scratch, 'big.spec');
  writeFileSync(
    path,
    `%global base 1\nName: big\nVersion: 1\nRelease: %{base}%{?dist}\nSummary: x\nLicense: MIT\n${patches}%description\nx\n%prep\n%setup -q\n${applied}${packages}%changelog\n${entries}`,
  );
  return Array.from({ length: 200 }, () => path);
}

try {
  const all = folder === undefined ? synthetic() : specsBelow(resolve(folder));
  const readable = all.filter((path, i) => (i < 1 || path !== all[i - 1] ? true : folder === undefined));
  const theirs = (path: string): boolean =>
    spawnSync('rpmspec', ['-P', path], { stdio: 'ignore', cwd: scratch }).status === 0;
  const accepted = folder === undefined ? readable : readable.filter(theirs);
  const texts = accepted.map((path) => readFileSync(path, 'latin1'));
  const bytes = texts.reduce((sum, text) => sum + text.length, 0);
  const entry = { date: new Date('2026-11-22T00:00:00Z'), name: 'A', email: 'a@b', lines: ['One change'] };
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    let started = performance.now();
    let edited = 0;
    for (const text of texts) {
      const spec = parseSpec(text);
      spec.evaluateTags();
      const apply = spec.sections.some((section) => section.name === 'prep');
      try {
        edited +=
          spec.addPatch({ file: 'new.patch', apply }).suffixRelease('.x.1').addChangelogEntry(entry).toString().length >
          0
            ? 1
            : 0;
      } catch {
        // A spec without a place for one of the edits still counts as read.
      }
    }
    const own = performance.now() - started;
    started = performance.now();
    for (const path of accepted) theirs(path);
    const peer = performance.now() - started;
    ratios.push(own / peer);
    console.log(`round ${round + 1}: ours ${own.toFixed(0)} ms (${edited} edited), rpmspec -P ${peer.toFixed(0)} ms`);
  }
  console.log(`${accepted.length} of ${all.length} specs, ${(bytes / 2 ** 20).toFixed(1)} MiB`);
  console.log(`ratio ${ratios.sort((a, b) => a - b)[Math.floor(ratios.length / 2)]!.toFixed(3)}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
