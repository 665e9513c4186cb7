/** Releases that are git tags: tags signed by gpg, judged by `git verify-tag`, gpgv and sqv; archives that tar reads. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { Keyring, verifyDetached } from '@distrokit/sign';
import { checkoutGitTag, fetchUpstreamTag, type GitTagVerifier } from '@distrokit/source';
import { afterAll, beforeAll, expect, test } from 'vitest';

let root: string;
let repository: string;
let home: string;
let commit: string;
/** The certificate that is trusted: binary for gpgv, armored for sqv. */
let ring: string;
const env = (): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: root,
  GNUPGHOME: home,
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_COMMITTER_DATE: '2024-01-02T03:04:05Z',
});
const run = (command: string, args: readonly string[], input?: Uint8Array): Buffer =>
  execFileSync(command, args, {
    cwd: repository,
    env: env(),
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(input ? { input } : {}),
  });
const git = (...args: string[]): string =>
  run('git', ['-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args])
    .toString()
    .trim();

function judge(command: 'gpgv' | 'sqv'): GitTagVerifier {
  return async (payload, signature) => {
    const folder = mkdtempSync(join(root, 'judge-'));
    writeFileSync(join(folder, 'payload'), payload);
    writeFileSync(join(folder, 'payload.asc'), signature);
    run(command, ['--keyring', ring, join(folder, 'payload.asc'), join(folder, 'payload')]);
  };
}
const gitAccepts = (tag: string): boolean => {
  try {
    git('verify-tag', tag);
    return true;
  } catch {
    return false;
  }
};
const url = (): string => `file://${repository}`;
const newFolder = (): string => mkdtempSync(join(root, 'out-'));

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'source-tag-'));
  home = join(root, 'gnupg');
  repository = join(root, 'hello');
  ring = join(root, 'ring.gpg');
  mkdirSync(home, { mode: 0o700 });
  mkdirSync(repository);
  const gpg = (...args: string[]): Buffer =>
    run('gpg', ['--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '', ...args]);
  for (const who of ['good', 'stranger']) gpg('--quick-generate-key', `${who}@example.org`, 'ed25519', 'sign', 'never');
  writeFileSync(ring, gpg('--export', 'good@example.org'));
  git('init', '-q', '-b', 'main');
  mkdirSync(join(repository, 'src'));
  writeFileSync(join(repository, 'src', 'hello.sh'), '#!/bin/sh\necho hello\n', { mode: 0o755 });
  writeFileSync(join(repository, 'README'), 'Hello\n');
  git('add', '.');
  git('commit', '-q', '-m', 'first');
  commit = git('rev-parse', 'HEAD');
  git('tag', '-s', '-u', 'good@example.org', '-m', 'Grüße\n\n-----BEGIN PGP SIGNATURE-----\nnot one', 'v1.0');
  git('tag', '-s', '-u', 'stranger@example.org', '-m', 'x', 'v1.1');
  git('tag', '-a', '-m', 'no signature', 'v1.2');
  git('tag', 'v1.3');
  // One byte of the signed text is another.
  const signed = run('git', ['cat-file', 'tag', 'v1.0']).toString('latin1');
  const object = (text: string): string =>
    run('git', ['hash-object', '-t', 'tag', '-w', '--stdin'], Buffer.from(text, 'latin1')).toString().trim();
  git('update-ref', 'refs/tags/v1.4', object(signed.replace('tag v1.0', 'tag v1.4')));
  // An old release under the name of a new one: the signature itself is good.
  git('update-ref', 'refs/tags/v2.0', git('rev-parse', 'v1.0'));
  git('tag', '-s', '-u', 'good@example.org', '-m', 'a tag of a tag', 'v2.1', 'v1.0');
});
afterAll(() => {
  execFileSync('gpgconf', ['--homedir', home, '--kill', 'all']);
  rmSync(root, { recursive: true, force: true });
});

for (const command of ['gpgv', 'sqv'] as const) {
  test(`checks out a tag whose signature ${command} accepts, over the bytes that git signs`, async () => {
    const directory = newFolder();
    const found = await checkoutGitTag(url(), 'v1.0', directory, { allowFile: true, verify: judge(command) });
    expect(gitAccepts('v1.0')).toBe(true);
    expect(found).toEqual({
      commit,
      committedAt: new Date('2024-01-02T03:04:05Z'),
      tagObject: git('rev-parse', 'v1.0'),
    });
    expect(readdirSync(directory).sort()).toEqual(['README', 'src']);
  });
}

test('a keyring of @distrokit/sign is a verifier', async () => {
  const keys = Keyring.from(readFileSync(ring));
  const verify: GitTagVerifier = async (payload, signature) => {
    if (!verifyDetached(payload, signature, keys, { at: new Date() }).ok) throw new Error('not by a key of the ring');
  };
  expect((await checkoutGitTag(url(), 'v1.0', newFolder(), { allowFile: true, verify })).commit).toBe(commit);
  await expect(checkoutGitTag(url(), 'v1.1', newFolder(), { allowFile: true, verify })).rejects.toMatchObject({
    code: 'SOURCE_UNVERIFIED',
  });
});

