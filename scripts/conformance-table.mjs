/**
 * Writes the table "How we know it is right" of the README from docs/conformance.json, which the conformance tests record.
 *
 *   node scripts/conformance-table.mjs            renew the table
 *   node scripts/conformance-table.mjs --check    fail when the table is not what was recorded
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const file = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const begin = '<!-- conformance: from docs/conformance.json, do not edit -->';
const end = '<!-- /conformance -->';

const results = JSON.parse(readFileSync(file('docs/conformance.json'), 'utf8'));
const rows = results.map(
  ({ what, judge, cases, differences }) =>
    `| ${what} | ${judge} | ${cases.toLocaleString('en')} | ${differences === 0 ? 'none' : differences} |`,
);
const table = ['| What | Judge | Cases | Accepted differences |', '|---|---|---:|---|', ...rows].join('\n');
const readme = readFileSync(file('README.md'), 'utf8');
const [start, stop] = [readme.indexOf(begin), readme.indexOf(end)];
if (start === -1 || stop < start) throw new Error('README.md has no place for the conformance table');
const renewed = `${readme.slice(0, start)}${begin}\n${table}\n${readme.slice(stop)}`;
if (process.argv.includes('--check')) {
  if (renewed !== readme) {
    console.error('README.md: the conformance table is stale; run "node scripts/conformance-table.mjs"');
    process.exit(1);
  }
} else {
  writeFileSync(file('README.md'), renewed);
}
