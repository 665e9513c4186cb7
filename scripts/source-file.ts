/**
 * Reads one source file: what it imports, and what it takes from the world around it.
 *
 * Works on a text, so that a test can hand in a file that does not exist. Names are followed inside the file only:
 * what a value is called elsewhere is not seen.
 */
import ts from 'typescript';

/** A file by its path from the repository's root, with `/`. */
export interface SourceText {
  readonly path: string;
  readonly text: string;
}

export interface SourceFile extends SourceText {
  /** Module names as written, of imports, re-exports, type imports and dynamic imports. */
  readonly imports: readonly string[];
  /** Those of them that are left when types are gone. */
  readonly runtimeImports: readonly string[];
  /** What the file takes from the world around it, for instance `Date.now()` or `process.env`. */
  readonly reaches: readonly Reach[];
}

export type ReachKind = 'process' | 'socket' | 'clock' | 'environment' | 'randomness' | 'node global';

export interface Reach {
  readonly kind: ReachKind;
  /** As in the source, `node:child_process` or `performance.now`. */
  readonly what: string;
  readonly line: number;
}

const processModules = ['node:child_process', 'node:cluster', 'execa', 'simple-git', 'cross-spawn', 'tinyexec'];
const socketModules = [
  'node:net',
  'node:http',
  'node:https',
  'node:http2',
  'node:tls',
  'node:dgram',
  'node:dns',
  'undici',
  'ws',
];
const socketGlobals = ['fetch', 'XMLHttpRequest', 'WebSocket', 'EventSource'];
const nodeGlobals = ['Buffer', '__dirname', '__filename', 'require', 'setImmediate'];
const members: Readonly<Record<string, ReachKind>> = {
  'Date.now': 'clock',
  'performance.now': 'clock',
  'performance.timeOrigin': 'clock',
  'process.hrtime': 'clock',
  'process.uptime': 'clock',
  'process.env': 'environment',
  'process.argv': 'environment',
  'process.cwd': 'environment',
  'Math.random': 'randomness',
  'crypto.getRandomValues': 'randomness',
  'crypto.randomUUID': 'randomness',
  'crypto.randomBytes': 'randomness',
};
const worldModules: Readonly<Record<string, ReachKind>> = {
  'node:perf_hooks': 'clock',
  'node:process': 'environment',
  'node:os': 'environment',
};
const randomFunctions = ['randomBytes', 'randomUUID', 'randomInt', 'getRandomValues'];

export function readSource({ path, text }: SourceText): SourceFile {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: string[] = [];
  const runtimeImports: string[] = [];
  const reaches: Reach[] = [];
  const reach = (kind: ReachKind, what: string, node: ts.Node): void => {
    reaches.push({ kind, what, line: tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1 });
  };
  const visit = (node: ts.Node): void => {
    const name = moduleName(node);
    if (name !== undefined) {
      imports.push(name);
      if (!isTypeOnly(node)) runtimeImports.push(name);
      if (processModules.includes(name)) reach('process', name, node);
      if (socketModules.includes(name)) reach('socket', name, node);
      const world = worldModules[name];
      if (world !== undefined) reach(world, name, node);
    }
    if (ts.isPropertyAccessExpression(node)) {
      const owner = ts.isPropertyAccessExpression(node.expression) ? node.expression.name : node.expression;
      const member = `${owner.getText(tree)}.${node.name.text}`;
      const kind = members[member];
      if (kind !== undefined) reach(kind, member, node);
    }
    if (ts.isNewExpression(node) && node.expression.getText(tree) === 'Date' && (node.arguments ?? []).length === 0) {
      reach('clock', 'new Date()', node);
    }
    if (ts.isCallExpression(node) && node.expression.getText(tree) === 'Date') reach('clock', 'Date()', node);
    if (ts.isImportSpecifier(node) && randomFunctions.includes((node.propertyName ?? node.name).text)) {
      reach('randomness', (node.propertyName ?? node.name).text, node);
    }
    if (ts.isIdentifier(node) && isUse(node) && !isBound(node, node.text)) {
      if (socketGlobals.includes(node.text)) reach('socket', node.text, node);
      if (nodeGlobals.includes(node.text) && !asksFirst(tree, node.text)) reach('node global', node.text, node);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return { path, text, imports, runtimeImports, reaches };
}

function moduleName(node: ts.Node): string | undefined {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
    return ts.isStringLiteral(node.moduleSpecifier) ? node.moduleSpecifier.text : undefined;
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument) && ts.isStringLiteral(node.argument.literal)) {
    return node.argument.literal.text;
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments;
    if (argument === undefined) return undefined;
    return ts.isStringLiteral(argument) ? argument.text : constantText(argument);
  }
  return undefined;
}

