import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import {
  archFamilies,
  baseArch,
  compatibleArches,
  isa,
  isCompatibleArch,
  leadArchNumber,
  multilibPartner,
  x86_64Levels,
} from '@distrokit/rpm';
import { expect, test } from 'vitest';

/** The installed rpm's own tables: `key: value value …` lines. */
const rpmrc = readFileSync('/usr/lib/rpm/rpmrc', 'utf8');

function rpmrcLines(keyword: string): [string, string[]][] {
  return [...rpmrc.matchAll(new RegExp(`^${keyword}:\\s*(\\S+?):\\s*(.*?)\\s*$`, 'gm'))].map((m) => [
    m[1]!,
    m[2]!.split(/\s+/),
  ]);
}

function rpmCompatible(arch: string): string[] {
  const edges = new Map(rpmrcLines('arch_compat'));
  const found = new Set<string>();
  const open = [arch];
  for (const each of open) {
    if (found.has(each)) continue;
    found.add(each);
    open.push(...(edges.get(each) ?? []));
  }
  return [...found].sort();
}

test('knows the same compatible arches as the installed rpm, for every platform it ships', () => {
  const platforms = readdirSync('/usr/lib/rpm/platform')
    .map((name) => name.replace(/-linux$/, ''))
    // rpm's table has no line for these two: a machine of them could not even run noarch.
    .filter((arch) => !['noarch', 'sh'].includes(arch));
  expect(platforms.length).toBeGreaterThan(50);
  for (const arch of platforms) expect([...compatibleArches(arch)].sort(), arch).toEqual(rpmCompatible(arch));
});

test('puts the arch itself first, nearer ones before farther ones, and noarch last', () => {
  expect(compatibleArches('i686')).toEqual(['i686', 'i586', 'i486', 'i386', 'fat', 'noarch']);
  expect(compatibleArches('noarch')).toEqual(['noarch']);
  expect(compatibleArches('martian')).toEqual(['martian', 'noarch']);
});

test('lets each x86_64 level run the levels before it, and no later one', () => {
  x86_64Levels.forEach((level, i) => {
    const run = x86_64Levels.filter((other) => isCompatibleArch(other, level));
    expect(run).toEqual(x86_64Levels.slice(0, i + 1));
    expect(isCompatibleArch('i686', level)).toBe(true);
    expect([baseArch(level), isa(level), multilibPartner(level)]).toEqual(['x86_64', 'x86-64', 'i686']);
  });
});

test('gives dependencies the same arch suffix as the installed rpm', () => {
  for (const folder of readdirSync('/usr/lib/rpm/platform')) {
    const arch = folder.replace(/-linux$/, '');
    const macros = readFileSync(`/usr/lib/rpm/platform/${folder}/macros`, 'utf8');
    const name = /^%__isa_name\s+(\S+)/m.exec(macros)?.[1];
    const bits = /^%__isa_bits\s+(\S+)/m.exec(macros)?.[1];
    // rpm 4.18 repeats the width in loongarch64's name; later ones write loongarch-64.
    const wanted = arch === 'loongarch64' ? 'loongarch-64' : name === undefined ? undefined : `${name}-${bits}`;
    expect(isa(arch), arch).toBe(wanted);
  }
  expect(isa('src')).toBeUndefined();
});

test('knows the lead numbers of the installed rpm', () => {
  for (const [, [arch, number]] of rpmrcLines('arch_canon') as [string, [string, string]][]) {
    if (arch === 'sgi') continue; // never the arch of a package
    expect(leadArchNumber(arch), arch).toBe(Number(number));
  }
});

test('has the base arches that dnf has', () => {
  const script = 'import json, dnf.rpm; print(json.dumps(dnf.rpm._BASEARCH_MAP))';
  const bases = JSON.parse(execFileSync('/usr/bin/python3', ['-c', script], { encoding: 'utf8' }));
  expect(Object.keys(bases).length).toBeGreaterThan(50);
  for (const [arch, base] of Object.entries(bases)) expect(baseArch(arch), arch).toBe(base);
  expect(baseArch('src')).toBeUndefined();
});

test('expands the families of spec files as the installed rpm does', () => {
  const names = Object.keys(archFamilies);
  const text = execFileSync('rpm', ['--eval', names.map((name) => `${name}=%{${name}}`).join('\n')], {
    encoding: 'utf8',
  });
  for (const line of text.trim().split('\n')) {
    const [name, value] = line.split('=') as [string, string];
    // A name that is no macro stays as it is: the arch of the same name then stands for itself.
    expect(archFamilies[name], name).toEqual(value === `%{${name}}` ? [name] : value.split(' '));
  }
});

test('knows the partner of each 64-bit arch that has one', () => {
  const partners = ['x86_64', 'ppc64', 's390x', 'sparc64', 'mips64el', 'aarch64', 'ppc64le', 'i686'].map(
    multilibPartner,
  );
  expect(partners).toEqual(['i686', 'ppc', 's390', 'sparcv9', 'mipsel', undefined, undefined, undefined]);
});
