/**
 * Protocol buffers' text format, as far as configurations of edits use it: fields, messages, strings, words, numbers.
 *
 * Reference: protobuf.dev, Text Format Language Specification
 */
import { badConfig } from './schema.js';

/** A message: every field as often as it occurs, in order. */
export interface TextMessage {
  readonly fields: readonly { readonly name: string; readonly value: string | TextMessage; readonly line: number }[];
}

const tokenPattern =
  /\s+|#[^\n]*|("(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*')|([A-Za-z_][A-Za-z0-9_]*|-?\d+(?:\.\d+)?)|([{}<>:;,[\]])/y;
const maxDepth = 32;
const maxLength = 4 * 2 ** 20;

interface Token {
  readonly kind: 'string' | 'word' | 'sign';
  readonly text: string;
  readonly line: number;
}

/** Reads a document. Throws SOURCE_BAD_CONFIG with the line. */
export function parsePrototext(text: string): TextMessage {
  if (text.length > maxLength) throw badConfig('line 1', `at most ${maxLength} characters`, String(text.length));
  const tokens = tokenize(text);
  let next = 0;
  const fail = (wanted: string): never => {
    const token = tokens[next];
    throw badConfig(`line ${token?.line ?? 'at the end'}`, wanted, token?.text ?? 'nothing');
  };
  const take = (sign: string): boolean => {
    if (tokens[next]?.kind !== 'sign' || tokens[next]?.text !== sign) return false;
    next++;
    return true;
  };
  const scalar = (): string => {
    const token = tokens[next];
    if (!token || token.kind === 'sign') return fail('a value');
    next++;
    let value = token.text;
    // Neighbouring strings are one string.
    while (token.kind === 'string' && tokens[next]?.kind === 'string') value += tokens[next++]!.text;
    return value;
  };
  const message = (close: string | undefined, depth: number): TextMessage => {
    if (depth > maxDepth) fail('fewer levels');
    const fields: { name: string; value: string | TextMessage; line: number }[] = [];
    while (close === undefined ? next < tokens.length : !take(close)) {
      const name = tokens[next];
      if (name?.kind !== 'word') return fail('the name of a field');
      next++;
      const colon = take(':');
      const one = (): string | TextMessage => {
        if (take('{')) return message('}', depth + 1);
        if (take('<')) return message('>', depth + 1);
        return colon ? scalar() : fail('a colon or a message');
      };
      if (take('[')) {
        while (!take(']')) {
          fields.push({ name: name.text, value: one(), line: name.line });
          take(',');
        }
      } else fields.push({ name: name.text, value: one(), line: name.line });
      if (!take(';')) take(',');
    }
    return { fields };
  };
  return message(undefined, 0);
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = new RegExp(tokenPattern);
  let line = 1;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(text);
    if (!match) throw badConfig(`line ${line}`, 'a field', text.slice(at, at + 20));
    const [all, string, word, sign] = match;
    if (string !== undefined) tokens.push({ kind: 'string', text: plainText(string.slice(1, -1), line), line });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word, line });
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign, line });
    line += all.split('\n').length - 1;
  }
  return tokens;
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', a: '\u0007', b: '\b', f: '\f', v: '\v' };

function plainText(text: string, line: number): string {
  if (!text.includes('\\')) return text;
  const bytes: Buffer[] = [];
  const pattern = /\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|([\s\S]))|[^\\]+/g;
  for (const [all, hex, octal, plain] of text.matchAll(pattern)) {
    if (hex !== undefined) bytes.push(Buffer.from([Number.parseInt(hex, 16)]));
    else if (octal !== undefined) bytes.push(Buffer.from([Number.parseInt(octal, 8) & 0xff]));
    else if (plain !== undefined) {
      if (!/[ntrabfv\\'"?]/.test(plain)) throw badConfig(`line ${line}`, 'a known escape', `\\${plain}`);
      bytes.push(Buffer.from(escapes[plain] ?? plain));
    } else bytes.push(Buffer.from(all));
  }
  return Buffer.concat(bytes).toString('utf8');
}
