/** A process of its own for `source-kill.test.ts`: fetches a list from a store into a folder until it is killed. */
import { readFileSync } from 'node:fs';
import { fetchSources, httpLookaside, parseSources } from '@distrokit/source';

const [template = '', list = '', directory = ''] = process.argv.slice(2);
await fetchSources(parseSources(readFileSync(list, 'utf8')), httpLookaside({ template, fetch }), directory, {
  onFetched: ({ file }) => console.log(file),
});