/** The text of a constant that an optional dependency is imported by, so that bundlers leave it alone. */
function constantText(use: ts.Expression): string | undefined {
  let found: string | undefined;
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.name.getText() === use.getText() && node.initializer !== undefined) {
      if (ts.isStringLiteral(node.initializer)) found = node.initializer.text;
    }
    ts.forEachChild(node, visit);
  };
  visit(use.getSourceFile());
  return found;
}

function isTypeOnly(node: ts.Node): boolean {
  if (ts.isImportDeclaration(node)) return node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
  return ts.isImportTypeNode(node) || (ts.isExportDeclaration(node) && node.isTypeOnly);
}

/** Whether an identifier stands for a value: not a property name, a declared name, a label of an object or a type. */
function isUse(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) {
    return parent.expression === node || (parent.name === node && parent.expression.getText() === 'globalThis');
  }
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node;
  if (ts.isBindingElement(parent)) return parent.initializer === node;
  if (ts.isVariableDeclaration(parent) || ts.isParameter(parent)) return parent.initializer === node;
  if (ts.isTypeNode(parent) || ts.isTypeElement(parent) || ts.isTypeQueryNode(parent)) return false;
  if (ts.isMethodDeclaration(parent) || ts.isFunctionDeclaration(parent) || ts.isPropertyDeclaration(parent))
    return false;
  return !(
    ts.isImportSpecifier(parent) ||
    ts.isExportSpecifier(parent) ||
    ts.isImportClause(parent) ||
    ts.isQualifiedName(parent)
  );
}

/** Whether a file asks `typeof name` before it relies on a global. */
function asksFirst(tree: ts.SourceFile, name: string): boolean {
  const visit = (node: ts.Node): boolean =>
    (ts.isTypeOfExpression(node) && node.expression.getText(tree) === name) || (ts.forEachChild(node, visit) ?? false);
  return visit(tree);
}

/** Whether a name is declared by the file itself, somewhere above this use. */
function isBound(use: ts.Node, name: string): boolean {
  for (let node: ts.Node | undefined = use.parent; node !== undefined; node = node.parent) {
    if (ts.isFunctionLike(node) && node.parameters.some((parameter) => binds(parameter.name, name))) return true;
    if (ts.isBlock(node) || ts.isSourceFile(node) || ts.isModuleBlock(node)) {
      if (node.statements.some((statement) => declares(statement, name))) return true;
    }
    if (ts.isForOfStatement(node) || ts.isForStatement(node) || ts.isForInStatement(node)) {
      const { initializer } = node;
      if (initializer !== undefined && ts.isVariableDeclarationList(initializer)) {
        if (initializer.declarations.some((one) => binds(one.name, name))) return true;
      }
    }
  }
  return false;
}

function declares(statement: ts.Statement, name: string): boolean {
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.some((one) => binds(one.name, name));
  if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) return statement.name?.text === name;
  if (ts.isImportDeclaration(statement)) {
    const clause = statement.importClause;
    const named = clause?.namedBindings;
    if (clause?.name?.text === name) return true;
    if (named === undefined) return false;
    return ts.isNamespaceImport(named)
      ? named.name.text === name
      : named.elements.some((one) => one.name.text === name);
  }
  return false;
}

function binds(bound: ts.BindingName, name: string): boolean {
  if (ts.isIdentifier(bound)) return bound.text === name;
  return bound.elements.some((element) => ts.isBindingElement(element) && binds(element.name, name));
}
