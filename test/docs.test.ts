/**
 * What the documents say, held against what is there: their programs, their links, their tables, their words.
 *
 * A `ts` block is type-checked. One that is marked `ts run` also runs, in the folder of `docs/example-folder.ts`; what it
 * prints must be what its comments `// → …` say, line by line.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PackageName, packages, picture } from '../scripts/architecture.js';
import { type ExampleFolder, makeExampleFolder } from './docs/example-folder.js';
import { anchors, codeBlocks, links, quoted, tableBelow } from './docs/markdown.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const names = Object.keys(packages) as PackageName[];
const text = (path: string): string => readFileSync(join(root, path), 'utf8');
const readmes = ['README.md', ...names.map((name) => `packages/${name}/README.md`)];
const documents = [
  ...readmes,
  ...['CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'GLOSSARY.md'],
  ...['docs', 'examples', 'bench', 'test'].filter((folder) => existsSync(join(root, folder))).flatMap(markdownBelow),
];
/** Door and what it exports, from the generated lists. */
const surface = new Map(names.map((name) => [name, text(`packages/${name}/api.md`)]));

let examples: ExampleFolder;
beforeAll(async () => {
  examples = await makeExampleFolder();
});
afterAll(async () => {
  await examples[Symbol.asyncDispose]();
});

test('every program in a README type-checks under the strictness of the sources', () => {
  const programs = readmes.flatMap((path) =>
    codeBlocks(text(path))
      .filter((block) => block.language === 'ts')
      .map((block) => ({ name: join(root, dirname(path), `README-line-${block.line}.ts`), text: block.text })),
  );
  expect(programs.length).toBeGreaterThanOrEqual(readmes.length);
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config,
    ts.sys,
    root,
  );
  const { isolatedDeclarations: _, declaration: __, ...asUser } = options;
  const host = ts.createCompilerHost(asUser);
  const onDisk = host.getSourceFile;
  const virtual = new Map(programs.map((program) => [program.name, program.text]));
  host.fileExists = (path) => virtual.has(path) || ts.sys.fileExists(path);
  host.getSourceFile = (path, languageVersion, ...rest) => {
    const program = virtual.get(path);
    if (program === undefined) return onDisk(path, languageVersion, ...rest);
    return ts.createSourceFile(path, `${program}export {};\n`, languageVersion);
  };
  const program = ts.createProgram([...virtual.keys()], { ...asUser, noEmit: true }, host);
  const said = [...virtual.keys()].flatMap((path) => {
    const file = program.getSourceFile(path)!;
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      (one) => `${path.slice(root.length)}: ${ts.flattenDiagnosticMessageText(one.messageText, '\n')}`,
    );
  });
  expect(said).toEqual([]);
}, 120_000);

for (const path of readmes) {
  test(`the example in ${path} runs and prints what it says`, async () => {
    const blocks = codeBlocks(text(path)).filter((block) => block.language === 'ts' && block.marks.includes('run'));
    expect(blocks.length, 'blocks marked "ts run"').toBeGreaterThan(0);
    for (const block of blocks) {
      const file = join(examples.path, `${path.replaceAll('/', '-')}-${block.line}.ts`);
      await writeFile(file, block.text);
      const tsx = pathToFileURL(join(root, 'node_modules/tsx/dist/esm/index.mjs')).href;
      const run = spawnSync(process.execPath, ['--import', tsx, file], { cwd: examples.path, encoding: 'utf8' });
      expect(run.stderr, `${path}:${block.line}`).toBe('');
      const promised = [...block.text.matchAll(/\/\/ → (.*)$/gm)].map((match) => match[1]!.trim());
      expect(promised.length, `${path}:${block.line} says what it prints`).toBeGreaterThan(0);
      expect(run.stdout.trimEnd().split('\n')).toEqual(promised);
    }
  });
}

test('every link of every document leads somewhere', () => {
  const dead = documents.flatMap((path) =>
    links(text(path))
      .filter((link) => !/^(https?|mailto):/.test(link))
      .filter((link) => {
        const [file = '', anchor] = link.split('#');
        const target = file === '' ? path : join(dirname(path), file);
        if (!existsSync(join(root, target))) return true;
        return anchor !== undefined && !anchors(text(target)).includes(anchor);
      })
      .map((link) => `${path}: ${link}`),
  );
  expect(dead).toEqual([]);
});

test('the picture in the README shows the arrows of the house', () => {
  expect(text('README.md')).toContain(picture());
});

