/**
 * Whether two patches are the same change, whatever they are called and wherever they were made.
 *
 * A patch is read as hunks per file. Names of patch files, numbers of lines, dates, index lines, mail headers and the
 * order of files do not matter. Three identities, each weaker than the one before: the whole diff with its context, the
 * changed lines per file, and how many changed lines two patches share. Of binary files the content counts, not how it
 * was compressed.
 *
 * Reference: unified diff format, GNU diffutils; git-patch-id(1); gitformat-diff, "GIT binary patch"
 */
import { hash } from 'node:crypto';
import { SourceError } from './errors.js';
import { readBinaryHunk } from './git-binary-patch.js';

/** The identities of one patch. */
export interface PatchIdentity {
  /** sha256 over files and hunks with context, without numbers. Equal: the same patch. */
  readonly exact: string;
  /** sha256 over files and changed lines only. Equal: the same change in other surroundings. */
  readonly changes: string;
  /** Files it changes, without the first path part, sorted. */
  readonly files: readonly string[];
  /** A 32-bit hash of each changed line with its file, for {@link patchSimilarity}. */
  readonly lines: readonly number[];
}

const maxBytes = 64 * 2 ** 20;

/**
 * Reads a patch. One without any change that can be read (an empty file, a text) is identified by its bytes.
 * Throws SOURCE_LIMIT above 64 MiB.
 */
export function patchIdentity(bytes: Uint8Array): PatchIdentity {
  if (bytes.length > maxBytes) {
    throw new SourceError(
      { code: 'SOURCE_LIMIT', what: 'bytes of a patch', limit: maxBytes, found: bytes.length },
      `patch: ${bytes.length} bytes, at most ${maxBytes} are read`,
    );
  }
  const { files, exact } = new PatchReader(bytes).read();
  if (files.length === 0) {
    const whole = hash('sha256', bytes, 'hex');
    return { exact: whole, changes: whole, files: [], lines: [Number.parseInt(whole.slice(0, 8), 16) | 0] };
  }
  // Most patches are told apart by `exact` alone: the rest is made when it is asked for.
  let changes: string | undefined;
  let lines: readonly number[] | undefined;
  return {
    exact: hash('sha256', exact, 'hex'),
    get changes(): string {
      changes ??= digestChanges(exact);
      return changes;
    },
    files,
    get lines(): readonly number[] {
      lines ??= hashLines(exact);
      return lines;
    },
  };
}

/** Share of changed lines that two patches have in common, 0 to 1; each line counts as often as it occurs. */
export function patchSimilarity(a: PatchIdentity, b: PatchIdentity): number {
  if (a.changes === b.changes) return 1;
  const total = a.lines.length + b.lines.length;
  if (total === 0) return 0;
  const left = new Map<number, number>();
  for (const line of a.lines) left.set(line, (left.get(line) ?? 0) + 1);
  let common = 0;
  for (const line of b.lines) {
    const count = left.get(line) ?? 0;
    if (count === 0) continue;
    left.set(line, count - 1);
    common++;
  }
  return (2 * common) / total;
}

/** sha256 over the normal form without context and without the borders of hunks. */
function digestChanges(exact: Buffer): string {
  const room = Buffer.allocUnsafe(exact.length);
  let end = 0;
  // Lines that stay stand together: each run is copied in one piece.
  let from = 0;
  for (let at = 0; at < exact.length; ) {
    const leave = exact[at] === SPACE || exact[at] === AT;
    const next = exact.indexOf(NEWLINE, at) + 1;
    if (leave) {
      end += exact.copy(room, end, from, at);
      from = next;
    }
    at = next;
  }
  end += exact.copy(room, end, from);
  return hash('sha256', room.subarray(0, end), 'hex');
}

/** Of each line that says more than its sign: FNV-1a over the line, begun with that of its file's name. */
function hashLines(exact: Buffer): number[] {
  const lines: number[] = [];
  let file = 0;
  for (let at = 0; at < exact.length; ) {
    const start = at;
    const first = exact[at]!;
    if (first === SPACE || first === AT) {
      at = exact.indexOf(NEWLINE, at) + 1;
      continue;
    }
    let sum = first === LETTER_F ? fnvStart : file;
    for (; exact[at] !== NEWLINE; at++) sum = Math.imul(sum ^ exact[at]!, fnvPrime);
    if (first === LETTER_F) file = sum;
    else if (at > start + 1) lines.push(sum);
    at++;
  }
  return lines;
}

const fnvStart = 0x811c9dc5 | 0;
const fnvPrime = 0x01000193;
const slabBytes = 1 << 18;
let slab: Buffer = Buffer.alloc(0);
let slabUsed = 0;

