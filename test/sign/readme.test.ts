import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SignError } from '@distrokit/sign';
import * as door from '@distrokit/sign/node';
import { expect, test } from 'vitest';
import { tool } from './judges.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = await readFile(join(root, 'packages/sign/README.md'), 'utf8');

test('the example of the README runs and prints what it says', async () => {
  const code = /```ts run\n([\s\S]*?)```/.exec(readme)![1]!;
  const folder = await mkdtemp(join(root, 'test/sign/.readme-'));
  try {
    const file = join(folder, 'example.ts');
    await writeFile(file, code);
    const { code: status, stdout, stderr } = await tool(process.execPath, ['--import', 'tsx', file], { HOME: folder });
    expect(status, stderr).toBe(0);
    expect(stdout).toBe('true\ntrue verified\n');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('every function that the README names is exported', () => {
  const table = readme.slice(readme.indexOf('## Functions'), readme.indexOf('## What'));
  const names = [...table.matchAll(/`([a-z][A-Za-z0-9]+)(?:\.from)?`/g)].map(([, name]) => name!);
  const fields = new Set(['fingerprint', 'sign']);
  expect(names.filter((name) => !fields.has(name) && !(name in door))).toEqual([]);
  const functions = Object.entries(door).flatMap(([name, value]) => (typeof value === 'function' ? [name] : []));
  const classes = new Set(['Keyring', 'SignError']);
  expect(functions.filter((name) => !classes.has(name) && !names.includes(name))).toEqual([]);
});

test('the README lists every error code', async () => {
  const source = await readFile(join(root, 'packages/sign/src/errors.ts'), 'utf8');
  const codes = [...new Set(source.match(/SIGN_[A-Z_]+/g))].toSorted();
  const listed = [...readme.matchAll(/^\| `(SIGN_[A-Z_]+)`/gm)].map(([, code]) => code!).toSorted();
  expect(listed).toEqual(codes);
  expect(new SignError({ code: 'SIGN_LIMIT', what: 'x', limit: 1, found: 2 }, 'x').code).toBe('SIGN_LIMIT');
});
