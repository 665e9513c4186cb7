/**
 * The main job: rebuilds one package from its sources into a signed repository, installs it with dnf and runs it.
 *
 *     npm start                          the example's own package
 *     npm start -- --package DIR         a dist-git checkout
 *     npm start -- --srpm FILE           an SRPM
 */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { generateKey, type MemorySigner, memorySigner } from '@distrokit/sign';
import { describeFailure } from './failure.js';
import { checkoutInput, defaultInput, type PackageInput, srpmInput } from './package-input.js';
import { type RebuildResult, rebuild, stepCount } from './pipeline.js';
import { Progress, seconds } from './progress.js';

const usage = `Rebuilds a package from its sources into a signed repository, installs it with dnf and runs it.

  npm start                      the example's own package: xz 5.2.3
  npm start -- --package DIR     a dist-git checkout: a spec, and a sources list where it needs one
  npm start -- --srpm FILE       a source package

Options
  --lookaside PLACE   where listed sources are, besides DIR: a folder, or a URL with {name} {file} {algorithm} {hex}
  --output DIR        folder for the results (default: rebuild-output)
  --key FILE          armored private OpenPGP key without passphrase (default: a new one for this run)
  --help              this text
`;

const options = {
  package: { type: 'string' },
  srpm: { type: 'string' },
  lookaside: { type: 'string' },
  output: { type: 'string', default: 'rebuild-output' },
  key: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

type Arguments = ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];

async function main(): Promise<number> {
  let values: Arguments;
  try {
    ({ values } = parseArgs({ options, allowPositionals: false }));
    if (values.package !== undefined && values.srpm !== undefined)
      throw new Error('--package and --srpm exclude each other');
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    return 1;
  }
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const startedAt = new Date(Math.floor(Date.now() / 1000) * 1000);
  const progress = new Progress(stepCount, process.stdout.isTTY === true && !process.env.CI);
  const interrupted = new AbortController();
  // Not once: npm passes on the signal that the terminal has sent already, and the second one must not end the clean-up.
  process.on('SIGINT', () => interrupted.abort(new Error('interrupted')));
  try {
    const signer = await openSigner(values.key, startedAt);
    const input = chooseInput(values, startedAt);
    const result = await rebuild(
      { input, output: values.output, signer, startedAt, signal: interrupted.signal },
      progress,
    );
    printSummary(result, progress);
    return 0;
  } catch (error) {
    const step = Math.min(progress.times.length + 1, stepCount);
    console.error(`\nFailed at step ${step} of ${stepCount}: ${describeFailure(error)}`);
    return 1;
  }
}

function chooseInput(values: Arguments, startedAt: Date): PackageInput {
  if (values.package !== undefined) return checkoutInput(values.package, values.lookaside);
  if (values.srpm !== undefined) return srpmInput(values.srpm);
  return defaultInput(startedAt);
}

/** A key of the caller's, or a new one that is forgotten when the process ends. */
async function openSigner(path: string | undefined, at: Date): Promise<MemorySigner> {
  if (path !== undefined) return memorySigner(await readFile(path));
  const key = await generateKey({ userId: 'distrokit rebuild <packages@example.com>', kind: 'rsa3072', createdAt: at });
  return memorySigner(key.privateKey);
}

function printSummary(result: RebuildResult, progress: Progress): void {
  const total = progress.times.reduce((sum, { durationMs }) => sum + durationMs, 0);
  const width = Math.max(...progress.times.map(({ title }) => title.length));
  console.log('\nMade');
  for (const name of result.packages) console.log(`  ${name}`);
  console.log(`\nRepository  ${result.repository}\nFor dnf     ${result.repoFile}\n\nTime`);
  for (const { title, durationMs } of progress.times)
    console.log(`  ${title.padEnd(width)}  ${seconds(durationMs).padStart(7)}`);
  console.log(`  ${'Together'.padEnd(width)}  ${seconds(total).padStart(7)}`);
  if (result.programOutput !== undefined)
    console.log(`\nThe installed program says\n${result.programOutput.replaceAll(/^/gm, '  ')}`);
}

process.exitCode = await main();