/** Room for a normal form. Those of small patches share their memory, as most of them live as long as each other. */
function takeRoom(bytes: number): Buffer {
  if (slab.length - slabUsed < bytes) {
    slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes));
    slabUsed = 0;
  }
  return slab.subarray(slabUsed, slabUsed + bytes);
}

interface Part {
  readonly file: string;
  readonly start: number;
}

/**
 * One pass over the bytes into the normal form, which is not longer than the patch: `file NAME`, then for each hunk `@@`
 * and its lines. What is as it must be already is copied in one piece.
 */
class PatchReader {
  readonly #bytes: Buffer;
  readonly #out: Buffer;
  #end = 0;
  #at = 0;
  readonly #parts: Part[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#out = takeRoom(bytes.length + 128);
  }

  read(): { readonly files: readonly string[]; readonly exact: Buffer } {
    const bytes = this.#bytes;
    const { length } = bytes;
    let file: string | undefined;
    // A name stands for a file once something of it follows.
    let open: string | undefined;
    let index = '';
    while (this.#at < length) {
      const start = this.#at;
      const first = bytes[start];
      if (first === AT && file !== undefined) {
        const range = this.#range();
        if (range !== undefined) {
          if (open !== file) this.#begin(file);
          open = file;
          this.#hunk(range.before, range.after);
          continue;
        }
      }
      const end = this.#lineEnd();
      if (first === MINUS && this.#startsWith(start, '--- ') && this.#startsWith(this.#at, '+++ ')) {
        const next = this.#at;
        file = fileName(this.#text(start + 4, end), this.#text(next + 4, this.#lineEnd()));
        open = undefined;
      } else if (first === LETTER_D && this.#startsWith(start, 'diff --git ')) {
        file = gitName(this.#text(start + 11, end));
        open = undefined;
        index = '';
      } else if (first === LETTER_I && this.#startsWith(start, 'index ')) {
        index = this.#text(start, end);
      } else if (file !== undefined && first === LETTER_B && this.#startsWith(start, 'Binary files ')) {
        // The content is not here: the ids of git are all that is known of it.
        this.#begin(file);
        this.#write(`+binary ${index}`);
      } else if (file !== undefined && first === LETTER_G && this.#text(start, end) === 'GIT binary patch') {
        this.#begin(file);
        open = file;
        this.#binary();
      } else if (file !== undefined && open === undefined && isTreeChange(first)) {
        const line = this.#text(start, end);
        if (!/^(?:old mode|new mode|rename from|rename to|copy from|copy to) /.test(line)) continue;
        this.#begin(file);
        this.#write(line);
      }
    }
    return this.#result();
  }

  #result(): { readonly files: readonly string[]; readonly exact: Buffer } {
    const exact = this.#out.subarray(0, this.#end);
    slabUsed += this.#end;
    const parts = this.#parts;
    const ordered = parts.every((part, i) => i === 0 || parts[i - 1]!.file < part.file);
    if (ordered) return { files: parts.map(({ file }) => file), exact };
    const sorted = parts.map((part, i) => ({ ...part, end: parts[i + 1]?.start }));
    sorted.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.start - b.start));
    const files: string[] = [];
    const pieces: Buffer[] = [];
    for (const { file, start, end } of sorted) {
      // A file that comes twice is one file: its name is written once.
      const repeated = files.at(-1) === file;
      if (!repeated) files.push(file);
      pieces.push(exact.subarray(repeated ? start + 'file '.length + file.length + 1 : start, end));
    }
    return { files, exact: Buffer.concat(pieces) };
  }

  #begin(file: string): void {
    if (this.#parts.at(-1)?.file === file) return;
    this.#parts.push({ file, start: this.#end });
    this.#write(`file ${file}`);
  }

  #write(line: string): void {
    this.#end += this.#out.write(line, this.#end, 'latin1');
    this.#out[this.#end++] = NEWLINE;
  }

  /** The counts say where a hunk ends: a removed line may itself begin with `-- `. */
  #hunk(before: number, after: number): void {
    const bytes = this.#bytes;
    const { length } = bytes;
    this.#write('@@');
    let at = this.#at;
    // Begin of the bytes that are not copied yet.
    let from = at;
    while ((before > 0 || after > 0) && at < length) {
      const start = at;
      const sign = bytes[start]!;
      const empty = sign === NEWLINE || sign === RETURN;
      if (sign !== SPACE && sign !== MINUS && sign !== PLUS && !empty && sign !== BACKSLASH) break;
      while (at < length && bytes[at] !== NEWLINE) at++;
      const end = at++;
      if (sign === BACKSLASH) {
        this.#copy(from, start);
        from = at;
        continue;
      }
      if (sign !== PLUS) before--;
      if (sign !== MINUS) after--;
      const last = bytes[end - 1]!;
      // Line ends of mail, what editors and mail leave of an empty line, a last line without its end: written as they must be.
      if (empty || last === RETURN || end === length || ((last === SPACE || last === TAB) && sign === SPACE)) {
        this.#copy(from, start);
        from = at;
        const line = this.#text(start, end);
        this.#write(sign !== PLUS && sign !== MINUS && line.trim() === '' ? ' ' : line);
      }
    }
    this.#at = Math.min(at, length);
    this.#copy(from, this.#at);
  }

  #copy(from: number, end: number): void {
    if (end > from) this.#end += this.#bytes.copy(this.#out, this.#end, from, end);
  }

  /** The way forward only: the way back follows from it. */
  #binary(): void {
    const hunk = readBinaryHunk(this.#bytes, this.#at);
    // What cannot be read is only the same as its own bytes.
    const data = hunk?.data ?? this.#bytes.subarray(this.#at);
    this.#at = hunk?.end ?? this.#bytes.length;
    this.#write(`+${hunk?.kind ?? 'damaged'} ${hash('sha256', data, 'hex')}`);
  }

  /** `@@ -1,2 +3,4 @@`: how many lines before and after. Read by the byte: a patch has more of these than of anything else. */
  #range(): { readonly before: number; readonly after: number } | undefined {
    const start = this.#at;
    if (!this.#startsWith(start, '@@ -')) return undefined;
    this.#at += 4;
    const before = this.#counts();
    if (before !== undefined && this.#startsWith(this.#at, ' +')) {
      this.#at += 2;
      const after = this.#counts();
      if (after !== undefined && this.#startsWith(this.#at, ' @@')) {
        this.#lineEnd();
        return { before, after };
      }
    }
    this.#at = start;
    return undefined;
  }

  /** The count of `12,3`; 1 where only a line is named. */
  #counts(): number | undefined {
    if (this.#number() === undefined) return undefined;
    if (this.#bytes[this.#at] !== COMMA) return 1;
    this.#at++;
    return this.#number();
  }

  #number(): number | undefined {
    let value = 0;
    const start = this.#at;
    for (; this.#at < start + 10; this.#at++) {
      const digit = (this.#bytes[this.#at] ?? 0) - ZERO;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    return this.#at === start ? undefined : value;
  }

  /** Ends the line that begins here; gives the index of its end. */
  #lineEnd(): number {
    const found = this.#bytes.indexOf(NEWLINE, this.#at);
    const end = found < 0 ? this.#bytes.length : found;
    this.#at = end + 1;
    return end;
  }

  #startsWith(at: number, text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.#bytes[at + i] !== text.charCodeAt(i)) return false;
    return true;
  }

  /** Without the return of a mail's line end. */
  #text(start: number, end: number): string {
    return this.#bytes.toString('latin1', start, end > start && this.#bytes[end - 1] === RETURN ? end - 1 : end);
  }
}

