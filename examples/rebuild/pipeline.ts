/**
 * The whole way of one package: from its sources to a signed repository that dnf installs from.
 *
 * Each step is a few calls of the SDK; read it from top to bottom. Everything is made in a work folder, and only what dnf
 * has installed from gets the name of a result.
 */
import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { BuildError, buildPackage, buildSourcePackage, hostBuildroot, rpmbuildDriver } from '@distrokit/build';
import { createRepository } from '@distrokit/repo/node';
import { checkDigests, formatNevra } from '@distrokit/rpm';
import { openPackage } from '@distrokit/rpm/node';
import { assertVerified, Keyring, type MemorySigner, signDetached } from '@distrokit/sign';
import { signPackageFile, verifyPackageFile } from '@distrokit/sign/node';
import { readTreeSpec, type SourceTree } from '@distrokit/source';
import { defaultPatch } from './default-package.js';
import { StepFailure } from './failure.js';
import { writeHostRepository } from './host-repository.js';
import { installWithDnf, repoFile, runInstalled } from './install.js';
import type { PackageInput } from './package-input.js';
import type { Progress } from './progress.js';

/** What the pipeline is to do. */
export interface RebuildOptions {
  readonly input: PackageInput;
  /** Folder for the results. */
  readonly output: string;
  readonly signer: MemorySigner;
  readonly startedAt: Date;
  readonly signal?: AbortSignal;
}

/** What it made. */
export interface RebuildResult {
  readonly packages: readonly string[];
  readonly repository: string;
  readonly repoFile: string;
  readonly installed: readonly string[];
  /** What the installed program printed; undefined when the package has none. */
  readonly programOutput: string | undefined;
}

export const stepCount = 9;
const releaseSuffix = '.distrokit.1';
const distTag = '.el9';

