/**
 * SRPMs from a package repository: Oracle Linux, UBI, and any other that publishes repodata for its sources.
 *
 * Reading repodata is `@distrokit/repo`'s work: its package records go in here as they are.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { compareEvr, type Digest, formatEvr, quote } from '@distrokit/rpm';
import { fileSource } from '@distrokit/rpm/node';
import { SourceError } from './errors.js';
import { type FetchSourcesOptions, fetchSources } from './fetch-sources.js';
import { type Lookaside, systemWord } from './lookaside.js';
import type { Origin, SourceTree } from './origin.js';
import { type ReadSrpmOptions, readSrpm } from './srpm.js';

/** What is needed of a package record; those of `@distrokit/repo` have it. */
export interface SrpmRecord {
  readonly name: string;
  readonly epoch?: number | undefined;
  readonly version: string;
  readonly release: string;
  /** `src` or `nosrc` for a source package; others are passed over. */
  readonly arch: string;
  /** Path from the repository's root. */
  readonly location: string;
  /** Digest of the package file. */
  readonly pkgid: Digest;
}

/** Which SRPM is wanted: the newest of a name, or the one with these parts. */
export interface WantedSrpm {
  readonly name: string;
  readonly epoch?: number | undefined;
  readonly version?: string | undefined;
  readonly release?: string | undefined;
}

/** How an SRPM from a repository is fetched, trusted and named. */
export interface FetchSrpmOptions extends Omit<FetchSourcesOptions, 'onFetched'>, Pick<ReadSrpmOptions, 'verify'> {
  /** The repository, with its terms. The tree's files get `srpm-repository` as the kind of their origin. */
  readonly origin: Omit<Origin, 'kind'>;
}

/**
 * The newest source package that fits; of equal EVRs the first. Throws SOURCE_NOT_FOUND, which says how many of that name
 * there were and which is the newest.
 */
export async function pickSrpm(
  records: AsyncIterable<SrpmRecord> | Iterable<SrpmRecord>,
  wanted: WantedSrpm,
): Promise<SrpmRecord> {
  let best: SrpmRecord | undefined;
  let newest: SrpmRecord | undefined;
  let count = 0;
  for await (const record of records) {
    if (record.name !== wanted.name || (record.arch !== 'src' && record.arch !== 'nosrc')) continue;
    count++;
    if (!newest || compareEvr(evrOf(record), evrOf(newest)) > 0) newest = record;
    const fits =
      (wanted.epoch === undefined || (record.epoch ?? 0) === wanted.epoch) &&
      (wanted.version === undefined || record.version === wanted.version) &&
      (wanted.release === undefined || record.release === wanted.release);
    if (fits && (!best || compareEvr(evrOf(record), evrOf(best)) > 0)) best = record;
  }
  if (best) return best;
  const why = newest
    ? `${count} of that name, the newest is ${formatEvr(evrOf(newest))}`
    : 'no source package of that name';
  throw new SourceError(
    { code: 'SOURCE_NOT_FOUND', file: wanted.name, tried: [{ where: 'repository', why }] },
    `source package ${quote(describe(wanted))}: ${why}`,
  );
}

/**
 * Fetches an SRPM by its record, checks its digest against the repodata, and takes it apart into a folder. The store is
 * asked for the record's location: a folder with the pattern `{path}`, or HTTP with a template that ends in `/{path}`.
 *
 * Throws what `fetchSources` and `readSrpm` throw.
 */
export async function fetchSrpm(
  record: SrpmRecord,
  store: Lookaside,
  directory: string,
  options: FetchSrpmOptions,
): Promise<SourceTree> {
  const { verify, origin, signal, maxBytes } = options;
  const scratch = await makeScratch(directory);
  try {
    const entry = { file: record.location, digest: record.pkgid };
    const [fetched] = await fetchSources([entry], store, scratch, options);
    await using source = await fileSource(join(scratch, record.location));
    const from: Origin = { ...origin, kind: 'srpm-repository', where: fetched?.where ?? origin.where };
    return await readSrpm(source, directory, { origin: from, verify, signal, maxBytes });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function makeScratch(directory: string): Promise<string> {
  try {
    await mkdir(directory, { recursive: true });
    return await mkdtemp(join(directory, '.fetch-'));
  } catch (cause) {
    const found = systemWord(cause);
    throw new SourceError(
      { code: 'SOURCE_WRITE_FAILED', file: '.fetch-', directory, found },
      `${quote(directory, 200)} could not be written: ${found}`,
      { cause },
    );
  }
}

function evrOf({ epoch, version, release }: SrpmRecord): { epoch?: number; version: string; release: string } {
  return epoch === undefined ? { version, release } : { epoch, version, release };
}

function describe({ name, epoch, version, release }: WantedSrpm): string {
  return [name, version === undefined ? undefined : `${epoch === undefined ? '' : `${epoch}:`}${version}`, release]
    .filter((part) => part !== undefined)
    .join('-');
}