/** `old mode`, `new mode`, `rename …`, `copy …`. */
function isTreeChange(first: number | undefined): boolean {
  return first === 0x6f || first === 0x6e || first === 0x72 || first === 0x63;
}

/** The changed file, without time, quotes and the first path part, which says only how the diff was made. */
function fileName(before: string, after: string): string {
  const name = cleanName(after);
  return stripFirst(name === '/dev/null' ? cleanName(before) : name);
}

/** `a/x b/x`: both are the same but for their first part, unless a line below says otherwise. */
function gitName(names: string): string {
  const quoted = /^"?[^/]*\/(.*?)"? "?[^/]*\/\1"?$/.exec(names.trimEnd());
  return quoted?.[1] ?? stripFirst(cleanName(names.trimEnd().split(' ').at(-1)!));
}

function cleanName(text: string): string {
  const tab = text.indexOf('\t');
  const name = (tab < 0 ? text : text.slice(0, tab)).trim();
  return name.startsWith('"') && name.endsWith('"') ? name.slice(1, -1) : name;
}

function stripFirst(name: string): string {
  const slash = name.indexOf('/');
  return slash < 0 ? name : name.slice(slash + 1);
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const AT = 0x40;
const LETTER_B = 0x42;
const LETTER_D = 0x64;
const LETTER_F = 0x66;
const LETTER_G = 0x47;
const LETTER_I = 0x69;
const BACKSLASH = 0x5c;