test('the README introduces each package with a function that its door exports', () => {
  const { rows } = tableBelow(text('README.md'), /packages/i);
  expect(rows.map(([name]) => quoted(name!)[0])).toEqual(names.map((name) => `@distrokit/${name}`));
  rows.forEach(([, , first], index) => {
    const name = quoted(first!)[0]!.replace(/\(.*$/, '');
    expect(exportsOf(names[index]!), `first function of ${names[index]}`).toContain(name);
  });
});

for (const name of names) {
  const path = `packages/${name}/README.md`;

  test(`the table of functions in ${path} names only what the package exports`, () => {
    const { columns, rows } = tableBelow(text(path), /functions/i);
    const column = columns.findIndex((title) => /functions?/i.test(title));
    expect(column, 'a column of functions').toBeGreaterThanOrEqual(0);
    const exported = exportsOf(name);
    const called = rows.flatMap((row) => quoted(row[column] ?? '')).map((one) => one.replace(/[(<.].*$/, ''));
    expect(called.length).toBeGreaterThan(0);
    expect(called.filter((one) => !exported.has(one))).toEqual([]);
  });

  test(`the table of error codes in ${path} has each code of the package once`, () => {
    const listed = tableBelow(text(path), /errors?/i).rows.flatMap(([first]) => quoted(first!));
    expect(listed.toSorted()).toEqual(errorCodes(name));
  });

  test(`${path} gives a reason for each dependency`, () => {
    const manifest = JSON.parse(text(`packages/${name}/package.json`)) as Record<
      string,
      Record<string, string> | undefined
    >;
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
    const own = declared.filter((dependency) => !dependency.startsWith('@distrokit/'));
    const { rows } = tableBelow(text(path), /dependencies/i);
    expect(rows.flatMap(([first]) => quoted(first!)).toSorted()).toEqual(own.toSorted());
    for (const row of rows) expect(row.at(-1), row[0]).not.toBe('');
  });
}

test('error codes begin with the word of their package', () => {
  for (const name of names) {
    const foreign = errorCodes(name).filter((code) => !code.startsWith(`${name.toUpperCase()}_`));
    expect(foreign, name).toEqual([]);
  }
});

test('every name that the glossary calls ours is in the sources', () => {
  const { rows } = tableBelow(text('GLOSSARY.md'), /terms/i);
  expect(rows.length).toBeGreaterThan(30);
  const sources = names.flatMap((name) =>
    readdirSync(join(root, 'packages', name, 'src')).map((file) => [
      `${name}/${file}`,
      text(`packages/${name}/src/${file}`),
    ]),
  );
  const everything = sources.flat().join('\n');
  const missing = rows
    .flatMap(([, , ours]) => quoted(ours ?? ''))
    .filter((one) => !everything.includes(one.replace(/\(\)$/, '')));
  expect(missing).toEqual([]);
});

test('every npm script that a document tells people to run exists', () => {
  const { scripts } = JSON.parse(text('package.json')) as { scripts: Record<string, string> };
  const told = documents.flatMap((path) => [...text(path).matchAll(/\bnpm (?:run ([a-z:-]+)|(start|test)\b)/g)]);
  expect(told.length).toBeGreaterThan(0);
  expect(told.map((match) => match[1] ?? match[2]!).filter((name) => scripts[name] === undefined)).toEqual([]);
});

test('the change log has a section for the version of the packages', () => {
  const versions = names.map(
    (name) => (JSON.parse(text(`packages/${name}/package.json`)) as { version: string }).version,
  );
  expect(new Set(versions).size).toBe(1);
  expect(text('CHANGELOG.md')).toMatch(new RegExp(`^## ${versions[0]!.replaceAll('.', '\\.')}\\b`, 'm'));
});

function exportsOf(name: PackageName): Set<string> {
  const declared = surface
    .get(name)!
    .matchAll(/^export (?:declare )?(?:abstract )?(?:function|class|const|interface|type) (\w+)/gm);
  return new Set([...declared].map((match) => match[1]!));
}

/** The codes of a package's fault type, sorted. */
function errorCodes(name: PackageName): string[] {
  const codes = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isPropertySignature(node) && node.name.getText() === 'code' && node.type !== undefined) {
      for (const match of node.type.getText().matchAll(/'([A-Z0-9_]+)'/g)) codes.add(match[1]!);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('errors.ts', text(`packages/${name}/src/errors.ts`), ts.ScriptTarget.Latest, true));
  return [...codes].sort();
}

function markdownBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md') && !entry.parentPath.includes('node_modules'))
    .map((entry) => `${entry.parentPath.slice(root.length)}/${entry.name}`);
}
