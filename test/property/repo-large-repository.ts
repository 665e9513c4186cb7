/**
 * Reads a repository that exists only while it is read: `repo-large-repository.ts PACKAGES FILES` makes the documents
 * chunk by chunk, so that whatever memory is used is the reader's. Prints what it counted.
 */

import { type Fetcher, openRepository } from '@distrokit/repo';
import { createHasher } from '@distrokit/rpm';

const [packages = 0, files = 0] = process.argv.slice(2).map(Number);
const utf8 = new TextEncoder();
const pkgid = (index: number): string => index.toString(16).padStart(64, '0');

const documents: Readonly<Record<string, readonly [head: string, piece: (index: number) => string, tail: string]>> = {
  primary: [
    `<metadata packages="${packages}">\n`,
    (index) => `<package type="rpm">
  <name>package-${index}</name>
  <arch>x86_64</arch>
  <version epoch="0" ver="1.${index}" rel="1"/>
  <checksum type="sha256" pkgid="YES">${pkgid(index)}</checksum>
  <summary>Package number ${index}</summary>
  <description>${'A description of some length. '.repeat(10)}</description>
  <time file="1700000000" build="1700000000"/>
  <size package="1000" installed="2000" archive="3000"/>
  <location href="Packages/package-${index}.rpm"/>
  <format>
    <rpm:requires>
      <rpm:entry name="dependency-${index}" flags="GE" epoch="0" ver="1"/>
    </rpm:requires>
  </format>
</package>\n`,
    '</metadata>',
  ],
  filelists: [
    '<filelists>\n',
    (index) =>
      `<package pkgid="${pkgid(index)}" name="package-${index}" arch="x86_64">\n${Array.from({ length: files }, (_, at) => `  <file>/usr/share/package-${index}/folder/file-${at}</file>\n`).join('')}</package>\n`,
    '</filelists>',
  ],
  other: [
    '<otherdata>\n',
    (index) =>
      `<package pkgid="${pkgid(index)}" name="package-${index}" arch="x86_64">\n  <changelog author="A &lt;a@example.org&gt;" date="1700000000">- Change of ${index}</changelog>\n</package>\n`,
    '</otherdata>',
  ],
};

function* bytesOf(type: string): Generator<Uint8Array, void, void> {
  const [head, piece, tail] = documents[type] ?? ['', () => '', ''];
  yield utf8.encode(head);
  for (let index = 0; index < packages; index++) yield utf8.encode(piece(index));
  yield utf8.encode(tail);
}

let total = 0;
let repomd = '<repomd>';
for (const type of Object.keys(documents)) {
  const hasher = createHasher('sha256');
  for (const chunk of bytesOf(type)) {
    hasher.update(chunk);
    total += chunk.length;
  }
  repomd += `<data type="${type}"><checksum type="sha256">${hasher.digest()}</checksum><location href="repodata/${type}.xml"/></data>`;
}
const fetcher: Fetcher = {
  async *fetch(href) {
    if (href === 'repodata/repomd.xml') yield utf8.encode(`${repomd}</repomd>`);
    else yield* bytesOf(/(\w+)\.xml$/.exec(href)?.[1] ?? '');
  },
};
const repository = await openRepository(fetcher, { verifyRepomd: 'unsigned' });
let seen = 0;
let paths = 0;
for await (const record of repository.packages({ files: true, changelogs: true })) {
  seen++;
  paths += record.files.length;
}
process.stdout.write(JSON.stringify({ seen, paths, total }));