/** Runs the pipeline. Whatever fails, the results of an earlier run stay as they are, and `logs/` tells what happened. */
export async function rebuild(options: RebuildOptions, progress: Progress): Promise<RebuildResult> {
  const output = resolve(options.output);
  await mkdir(join(output, 'logs'), { recursive: true });
  const work = await mkdtemp(join(output, '.work-'));
  try {
    return await rebuildIn(work, output, options, progress);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function rebuildIn(
  work: string,
  output: string,
  { input, signer, startedAt, signal }: RebuildOptions,
  progress: Progress,
): Promise<RebuildResult> {
  const abortable = signal ? { signal } : {};
  const keyring = Keyring.from(signer.publicKey);

  const tree = await progress.step('Fetch the sources', async () => {
    const fetched = await input.fetch(join(work, 'sources'), abortable);
    const bytes = fetched.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    return [fetched, `${input.title}, ${count(fetched.files.length, 'file')}, ${size(bytes)}`];
  });

  await progress.step('Apply the modification', async () => {
    const changes = await modify(tree, input.isDefault, startedAt);
    return [undefined, changes.join(', ')];
  });

  const driver = rpmbuildDriver({ workFolder: join(work, 'build') });
  const buildroot = { ...hostBuildroot, sourceDate: startedAt, macros: { dist: distTag } };
  const source = await progress.step('Make the SRPM', async (note) => {
    const made = await buildSourcePackage(tree.directory, buildroot, driver, { ...abortable, onLog: note }).catch(
      keepLog(output),
    );
    return [made, basename(made.srpm.path)];
  });

  const build = await progress.step('Build with rpmbuild', async (note) => {
    await using srpm = await openPackage(source.srpm.path);
    const built = await buildPackage(srpm.source, buildroot, driver, { ...abortable, onLog: note }).catch(
      keepLog(output),
    );
    await cp(built.logPath, join(output, 'logs', 'build.log'));
    return [built, `${count(built.packages.length, 'package')}, isolation: ${built.driver.isolation}`];
  });

  const folder = join(work, 'repository', 'Packages');
  const files = [...build.packages.map(({ path }) => path), source.srpm.path];
  await progress.step('Check what was built', async () => {
    for (const path of files) await checkBuilt(path, basename(source.srpm.path));
    await mkdir(folder, { recursive: true });
    for (const path of files) await rename(path, join(folder, basename(path)));
    return [undefined, `${count(files.length, 'package')}, headers and payloads match their digests`];
  });

  const packages = files.map((path) => join(folder, basename(path)));
  await progress.step('Sign the packages', async () => {
    let written = 0;
    let inPlace = 0;
    for (const path of packages) {
      const change = await signPackageFile(path, signer, { signedAt: startedAt, ...abortable });
      written += change.writtenBytes;
      if (change.inPlace) inPlace += 1;
      assertVerified(await verifyPackageFile(path, keyring, { at: startedAt, payload: true }), basename(path));
    }
    const how = `${inPlace} of ${packages.length} in place, ${size(written)} written`;
    return [undefined, `key ${signer.fingerprint.slice(-16)}, ${how}`];
  });

  const repository = join(work, 'repository');
  await progress.step('Write and sign the repository', async () => {
    const made = await createRepository(repository, {
      revision: String(Math.floor(startedAt.getTime() / 1000)),
      timestamp: startedAt,
      compression: 'gz',
      ...abortable,
    });
    const signature = await signDetached(made.repomdBytes, signer, { signedAt: startedAt, ...abortable });
    await writeFile(join(repository, 'repodata', 'repomd.xml.asc'), signature);
    await writeFile(join(repository, 'RPM-GPG-KEY-rebuild'), signer.publicKey);
    return [undefined, `${count(made.packages, 'package')}, ${made.repomd.records.length} documents and repomd.xml`];
  });

  const installed = await progress.step('Install with dnf', async (note) => {
    const binary = build.packages.filter(({ nevra }) => !/-debug(info|source)$/.test(nevra.name));
    const wanted = input.isDefault ? binary.filter(({ nevra }) => nevra.name === build.source.name) : binary;
    const hostRepository = await writeHostRepository(
      binary.map(({ path }) => join(folder, basename(path))),
      join(work, 'host-repository'),
      signer,
      startedAt,
    );
    const names = await installWithDnf({
      work,
      repositories: { rebuild: repository, host: hostRepository },
      packages: wanted.map(({ nevra }) => formatNevra(nevra)),
      key: join(repository, 'RPM-GPG-KEY-rebuild'),
      logPath: join(output, 'logs', 'dnf.log'),
      onLog: note,
      ...abortable,
    });
    return [names, `${names.join(', ')}, gpgcheck=1 repo_gpgcheck=1`];
  });

  const programOutput = await progress.step('Run the installed program', async () => {
    const ran = await runInstalled(join(work, 'root'), packages, { expect: input.expectedOutput, ...abortable });
    return [ran?.output, ran ? `${ran.command}: ${ran.output.split('\n')[0] ?? ''}` : 'the package has no program'];
  });

  const final = join(output, 'repository');
  await publish(repository, final, work);
  const repo = join(output, 'rebuild.repo');
  await writeFile(repo, repoFile('rebuild', final, join(final, 'RPM-GPG-KEY-rebuild')));
  return {
    packages: (await readdir(join(final, 'Packages'))).sort(),
    repository: final,
    repoFile: repo,
    installed,
    programOutput,
  };
}

/** Adds our patch to the default package; every package gets a release suffix and a changelog entry. */
async function modify(tree: SourceTree, isDefault: boolean, at: Date): Promise<string[]> {
  const before = await readTreeSpec(tree);
  const changes = [`release suffix ${releaseSuffix}`, 'changelog entry'];
  let spec = before.suffixRelease(releaseSuffix);
  if (isDefault) {
    const origin = { kind: 'vendor', url: defaultPatch.url, cves: [] } as const;
    spec = spec.addPatch({ file: defaultPatch.file, origin });
    await cp(defaultPatch.path, join(tree.directory, defaultPatch.file));
    changes.unshift(`patch ${defaultPatch.file}`);
  }
  spec = spec.addChangelogEntry({
    date: at,
    name: 'distrokit',
    email: 'packages@example.com',
    lines: isDefault ? ['Rebuild; say in the version message who built the program'] : ['Rebuild'],
  });
  await writeFile(join(tree.directory, tree.spec), spec.toString());
  return changes;
}

/** Throws unless header and payload match their digests and the package names its SRPM. */
async function checkBuilt(path: string, srpm: string): Promise<void> {
  await using pkg = await openPackage(path);
  const report = await checkDigests(pkg, { payload: true });
  if (!report.ok) throw new Error(`${basename(path)}: its bytes do not match its digests`);
  const from = pkg.header.get('SOURCERPM');
  if (!pkg.isSource && from !== srpm) throw new Error(`${basename(path)}: built from ${from}, not from ${srpm}`);
}

/** Saves the log of a failed build before the work folder goes, and names the saved one. */
function keepLog(output: string): (error: unknown) => Promise<never> {
  return async (error) => {
    if (!(error instanceof BuildError)) throw error;
    const { fault } = error;
    if (fault.code !== 'BUILD_FAILED' && fault.code !== 'BUILD_TIMEOUT') throw error;
    const saved = join(output, 'logs', 'build.log');
    await cp(fault.logPath, saved).catch(() => undefined);
    const code = fault.code === 'BUILD_FAILED' && fault.failureClass === 'out-of-disk' ? 'ENOSPC' : fault.code;
    const message = error.message.replace(fault.logPath, saved);
    throw new StepFailure(message, { lines: fault.lastLogLines, code, cause: error });
  };
}

/** Puts the new repository in the place of the old one. */
async function publish(repository: string, final: string, work: string): Promise<void> {
  await rename(final, join(work, 'old-repository')).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  await rename(repository, final);
}

function size(bytes: number): string {
  return bytes < 1 << 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}
