/** A process of `repo-create.ts`: makes the repodata of a folder with the compiled package, prints its peak memory in MiB. Plain JavaScript. */
import { createRepository } from '@distrokit/repo/node';

const [folder, options] = process.argv.slice(2);
await createRepository(folder, { revision: '1', timestamp: new Date(1000), ...JSON.parse(options) });
console.log(Math.round(process.resourceUsage().maxRSS / 1024));
