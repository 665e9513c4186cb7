/**
 * The law of the house as data: which package may import which, and why; and the picture drawn from it.
 *
 * `test/architecture.test.ts` holds the sources to it. `node --import tsx scripts/architecture.ts` prints the
 * picture that the README shows between its markers; `test/docs.test.ts` fails when the two differ.
 */
import { pathToFileURL } from 'node:url';

export type PackageName = 'rpm' | 'sign' | 'repo' | 'source' | 'build';

/** The five packages in workspace order, dependencies first, each with its task in one line. */
export const packages: Readonly<Record<PackageName, string>> = {
  rpm: 'the file format and its vocabulary',
  sign: 'OpenPGP signatures, keys, attestations',
  repo: 'repodata, advisories, publishing',
  source: 'where sources come from, how they are changed',
  build: 'what to build, in which order, with which driver',
};

/** Packages whose main door runs in a browser; what needs a file system is behind their `./node` door. */
export const isomorphic: readonly PackageName[] = ['rpm', 'sign', 'repo'];

export interface Arrow {
  readonly from: PackageName;
  readonly to: PackageName;
  readonly reason: string;
}

/** The arrows that exist. They point down only. */
export const arrows: readonly Arrow[] = [
  { from: 'build', to: 'source', reason: 'a build turns a source into packages' },
  { from: 'build', to: 'repo', reason: 'a build runs in a root made from repositories' },
  { from: 'build', to: 'rpm', reason: 'what goes in and comes out are packages' },
  { from: 'source', to: 'rpm', reason: 'an SRPM is an RPM' },
  { from: 'repo', to: 'rpm', reason: 'primary.xml is a projection of the header' },
  { from: 'sign', to: 'rpm', reason: 'the signature goes into the signature header' },
];

/** Why an arrow that does not exist must not. */
export function reasonAgainst(from: PackageName, to: PackageName): string {
  const pair = `${from} ${to}`;
  if (pair === 'build sign') {
    return "keys: the process that runs packages' own scripts must be unable to reach a signer; signing happens later, elsewhere, over results";
  }
  if (pair === 'repo sign' || pair === 'sign repo') {
    return 'repomd.xml is signed as plain bytes; openRepository takes a function that verifies, and sign makes such a function from a keyring: both stay testable alone';
  }
  if (pair === 'source build') {
    return 'source executes nothing: no macro, shell or Lua; expansion runs code, so it lives in build, inside a buildroot';
  }
  if (from === 'rpm') {
    return 'everything already depends on rpm; what two packages share is vocabulary of the format and lives in rpm under its own word, or it is not shared';
  }
  return 'arrows point down only, and siblings never import each other';
}

/** The five packages and their arrows, as a mermaid flow chart. */
export function picture(): string {
  const box = ([name, task]: [string, string]): string => `  ${name}["<b>@distrokit/${name}</b><br/>${task}"]`;
  return [
    '```mermaid',
    'flowchart TD',
    ...Object.entries(packages).reverse().map(box),
    ...arrows.map(({ from, to }) => `  ${from} --> ${to}`),
    '```',
  ].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(picture());
