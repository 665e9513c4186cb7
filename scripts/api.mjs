/**
 * Writes `packages/<name>/api.md`: what each door of a package exports, with its types and the first sentence of its
 * documentation. A change to the public surface is then a change that a reviewer sees.
 *
 *   node scripts/api.mjs            writes the lists
 *   node scripts/api.mjs --check    changes nothing; exit status 1 and the names of the stale lists
 *
 * Reads sources one by one, without a type checker: under `isolatedDeclarations` each file says its own types.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));
const printer = ts.createPrinter({ removeComments: true, newLine: ts.NewLineKind.LineFeed });
const modules = new Map();

/** @typedef {{ name: string, kind: string, signatures: string[], sentence: string }} Entry */

const check = process.argv.includes('--check');
const stale = [];
/** Places that do not say their own types. Compiling a package refuses them; checking types without compiling does not. */
const untyped = [];
for (const folder of JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).workspaces) {
  const path = join(folder, 'api.md');
  const fresh = describePackage(folder);
  if (existsSync(join(root, path)) && readFileSync(join(root, path), 'utf8') === fresh) continue;
  stale.push(path);
  if (!check) writeFileSync(join(root, path), fresh);
}
if (untyped.length > 0) {
  console.error(`exports must say their types (isolatedDeclarations):\n${untyped.join('\n')}`);
  process.exitCode = 1;
}
if (check && stale.length > 0) {
  console.error(
    `the public surface changed and these lists did not: ${stale.join(', ')}\nRun \`npm run api\` and commit them.`,
  );
  process.exitCode = 1;
}

/** @param {string} folder */
function describePackage(folder) {
  const { name, exports } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  const doors = Object.keys(exports).filter((door) => door !== './package.json');
  const main = exportsOf(join(root, folder, 'src/index.ts'));
  const parts = doors.map((door) => {
    if (door === '.') return describeDoor(name, '', [...main.values()]);
    const all = [...exportsOf(join(root, folder, 'src', `${door.slice(2)}.ts`)).values()];
    // The doors of one package share entries: what a second one repeats is not printed twice.
    const own = all.filter((entry) => main.get(entry.name)?.signatures !== entry.signatures);
    const repeats = all.length - own.length;
    const note =
      repeats === 0
        ? ''
        : repeats === main.size
          ? `Everything of \`${name}\`, and:\n`
          : `${repeats} of \`${name}\`, and:\n`;
    return describeDoor(`${name}${door.slice(1)}`, note, own);
  });
  return `# Public surface of ${name}\n\nWritten by \`npm run api\` from the types of its doors; not edited by hand.\n${parts.join('')}`;
}

/** @param {string} door @param {string} note @param {Entry[]} entries */
function describeDoor(door, note, entries) {
  const kinds = [
    ['Functions', 'function'],
    ['Classes', 'class'],
    ['Constants', 'constant'],
    ['Types', 'type'],
    ['From other packages', 'elsewhere'],
  ];
  const sections = kinds.map(([title, kind]) => {
    const chosen = entries.filter((entry) => entry.kind === kind).sort((a, b) => (a.name < b.name ? -1 : 1));
    if (chosen.length === 0) return '';
    const blocks = chosen.map(
      ({ sentence, signatures }) => `${sentence === '' ? '' : `/** ${sentence} */\n`}${signatures.join('\n')}`,
    );
    return `\n### ${title}\n\n\`\`\`ts\n${blocks.join('\n\n')}\n\`\`\`\n`;
  });
  return `\n## \`${door}\`\n${note === '' ? '' : `\n${note}`}${sections.join('')}`;
}

/** @param {string} path @returns {Map<string, Entry>} Everything a file exports, re-exports followed to where they are declared. */
function exportsOf(path) {
  const { statements, declared, imported } = readModule(path);
  const found = new Map();
  for (const [name, entry] of declared) if (entry.exported) found.set(name, entry);
  for (const statement of statements.filter(ts.isExportDeclaration)) {
    const from = statement.moduleSpecifier?.text;
    if (statement.exportClause === undefined) {
      if (from.startsWith('.')) for (const [name, entry] of exportsOf(resolve(path, from))) found.set(name, entry);
      else found.set(from, elsewhere(from, `export * from '${from}';`));
      continue;
    }
    for (const { name, propertyName } of statement.exportClause.elements) {
      const inner = (propertyName ?? name).text;
      found.set(name.text, { ...lookUp(path, from, inner, declared, imported), name: name.text });
    }
  }
  return found;
}

