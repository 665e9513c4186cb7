/** A process of `repo-create.ts`: makes the repodata of a folder with the compiled package, prints its peak memory in MiB. Plain JavaScript. */
import { readFileSync } from 'node:fs';
import { createRepository } from '@distrokit/repo/node';

const [folder, options] = process.argv.slice(2);
await createRepository(folder, { revision: '1', timestamp: new Date(1000), ...JSON.parse(options) });
// Of this program alone: `maxRSS` begins with what the process had that started it.
const [, kib] = /^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'));
console.log(Math.round(kib / 1024));
