/**
 * From a source to packages: one build, watched from its first log line to its last process.
 *
 * The same SRPM in the same buildroot gives the same unsigned bytes: clock, host name, file times, locale,
 * environment and paths are fixed. Signing happens elsewhere, over the results.
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Abortable, type ByteSource, formatNevra, type Nevra, type RpmPackage, readPackage } from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import { claimFolder, removeFolder } from './build-folder.js';
import { BuildLogClassifier } from './build-log.js';
import type { Buildroot } from './buildroot.js';
import type { RootPackage } from './buildroot-lock.js';
import { wrongMachine } from './cross-build.js';
import type { BuildDriver, BuildTask, DriverOutcome, DriverReport } from './driver.js';
import { BuildError } from './errors.js';

/** What a build may use and who listens. */
export interface BuildOptions extends Abortable {
  /** Time for the build itself. Default: none. */
  readonly timeoutMs?: number;
  /** Each line of the log as it comes. */
  readonly onLog?: (line: string) => void;
  /** Ceiling on the log. Default 1 GiB. */
  readonly maxLogBytes?: number;
}

/** One package that a build made. */
export interface BuiltPackage {
  readonly path: string;
  readonly nevra: Nevra;
  readonly sizeBytes: number;
  /** Of the whole unsigned file, hexadecimal. */
  readonly sha256: string;
}

/** How long a build took, by a clock that only runs forward. */
export interface BuildTimings {
  readonly totalMs: number;
  /** Probing the driver and writing the SRPM to disk. */
  readonly prepareMs: number;
  readonly driverMs: number;
  /** Reading and hashing the results. */
  readonly collectMs: number;
  /** Sections of the spec in the order they ran: `prep`, `build`, `install`, `check`, … */
  readonly sections: readonly { readonly name: string; readonly durationMs: number }[];
}

/** A build that worked. The files below `folder` belong to the caller. */
export interface BuildResult {
  readonly source: Nevra;
  /** Sorted by file name. */
  readonly packages: readonly BuiltPackage[];
  readonly folder: string;
  readonly logPath: string;
  readonly logBytes: number;
  /** What the driver found on the machine, isolation included. */
  readonly driver: DriverReport;
  readonly buildroot: Buildroot;
  /** The packages of the root, where the driver knows them. */
  readonly rootPackages?: readonly RootPackage[];
  readonly foreign?: 'emulated' | 'cross';
  readonly command: readonly string[];
  readonly sourceDate: Date;
  readonly timings: BuildTimings;
}

const defaultMaxLogBytes = 1024 ** 3;
/** Ceiling on an SRPM whose size is not known beforehand: rpm's own for a payload without 64-bit tags. */
const maxSrpmBytes = 64 * 1024 ** 3;

/**
 * Builds an SRPM in a buildroot.
 *
 * Throws BUILD_FAILED (exit status, last log lines, failure class), BUILD_TIMEOUT, BUILD_LIMIT, BUILD_BAD_SOURCE, and
 * what the driver's probe throws. An abort rejects with the signal's reason, after the last process has gone and
 * with nothing left on disk. A failed build leaves its log.
 */
export async function buildPackage(
  srpm: ByteSource,
  buildroot: Buildroot,
  driver: BuildDriver,
  options: BuildOptions = {},
): Promise<BuildResult> {
  const started = performance.now();
  const { signal } = options;
  const source = await readPackage(srpm, signal === undefined ? {} : { signal });
  if (source.nevra.arch !== 'src' && source.nevra.arch !== 'nosrc') {
    throw badSource('SRPM', 'a source package', `${formatNevra(source.nevra)}, a binary package`);
  }
  const inputFolder = await claimFolder(driver.workFolder, 'input');
  try {
    const srpmPath = join(inputFolder, 'input.src.rpm');
    await copySource(srpm, srpmPath, signal);
    const sourceDate = buildroot.sourceDate ?? sourceDateOf(source);
    const task: BuildTask = { kind: 'binary', srpmPath, buildroot, sourceDate };
    return await runTask(task, source.nevra, driver, options, started);
  } finally {
    await removeFolder(inputFolder);
  }
}