/** One name of `export { name } from 'from'`, or of `export { name }` over a declaration or an import. */
function lookUp(path, from, name, declared, imported) {
  if (from === undefined && declared.has(name)) return declared.get(name);
  const source = from ?? imported.get(name);
  if (source === undefined) throw new Error(`${path}: exports ${name}, which it does not declare`);
  if (!source.startsWith('.')) return elsewhere(name, `export { ${name} } from '${source}';`);
  const entry = exportsOf(resolve(path, source)).get(name);
  if (entry === undefined) throw new Error(`${path}: exports ${name} from ${source}, which has no such export`);
  return entry;
}

/** @returns {Entry} */
function elsewhere(name, text) {
  return { name, kind: 'elsewhere', signatures: [text], sentence: '' };
}

/** A file as a declaration file would show it: its statements, what it declares, what it imports. */
function readModule(path) {
  const known = modules.get(path);
  if (known !== undefined) return known;
  const options = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    isolatedDeclarations: true,
    declaration: true,
  };
  const text = readFileSync(path, 'utf8');
  const { outputText, diagnostics } = ts.transpileDeclaration(text, {
    fileName: path,
    compilerOptions: options,
    reportDiagnostics: true,
  });
  for (const { start, messageText } of diagnostics) {
    const line = text.slice(0, start).split('\n').length;
    untyped.push(`${path.slice(root.length)}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
  }
  const tree = ts.createSourceFile(path, outputText, ts.ScriptTarget.ES2023, true);
  const declared = new Map();
  for (const statement of tree.statements) {
    for (const [name, kind] of declaredNames(statement)) {
      const signature = compact(printer.printNode(ts.EmitHint.Unspecified, statement, tree));
      const earlier = declared.get(name);
      if (earlier !== undefined) earlier.signatures.push(signature);
      else
        declared.set(name, {
          name,
          kind,
          signatures: [signature],
          sentence: firstSentence(statement),
          exported: isExported(statement),
        });
    }
  }
  const module = {
    statements: tree.statements,
    declared,
    imported: importedNames(ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true)),
  };
  modules.set(path, module);
  return module;
}

/** A member with a few short parts on one line: a table of 300 tags reads as a table. */
function compact(signature) {
  const small = /^( +[^\n]*)([{[])\n((?: +[^\n]*[^{[\n]\n){1,4}?) +([}\]]);$/gm;
  return signature.replace(small, (block, head, open, inside) => {
    const words = inside.replace(/\s+/g, ' ').trim();
    const line = open === '{' ? `${head}{ ${words} };` : `${head}[${words}];`;
    return line.length <= 120 ? line : block;
  });
}

/** @returns {[string, string][]} */
function declaredNames(statement) {
  if (ts.isFunctionDeclaration(statement)) return [[statement.name.text, 'function']];
  if (ts.isClassDeclaration(statement)) return [[statement.name.text, 'class']];
  if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement))
    return [[statement.name.text, 'type']];
  if (ts.isEnumDeclaration(statement)) return [[statement.name.text, 'constant']];
  if (!ts.isVariableStatement(statement)) return [];
  return statement.declarationList.declarations.map((one) => [one.name.getText(), 'constant']);
}

function importedNames(tree) {
  const names = new Map();
  for (const statement of tree.statements.filter(ts.isImportDeclaration)) {
    const bindings = statement.importClause?.namedBindings;
    if (bindings === undefined || !ts.isNamedImports(bindings)) continue;
    for (const { name } of bindings.elements) names.set(name.text, statement.moduleSpecifier.text);
  }
  return names;
}

function isExported(statement) {
  return statement.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

/** The first sentence of a statement's own doc comment, on one line. */
function firstSentence(statement) {
  const comment = ts.getTextOfJSDocComment(statement.jsDoc?.at(-1)?.comment) ?? '';
  const [paragraph = ''] = comment.split(/\n\s*\n/);
  const line = paragraph.replace(/\s+/g, ' ').trim();
  return /^.*?[.!?](?=\s[A-Z`"'(]|$)/.exec(line)?.[0] ?? line;
}

function resolve(path, from) {
  return join(dirname(path), from.replace(/\.js$/, '.ts'));
}
