/**
 * Compiles the WebAssembly kernels: `packages/<name>/kernel/<kernel>.ts`, which is AssemblyScript, into
 * `packages/<name>/src/<kernel>-wasm.ts`, which holds the module as text. Committed, so that nobody needs the compiler to
 * use or to build a package.
 *
 *   node scripts/kernels.mjs            writes the modules
 *   node scripts/kernels.mjs --check    changes nothing; exit status 1 and the names of the stale ones
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const root = fileURLToPath(new URL('..', import.meta.url));
const check = process.argv.includes('--check');
const stale = [];
for (const folder of JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).workspaces) {
  const sources = join(root, folder, 'kernel');
  if (!existsSync(sources)) continue;
  const entries = readdirSync(sources).filter((name) =>
    readFileSync(join(sources, name), 'utf8').startsWith(entryMark()),
  );
  for (const entry of entries) await write(folder, entry);
}
if (check && stale.length > 0) {
  console.error(
    `kernels are not what their sources say: ${stale.join(', ')}\nRun \`npm run kernels\` and commit them.`,
  );
  process.exitCode = 1;
}

/** A file that begins so is a module of its own; the others are its parts. */
function entryMark() {
  return '/**\n * Kernel (AssemblyScript)';
}

async function write(folder, entry) {
  const path = join(folder, 'src', entry.replace(/\.ts$/, '-wasm.ts'));
  const bytes = await compile(join(folder, 'kernel', entry));
  const fresh = `/** Compiled from \`kernel/${entry}\` by \`npm run kernels\`: a WebAssembly module of ${bytes.length} bytes in base64. */
export const wasm: string =
  '${Buffer.from(bytes).toString('base64')}';
`;
  if (existsSync(join(root, path)) && readFileSync(join(root, path), 'utf8') === fresh) return;
  stale.push(path);
  if (!check) writeFileSync(join(root, path), fresh);
}

async function compile(source) {
  const flags = [
    '--outFile',
    'kernel.wasm',
    '-O3',
    '--converge',
    '--noAssert',
    '--runtime',
    'stub',
    '--enable',
    'simd',
  ];
  let bytes;
  const { error, stderr } = await asc.main([source, ...flags, '--use', 'abort='], {
    readFile: (name, base) => {
      const path = join(base === '.' ? root : base, name);
      return existsSync(path) ? readFileSync(path, 'utf8') : null;
    },
    writeFile: (_name, contents) => {
      bytes = contents;
    },
    listFiles: () => [],
  });
  if (error) throw new Error(`${source}: ${error.message}\n${stderr.toString()}`);
  return bytes;
}