const refused: Readonly<Record<string, readonly [what: string, wanted: string]>> = {
  'v1.1': ['signed by a stranger', 'a good signature'],
  'v1.2': ['without a signature', 'a signature'],
  'v1.3': ['that is no tag object', 'a tag object with a signature'],
  'v1.4': ['whose text was changed', 'a good signature'],
  'v2.0': ['that is an older one under a new name', 'a tag made under this name'],
  'v2.1': ['of another tag', 'a tag of a commit'],
};
for (const [tag, [what, wanted]] of Object.entries(refused)) {
  test(`refuses a tag ${what}, and no file arrives`, async () => {
    const directory = newFolder();
    const options = { allowFile: true, verify: judge('gpgv') };
    await expect(checkoutGitTag(url(), tag, directory, options)).rejects.toMatchObject({
      code: 'SOURCE_UNVERIFIED',
      fault: { what: tag, wanted },
    });
    expect(readdirSync(directory)).toEqual([]);
    // git itself does not look at the name, nor at who may sign.
    if (['v1.2', 'v1.3', 'v1.4'].includes(tag)) expect(gitAccepts(tag)).toBe(false);
  });
}

test('an unsigned tag is taken only when that is said aloud', async () => {
  const options = { allowFile: true, verify: 'unsigned' } as const;
  expect(await checkoutGitTag(url(), 'v1.3', newFolder(), options)).toMatchObject({ commit, tagObject: undefined });
  expect(await checkoutGitTag(url(), 'v1.2', newFolder(), options)).toMatchObject({ commit });
  const nothing = { allowFile: true } as never;
  await expect(checkoutGitTag(url(), 'v1.0', newFolder(), nothing)).rejects.toThrow(TypeError);
});

test('makes the archive of a verified tag: same bytes each time, and git’s own tree in it', async () => {
  const release = { url: url(), tag: 'v1.0', file: 'hello-1.0.tar.gz', prefix: 'hello-1.0', commit } as const;
  const options = { allowFile: true, verify: judge('gpgv') };
  const out = newFolder();
  const fetched = await fetchUpstreamTag(release, out, options);
  expect(readdirSync(out)).toEqual(['hello-1.0.tar.gz']);
  const bytes = readFileSync(join(out, 'hello-1.0.tar.gz'));
  const sha256 = (data: Uint8Array): string => run('sha256sum', [], data).toString().slice(0, 64);
  expect(fetched).toEqual({
    file: 'hello-1.0.tar.gz',
    where: `${url()}#v1.0`,
    sizeBytes: bytes.length,
    digest: { algorithm: 'sha256', hex: sha256(bytes) },
    contentSha256: sha256(gunzipSync(bytes)),
    commit,
    committedAt: new Date('2024-01-02T03:04:05Z'),
  });
  const list = (tar: Uint8Array): string =>
    run('tar', ['--utc', '--full-time', '--numeric-owner', '-tvf', '-'], tar)
      .toString()
      .split('\n')
      .map((line) => line.replace(/^(.)rw(.)rw(.)r-/, '$1rw$2r-$3r-').replace(/\s+/g, ' '))
      .sort()
      .join('\n');
  expect(list(gunzipSync(bytes))).toBe(list(run('git', ['archive', '--prefix=hello-1.0/', 'v1.0'])));
  const again = newFolder();
  await fetchUpstreamTag({ ...release, contentSha256: fetched.contentSha256 }, again, options);
  expect(readFileSync(join(again, 'hello-1.0.tar.gz')).equals(bytes)).toBe(true);
});

test('another commit, other content or an unverified tag leaves no archive', async () => {
  const release = { url: url(), tag: 'v1.0', file: 'hello-1.0.tar', prefix: 'hello-1.0' } as const;
  const options = { allowFile: true, verify: judge('gpgv') };
  const out = newFolder();
  const attempt = (more: object, limit = {}): Promise<unknown> =>
    fetchUpstreamTag({ ...release, ...more }, out, { ...options, ...limit });
  await expect(attempt({ commit: '0'.repeat(40) })).rejects.toMatchObject({ code: 'SOURCE_BAD_REF' });
  await expect(attempt({ contentSha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'SOURCE_DIGEST_MISMATCH' });
  await expect(attempt({ tag: 'v1.1' })).rejects.toMatchObject({ code: 'SOURCE_UNVERIFIED' });
  await expect(attempt({}, { maxBytes: 1000 })).rejects.toMatchObject({ code: 'SOURCE_LIMIT' });
  await expect(attempt({ file: '../x.tar' })).rejects.toMatchObject({ code: 'SOURCE_BAD_FILENAME' });
  expect(readdirSync(out)).toEqual([]);
});
