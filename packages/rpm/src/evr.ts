/**
 * EVR: epoch, version, release; how they are written and which is newer.
 *
 * The order of one version or release string is rpm's, segment by segment: `~` sorts before the end of
 * the string, `^` after it but before anything else, digits before letters lose, separators count for nothing.
 *
 * Reference: rpm, docs/man/rpm-version.7; rpmio/rpmvercmp.cc; rpmio/rpmver.cc
 */
import { quote, RpmError } from './errors.js';

/** Epoch, version, release. An absent epoch compares as 0 but stays absent; an absent release is the empty string. */
export interface Evr {
  readonly epoch?: number;
  readonly version: string;
  readonly release: string;
}

/** An epoch is a 32-bit header entry. */
const maxEpoch = 0xffff_ffff;

/**
 * `[epoch:]version[-release]` as values. The release begins after the last dash.
 *
 * `:1.0` has epoch 0, as in rpm. A colon after anything but digits belongs to the version.
 * Throws RPM_BAD_EVR when there is no version or the epoch does not fit in 32 bits.
 */
export function parseEvr(text: string): Evr {
  const colon = epochEnd(text);
  const dash = text.lastIndexOf('-');
  const start = colon + 1;
  const version = dash < start ? text.slice(start) : text.slice(start, dash);
  if (version === '') throw badEvr(text, '[epoch:]version[-release]');
  const release = dash < start ? '' : text.slice(dash + 1);
  if (colon < 0) return { version, release };
  const epoch = Number(text.slice(0, colon));
  if (epoch > maxEpoch) throw badEvr(text, 'an epoch of at most 4294967295');
  return { epoch, version, release };
}

/** `[epoch:]version[-release]`; an absent epoch and an empty release are left out. */
export function formatEvr(evr: Evr): string {
  const text = evr.release === '' ? evr.version : `${evr.version}-${evr.release}`;
  return evr.epoch === undefined ? text : `${evr.epoch}:${text}`;
}

/** Which EVR is newer: 1 when `a` is, −1 when `b` is. A missing epoch is 0. Never throws. */
export function compareEvr(a: Evr, b: Evr): -1 | 0 | 1 {
  const epochs = (a.epoch ?? 0) - (b.epoch ?? 0);
  if (epochs !== 0) return epochs < 0 ? -1 : 1;
  const versions = compareVersion(a.version, b.version);
  if (versions !== 0) return versions;
  // An absent release is older than any, even than one that begins with a tilde.
  if (a.release === '' || b.release === '') return a.release === b.release ? 0 : a.release === '' ? -1 : 1;
  return compareVersion(a.release, b.release);
}

