/** Every ELF file below the given folders (default: this machine's) against readelf. Prints differences and a count. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { decodeElf } from '@distrokit/rpm';
import { elfFilesBelow, elfLines, readelfLines } from '../test/conformance/readelf.js';

const folders = process.argv.slice(2);
const files = elfFilesBelow(folders.length > 0 ? folders : ['/usr/lib', '/usr/bin', '/usr/sbin']);
let differences = 0;
for (const path of files) {
  if (isDeepStrictEqual(elfLines(decodeElf(readFileSync(path))), readelfLines(path))) continue;
  differences++;
  console.log(path);
}
console.log(`${files.length} files, ${differences} differences`);
process.exitCode = differences === 0 && files.length > 0 ? 0 : 1;
