import {
  compareNevra,
  formatNevr,
  formatNevra,
  formatNvr,
  formatNvra,
  packageFileName,
  parseNevr,
  parseNevra,
  parsePackageFileName,
} from '@distrokit/rpm';
import { expect, test } from 'vitest';

test.each([
  ['bash-5.1.8-9.el9.x86_64', { name: 'bash', version: '5.1.8', release: '9.el9', arch: 'x86_64' }],
  ['bind-libs-32:9.16-1.noarch', { name: 'bind-libs', epoch: 32, version: '9.16', release: '1', arch: 'noarch' }],
  ['glibc-0:2.34-60.el9.i686', { name: 'glibc', epoch: 0, version: '2.34', release: '60.el9', arch: 'i686' }],
  ['gtk+-2.0-1.src', { name: 'gtk+', version: '2.0', release: '1', arch: 'src' }],
  ['lib.so-1-2~rc^3.nosrc', { name: 'lib.so', version: '1', release: '2~rc^3', arch: 'nosrc' }],
])('reads %s', (text, nevra) => {
  expect(parseNevra(text)).toEqual(nevra);
  expect(formatNevra(parseNevra(text))).toBe(text);
});

test('reads the older form with the epoch in front of the name', () => {
  expect(parseNevra('32:bind-9.16-1.noarch')).toEqual(parseNevra('bind-32:9.16-1.noarch'));
});

test('writes the shorter forms', () => {
  const nevra = parseNevra('bind-32:9.16-1.el9.noarch');
  expect(formatNvra(nevra)).toBe('bind-9.16-1.el9.noarch');
  expect(formatNevr(nevra)).toBe('bind-32:9.16-1.el9');
  expect(formatNvr(nevra)).toBe('bind-9.16-1.el9');
  expect(packageFileName(nevra)).toBe('bind-9.16-1.el9.noarch.rpm');
});

test('reads a package without its arch', () => {
  expect(parseNevr('bind-32:9.16-1.el9')).toEqual({ name: 'bind', epoch: 32, version: '9.16', release: '1.el9' });
});

test('reads the name of a file in a folder', () => {
  expect(parsePackageFileName('Packages/b/bash-5.1.8-9.el9.x86_64.rpm')).toEqual(parseNevra('bash-5.1.8-9.el9.x86_64'));
});

test.each([
  '',
  'bash',
  'bash-1',
  'bash-1-1',
  'bash-1.0-1.',
  '-1-1.noarch',
  'bash--1.noarch',
  'a-4294967296:1-1.noarch',
])('refuses %j with RPM_BAD_NEVRA', (text) => {
  expect(() => parseNevra(text)).toThrow(expect.objectContaining({ code: 'RPM_BAD_NEVRA' }));
});

test('refuses a file name that does not end in .rpm', () => {
  expect(() => parsePackageFileName('bash-5.1.8-9.el9.x86_64')).toThrow(
    expect.objectContaining({ code: 'RPM_BAD_NEVRA' }),
  );
});

test('sorts by name, then EVR, then arch', () => {
  const sorted = ['a-1-1.i686', 'a-1-1.x86_64', 'a-1-2.i686', 'a-10-1.i686', 'a-1:0-1.i686', 'b-0-0.noarch'];
  const shuffled = [...sorted].reverse();
  expect(shuffled.map(parseNevra).sort(compareNevra).map(formatNevra)).toEqual(sorted);
});