/** Which version, or release, is newer, as rpm's own comparison (vercmp) says. Never throws. */
export function compareVersion(a: string, b: string): -1 | 0 | 1 {
  const endA = a.length;
  const endB = b.length;
  let i = 0;
  const shared = Math.min(endA, endB);
  while (i < shared && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  if (i === shared && endA === endB) return 0;
  // What both share need not be compared, up to the number or word that differs.
  if (i < shared && isDigit(a.charCodeAt(i)) && isDigit(b.charCodeAt(i))) {
    let start = i;
    while (start > 0 && isDigit(a.charCodeAt(start - 1))) start--;
    // Most pairs differ in a number: without leading zeros its first difference or its length decides.
    if (a.charCodeAt(start) !== ZERO && b.charCodeAt(start) !== ZERO) return compareNumbers(a, b, i);
    i = start;
  } else if (i > 0) {
    const kind = kindOf(a.charCodeAt(i - 1));
    if (kind === DIGIT || kind === LETTER) while (i > 0 && kindOf(a.charCodeAt(i - 1)) === kind) i--;
  }
  let j = i;
  for (;;) {
    let x = 0;
    let y = 0;
    let kindA = END;
    let kindB = END;
    for (; i < endA; i++) {
      x = a.charCodeAt(i);
      kindA = kindOf(x);
      if (kindA !== SEPARATOR) break;
    }
    for (; j < endB; j++) {
      y = b.charCodeAt(j);
      kindB = kindOf(y);
      if (kindB !== SEPARATOR) break;
    }
    if (i === endA) kindA = END;
    if (j === endB) kindB = END;

    if (kindA !== kindB) {
      if (kindA === TILDE) return -1;
      if (kindB === TILDE) return 1;
      // Against the end of the string a caret is newer, against anything else it is older.
      if (kindA === CARET) return kindB === END ? 1 : -1;
      if (kindB === CARET) return kindA === END ? -1 : 1;
      // Digits are newer than letters, anything is newer than the end.
      return kindA > kindB ? 1 : -1;
    }
    if (kindA === DIGIT) {
      while (x === ZERO) x = ++i < endA ? a.charCodeAt(i) : 0;
      while (y === ZERO) y = ++j < endB ? b.charCodeAt(j) : 0;
      // Without leading zeros the longer number is the greater one; of equal length, the first difference decides.
      let order = 0;
      kindA = kindOf(x);
      kindB = kindOf(y);
      while (kindA === DIGIT && kindB === DIGIT) {
        if (order === 0) order = x - y;
        x = ++i < endA ? a.charCodeAt(i) : 0;
        y = ++j < endB ? b.charCodeAt(j) : 0;
        kindA = kindOf(x);
        kindB = kindOf(y);
      }
      if (kindA === DIGIT) return 1;
      if (kindB === DIGIT) return -1;
      if (order !== 0) return order < 0 ? -1 : 1;
    } else if (kindA === LETTER) {
      while (x === y && kindA === LETTER) {
        x = ++i < endA ? a.charCodeAt(i) : 0;
        y = ++j < endB ? b.charCodeAt(j) : 0;
        kindA = kindOf(x);
      }
      // Whichever word goes on is newer; of two that go on, the one with the greater letter.
      const order = (kindA === LETTER ? x : 0) - (kindOf(y) === LETTER ? y : 0);
      if (order !== 0) return order < 0 ? -1 : 1;
    } else if (kindA === END) {
      return 0;
    } else {
      i++;
      j++;
    }
  }
}

/** Two numbers without leading zeros that first differ at `at`, where both have a digit. */
function compareNumbers(a: string, b: string, at: number): -1 | 1 {
  let end = at + 1;
  while (end < a.length && end < b.length && isDigit(a.charCodeAt(end)) && isDigit(b.charCodeAt(end))) end++;
  const longerA = end < a.length && isDigit(a.charCodeAt(end));
  const longerB = end < b.length && isDigit(b.charCodeAt(end));
  if (longerA !== longerB) return longerA ? 1 : -1;
  return a.charCodeAt(at) > b.charCodeAt(at) ? 1 : -1;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

/** Where the epoch's colon is, −1 without an epoch: the text before it may be digits only, or nothing. */
export function epochEnd(text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === COLON) return i;
    if (code < ZERO || code > NINE) return -1;
  }
  return -1;
}

const COLON = 0x3a;
const ZERO = 0x30;
const NINE = 0x39;

/** Kinds of characters. Of two that are no tilde and no caret the greater one is newer. */
const SEPARATOR = 0;
const END = 1;
const LETTER = 2;
const DIGIT = 3;
const TILDE = 4;
const CARET = 5;

/** Kind of each ASCII code; everything beyond ASCII separates, like rpm's bytes above 127. */
const kinds = new Uint8Array(128);
kinds.fill(DIGIT, ZERO, NINE + 1);
kinds.fill(LETTER, 0x41, 0x5b);
kinds.fill(LETTER, 0x61, 0x7b);
kinds[0x7e] = TILDE;
kinds[0x5e] = CARET;

function kindOf(code: number): number {
  return code < 128 ? (kinds[code] as number) : SEPARATOR;
}

function badEvr(text: string, wanted: string): RpmError {
  return new RpmError({ code: 'RPM_BAD_EVR', text, wanted }, `EVR ${quote(text)}: ${wanted} wanted`);
}
