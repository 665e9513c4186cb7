/**
 * Opening packages: open, read, index, NEVRA, and the same with the header's SHA-256 checked, against librpm called from C
 * over the same files in the same run. Files are in the page cache. Rounds alternate; the ratio is the median of the pairwise
 * ratios of time (below 1: ours is faster).
 *
 * Beside it the floor, as a ratio to librpm too: the same files opened, read to the end of their headers and closed through
 * `node:fs`, with the SHA-256 of the same bytes in the second row, and nothing looked at. Once into the same memory again and again;
 * once into memory that stays, as headers do that are handed out.
 *
 *     node --import tsx bench/rpm-header.ts [packages = 2000 | folder] [rounds = 9]
 */
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestBytes, formatNevra } from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import { compilePeer, median } from './c-peer.js';
import { machinePackages } from './machine-packages.js';

/** Arguments: list of files, flags for librpm's checks. Prints microseconds a package and the length of all NEVRAs. */
const peerSource = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
typedef void *FD_t; typedef void *rpmts; typedef void *Header;
int rpmReadConfigFiles(const char *, const char *);
rpmts rpmtsCreate(void);
unsigned rpmtsSetVSFlags(rpmts, unsigned);
FD_t Fopen(const char *, const char *); int Fclose(FD_t);
int rpmReadPackageFile(rpmts, FD_t, const char *, Header *);
char *headerGetAsString(Header, int); Header headerFree(Header);
int main(int argc, char **argv) {
  static char *paths[1 << 20]; char line[4096]; int count = 0; long length = 0;
  FILE *list = fopen(argv[1], "r");
  while (fgets(line, sizeof line, list)) { line[strcspn(line, "\\n")] = 0; paths[count++] = strdup(line); }
  rpmReadConfigFiles(NULL, NULL);
  rpmts ts = rpmtsCreate();
  rpmtsSetVSFlags(ts, strtoul(argv[2], NULL, 0));
  struct timespec start, end;
  for (int warm = 0; warm < 2; warm++) {
    length = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int i = 0; i < count; i++) {
      FD_t fd = Fopen(paths[i], "r.ufdio");
      Header h = NULL;
      rpmReadPackageFile(ts, fd, paths[i], &h);
      char *nevra = headerGetAsString(h, 5016);
      length += strlen(nevra); free(nevra); headerFree(h); Fclose(fd);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
  }
  printf("%.3f %ld\\n", ((end.tv_sec - start.tv_sec) * 1e6 + (end.tv_nsec - start.tv_nsec) / 1e3) / count, length);
  return 0;
}
`;

async function ours(
  paths: readonly string[],
  check: boolean,
): Promise<{ readonly us: number; readonly length: number }> {
  let length = 0;
  const started = performance.now();
  for (const path of paths) {
    const pkg = await openPackage(path);
    if (check && digestBytes('sha256', pkg.header.immutableBytes()) !== pkg.signatureHeader.get('SHA256')) {
      throw new Error(`${path}: wrong digest`);
    }
    length += formatNevra(pkg.nevra).length;
    pkg.close();
  }
  return { us: ((performance.now() - started) * 1000) / paths.length, length };
}

interface HeaderPlace {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

async function headerPlaces(paths: readonly string[]): Promise<HeaderPlace[]> {
  const places: HeaderPlace[] = [];
  for (const path of paths) {
    using pkg = await openPackage(path);
    places.push({ path, ...pkg.headerRange });
  }
  return places;
}

/** Microseconds a package for what no reader in Node can do without. */
function floor(places: readonly HeaderPlace[], check: boolean, keep: boolean): number {
  const slabBytes = 256 * 1024;
  const room = new Uint8Array(Math.max(...places.map(({ end }) => end)));
  let slab = new Uint8Array(0);
  let taken = 0;
  const started = performance.now();
  for (const { path, start, end } of places) {
    let into = room;
    let at = 0;
    if (keep && end > slabBytes) {
      into = new Uint8Array(end);
    } else if (keep) {
      if (taken + end > slab.length) {
        slab = new Uint8Array(slabBytes);
        taken = 0;
      }
      into = slab;
      at = taken;
      taken += end;
    }
    const descriptor = openSync(path, 'r');
    readSync(descriptor, into, at, end, 0);
    if (check) hash('sha256', into.subarray(at + start, at + end));
    closeSync(descriptor);
  }
  return ((performance.now() - started) * 1000) / places.length;
}

const subject = process.argv[2] ?? '2000';
const rounds = Number(process.argv[3] ?? 9);
const paths = existsSync(subject)
  ? readdirSync(subject)
      // rpm 4 names a source package after the arch it was built on: then the answers differ.
      .filter((name) => name.endsWith('.rpm') && !/\.(no)?src\.rpm$/.test(name))
      .map((name) => join(subject, name))
  : await machinePackages(join(tmpdir(), 'distrokit-bench-headers'), Number(subject), 4096);
const folder = mkdtempSync(join(tmpdir(), 'rpm-header-'));
try {
  const peer = compilePeer(folder, peerSource);
  const list = join(folder, 'list');
  writeFileSync(list, paths.map((path) => `${path}\n`).join(''));
  const places = await headerPlaces(paths);
  // Every check off; then all but the header digests off (bits of rpmVSFlags).
  for (const [name, check, flags] of [
    ['without digests', false, 0xfff00],
    ['with header digests', true, 0xffc00],
  ] as const) {
    for (let warm = 0; warm < 3; warm++) await ours(paths, check);
    const results: Readonly<Record<'ours' | 'librpm' | 'floor' | 'keptFloor', number>>[] = [];
    for (let round = 0; round < rounds; round++) {
      const [us, length] = execFileSync(peer, [list, String(flags)], { encoding: 'utf8' })
        .split(' ')
        .map(Number);
      // The second pass counts, as on their side: the first one warms what the other process took.
      await ours(paths, check);
      const mine = await ours(paths, check);
      if (mine.length !== length) throw new Error(`the answers differ: ${mine.length} and ${length} characters`);
      const [bare, kept] = [floor(places, check, false), floor(places, check, true)];
      results.push({ ours: mine.us, librpm: us as number, floor: bare, keptFloor: kept });
    }
    const of = (which: 'ours' | 'librpm' | 'floor' | 'keptFloor'): string =>
      median(results.map((each) => each[which])).toFixed(1);
    const ratio = (which: 'ours' | 'floor' | 'keptFloor'): string =>
      median(results.map((each) => each[which] / each.librpm)).toFixed(2);
    console.log(
      `rpm-header ${name}: ours ${of('ours')} µs, librpm ${of('librpm')} µs a package, ratio ${ratio('ours')} (${paths.length} packages, ${rounds} rounds)`,
    );
    console.log(
      `rpm-header ${name}: floor ${of('floor')} µs, ratio ${ratio('floor')}; into memory that stays ${of('keptFloor')} µs, ratio ${ratio('keptFloor')}`,
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
