/** Packages made by rpmbuild and verdicts by rpmkeys, gpg and sq, for the tests of @distrokit/sign. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll } from 'vitest';

const run = promisify(execFile);

const folders: string[] = [];
afterAll(async () => {
  for (const folder of folders) {
    // gpg leaves an agent behind for every home it was used with, and so does dnf.
    for (const name of await readdir(folder, { recursive: true })) {
      if (basename(name) !== 'S.gpg-agent') continue;
      await tool('gpgconf', ['--homedir', join(folder, dirname(name)), '--kill', 'gpg-agent']);
    }
    await rm(folder, { recursive: true, force: true });
  }
});

/** A folder that is gone after the tests of the file, with everything that still ran in it. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'distrokit-sign-'));
  folders.push(folder);
  return folder;
}

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program; a missing one rejects, another exit status than 0 does not. */
export async function tool(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  try {
    const { stdout, stderr } = await run(command, args, {
      env: { PATH: process.env.PATH ?? '', LC_ALL: 'C.UTF-8', TZ: 'UTC', ...env },
      maxBuffer: 64 * 1024 * 1024,
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code?: number | string; stdout?: string; stderr?: string };
    if (typeof code !== 'number') throw error;
    return { code, stdout: stdout ?? '', stderr: stderr ?? '' };
  }
}

/** A small package by the real rpmbuild, at a fixed date on a fixed host. Paths of the binary and the source package. */
export async function buildPackage(
  folder: string,
  options: { readonly name?: string; readonly content?: string; readonly define?: readonly string[] } = {},
): Promise<{ readonly binary: string; readonly source: string }> {
  const { name = 'hello', content = 'hello\n', define = [] } = options;
  const top = join(folder, `build-${name}`);
  await mkdir(top, { recursive: true });
  const spec = join(top, `${name}.spec`);
  await writeFile(
    spec,
    [
      `Name: ${name}`,
      'Version: 1.0',
      'Release: 1',
      'Summary: A package for tests',
      'License: MIT',
      'BuildArch: noarch',
      '%description',
      'A package for tests.',
      '%install',
      `mkdir -p %{buildroot}/usr/share/${name}`,
      `cat > %{buildroot}/usr/share/${name}/text <<'END'`,
      `${content}END`,
      '%files',
      `/usr/share/${name}`,
      '',
    ].join('\n'),
  );
  const defines = [
    `_topdir ${top}`,
    '_buildhost host.example',
    'use_source_date_epoch_as_buildtime 1',
    'clamp_mtime_to_source_date_epoch 1',
    `_tmppath ${top}`,
    ...define,
  ].flatMap((text) => ['--define', text]);
  const built = await tool('rpmbuild', ['-ba', ...defines, spec], { SOURCE_DATE_EPOCH: '1700000000', HOME: top });
  if (built.code !== 0) throw new Error(`rpmbuild failed: ${built.stderr}`);
  return {
    binary: join(top, 'RPMS/noarch', `${name}-1.0-1.noarch.rpm`),
    source: join(top, 'SRPMS', `${name}-1.0-1.src.rpm`),
  };
}

/** A new database of rpm with exactly these keys. */
async function keyDatabase(folder: string, keys: readonly string[]): Promise<string> {
  const database = await mkdtemp(join(folder, 'rpmdb-'));
  await tool('rpmdb', ['--dbpath', database, '--initdb']);
  for (const [index, key] of keys.entries()) {
    const file = join(database, `key-${index}.asc`);
    await writeFile(file, key);
    const imported = await tool('rpmkeys', ['--dbpath', database, '--import', file]);
    if (imported.code !== 0) throw new Error(`rpmkeys --import: ${imported.stderr}`);
  }
  return database;
}

/** `rpmkeys -Kv` at level `all` with exactly these keys imported. */
export async function rpmkeys(
  folder: string,
  path: string,
  keys: readonly string[],
): Promise<{ readonly ok: boolean; readonly lines: readonly string[] }> {
  const database = await keyDatabase(folder, keys);
  const level = ['--define', '_pkgverify_level all'];
  const { code, stdout } = await tool('rpmkeys', ['--dbpath', database, ...level, '-Kv', path]);
  return {
    ok: code === 0,
    lines: stdout
      .split('\n')
      .slice(1)
      .flatMap((line) => (line ? [line.trim()] : [])),
  };
}

/** The same for many files in few runs: whether each is accepted with a good signature. */
export async function rpmkeysOfMany(
  folder: string,
  paths: readonly string[],
  keys: readonly string[],
): Promise<ReadonlyMap<string, boolean>> {
  const database = await keyDatabase(folder, keys);
  const verdicts = new Map<string, boolean>();
  for (let start = 0; start < paths.length; start += 500) {
    const some = paths.slice(start, start + 500);
    const level = ['--define', '_pkgverify_level all'];
    const { stdout } = await tool('rpmkeys', ['--dbpath', database, ...level, '-Kv', ...some]);
    let current: string | undefined;
    for (const line of stdout.split('\n')) {
      const path = some.find((one) => line.startsWith(`${one}:`));
      if (path) current = path;
      else if (current && /Signature, key ID [0-9a-f]+: OK$/.test(line) && !verdicts.has(current))
        verdicts.set(current, true);
      else if (current && /: (BAD|NOKEY|NOTTRUSTED|NOTFOUND)/.test(line)) verdicts.set(current, false);
    }
  }
  return verdicts;
}

/** All chunks as one. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return new Uint8Array(Buffer.concat(all));
}