/** Runs a task, watches it, collects the packages it made. Used for binary and source packages alike. */
export async function runTask(
  task: BuildTask,
  source: Nevra | undefined,
  driver: BuildDriver,
  options: BuildOptions,
  started: number,
): Promise<BuildResult> {
  return watchTask(task, driver, options, async ({ folder, logPath, outcome, begun, ended, sections }) => {
    const packages = await collect(folder, { ...options, driver, logPath, outcome });
    if (packages.length === 0) {
      throw badSource('build', 'at least one package', 'a build that ended well and made none');
    }
    const made = source ?? (packages[0] as BuiltPackage).nevra;
    const now = performance.now();
    return {
      source: made,
      packages,
      folder,
      logPath,
      logBytes: outcome.logBytes,
      driver: outcome.report,
      buildroot: task.buildroot,
      ...(outcome.rootPackages === undefined ? {} : { rootPackages: outcome.rootPackages }),
      ...(outcome.foreign === undefined ? {} : { foreign: outcome.foreign }),
      command: outcome.command,
      sourceDate: task.sourceDate,
      timings: {
        totalMs: now - started,
        prepareMs: begun - started,
        driverMs: ended - begun,
        collectMs: now - ended,
        sections,
      },
    };
  });
}

/** A task that a driver has ended well. */
export interface WatchedTask {
  readonly folder: string;
  readonly logPath: string;
  readonly outcome: DriverOutcome;
  /** When the driver began and ended, by the monotonic clock. */
  readonly begun: number;
  readonly ended: number;
  readonly sections: BuildTimings['sections'];
}

/**
 * Runs a task in a result folder of its own and hands both to `collect`. Throws as `buildPackage`; a folder whose log nobody
 * will ask for is removed. `well` are the exit statuses that are answers.
 */
export async function watchTask<Value>(
  task: BuildTask,
  driver: BuildDriver,
  options: BuildOptions,
  collect: (watched: WatchedTask) => Promise<Value>,
  well: readonly number[] = [0],
): Promise<Value> {
  const { signal, timeoutMs, onLog } = options;
  const maxLogBytes = options.maxLogBytes ?? defaultMaxLogBytes;
  const folder = await claimFolder(driver.workFolder, 'result');
  const logPath = join(folder, 'build.log');
  try {
    const classifier = new BuildLogClassifier();
    const clock = new SectionClock();
    const begun = performance.now();
    const outcome = await driver.run(task, {
      resultFolder: folder,
      logPath,
      timeoutMs,
      maxLogBytes,
      signal,
      onLog: (line) => {
        clock.add(line);
        classifier.add(line);
        onLog?.(line);
      },
    });
    const ended = performance.now();
    clock.stop();
    assertEnded(outcome, well, { classifier, driver, logPath, timeoutMs, maxLogBytes });
    return await collect({ folder, logPath, outcome, begun, ended, sections: clock.sections });
  } catch (cause) {
    // The log of a failed build is for people; after an abort nobody asks for it.
    const keep = cause instanceof BuildError && 'logPath' in cause.fault;
    if (!keep) await removeFolder(folder);
    throw cause;
  }
}

function assertEnded(
  outcome: DriverOutcome,
  well: readonly number[],
  context: {
    readonly classifier: BuildLogClassifier;
    readonly driver: BuildDriver;
    readonly logPath: string;
    readonly timeoutMs: number | undefined;
    readonly maxLogBytes: number;
  },
): void {
  const { driver, logPath } = context;
  const { lastLogLines } = outcome;
  if (outcome.ending === 'timeout') {
    const timeoutMs = context.timeoutMs ?? 0;
    throw new BuildError(
      { code: 'BUILD_TIMEOUT', driver: driver.name, timeoutMs, lastLogLines, logPath },
      `build: still running after ${timeoutMs} ms, ended with every process it had; log: ${logPath}`,
    );
  }
  if (outcome.ending === 'too-much-output') {
    throw new BuildError(
      { code: 'BUILD_LIMIT', what: 'log bytes', limit: context.maxLogBytes, found: outcome.logBytes },
      `build: log longer than ${context.maxLogBytes} bytes, ended there`,
    );
  }
  if (outcome.exitStatus !== null && well.includes(outcome.exitStatus)) return;
  const failure = context.classifier.failure();
  const { exitStatus, signal } = outcome;
  throw new BuildError(
    {
      code: 'BUILD_FAILED',
      driver: driver.name,
      exitStatus,
      signal,
      failureClass: failure.failureClass,
      lastLogLines,
      logPath,
    },
    `build: ${exitStatus === null ? `ended by ${signal}` : `exit status ${exitStatus}`}, ${failure.failureClass}` +
      `${failure.line === undefined ? '' : `: ${failure.line.trim().slice(0, 200)}`}; log: ${logPath}`,
  );
}

/** Newest changelog entry, else the SRPM's own build time: the same for everyone who has the SRPM. */
export function sourceDateOf(source: RpmPackage): Date {
  const times = source.header.get('CHANGELOGTIME') ?? [];
  const newest = times.reduce((latest, time) => Math.max(latest, time), 0);
  return new Date((newest > 0 ? newest : (source.header.get('BUILDTIME') ?? 0)) * 1000);
}

/** Writes a source's bytes down for a driver. Throws BUILD_LIMIT. */
export async function copySource(source: ByteSource, path: string, signal: AbortSignal | undefined): Promise<void> {
  const chunkBytes = 4 * 1024 ** 2;
  const file: FileHandle = await open(path, 'wx');
  try {
    for (let offset = 0; ; ) {
      const chunk = await source.read(offset, chunkBytes, signal === undefined ? {} : { signal });
      if (chunk.length > 0) await file.writeFile(chunk);
      offset += chunk.length;
      if (offset > maxSrpmBytes) {
        throw new BuildError(
          { code: 'BUILD_LIMIT', what: 'SRPM bytes', limit: maxSrpmBytes, found: offset },
          `SRPM: longer than ${maxSrpmBytes} bytes`,
        );
      }
      if (chunk.length < chunkBytes) return;
    }
  } finally {
    await file.close();
  }
}

/** What is looked at while packages are collected. */
interface Collecting extends Abortable {
  readonly driver: BuildDriver;
  readonly logPath: string;
  readonly outcome: DriverOutcome;
}

/** The packages of a build. Throws BUILD_FAILED for one that a cross build made for another machine than it says. */
async function collect(folder: string, context: Collecting): Promise<BuiltPackage[]> {
  const { signal, driver, logPath, outcome } = context;
  const names = (await readdir(folder)).filter((name) => name.endsWith('.rpm')).sort();
  const packages: BuiltPackage[] = [];
  for (const name of names) {
    signal?.throwIfAborted();
    const path = join(folder, name);
    await using opened = await openPackage(path);
    const wrong = outcome.foreign === 'cross' ? wrongMachine(opened) : undefined;
    if (wrong !== undefined) {
      const { exitStatus, lastLogLines } = outcome;
      const fault = { driver: driver.name, exitStatus, signal: null, lastLogLines, logPath } as const;
      throw new BuildError(
        { code: 'BUILD_FAILED', ...fault, failureClass: 'bad-package-content' },
        `build: ${name} is not for ${opened.nevra.arch}: ${wrong}; log: ${logPath}`,
      );
    }
    packages.push({ path, nevra: opened.nevra, sizeBytes: (await stat(path)).size, sha256: await sha256Of(path) });
  }
  return packages;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Durations of a spec's sections, from the lines with which rpmbuild announces them. */
class SectionClock {
  readonly sections: { readonly name: string; readonly durationMs: number }[] = [];
  #running: { readonly name: string; readonly since: number } | undefined;

  add(line: string): void {
    const name = /^Executing\(%(\w+)\): /.exec(line)?.[1];
    if (name !== undefined) {
      this.stop();
      this.#running = { name, since: performance.now() };
    } else if (/^(?:Processing files: |Wrote: )/.test(line)) {
      this.stop();
    }
  }

  stop(): void {
    if (this.#running === undefined) return;
    this.sections.push({ name: this.#running.name, durationMs: performance.now() - this.#running.since });
    this.#running = undefined;
  }
}

/** A source that is not one. */
export function badSource(what: string, wanted: string, found: string): BuildError {
  return new BuildError({ code: 'BUILD_BAD_SOURCE', what, wanted, found }, `${what}: ${wanted} wanted, found ${found}`);
}
