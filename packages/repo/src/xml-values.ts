/**
 * Values in repository documents: numbers, instants, attributes that must be there.
 */
import { quote } from '@distrokit/rpm';
import { RepoError } from './errors.js';
import type { XmlAttributes } from './xml.js';

/** REPO_BAD_VALUE, with the byte offset of the element. */
export function badValue(document: string, offset: number, what: string, wanted: string, found: string): RepoError {
  return new RepoError(
    { code: 'REPO_BAD_VALUE', document, offset, what, wanted, found: found.slice(0, 80) },
    `${document}: ${what}: ${wanted} wanted, found ${quote(found)} at byte ${offset}`,
  );
}

/** A number without sign; white space around it is allowed. */
export function wholeNumber(document: string, offset: number, what: string, text: string): number {
  const value = /^\s*[0-9]{1,16}\s*$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw badValue(document, offset, what, 'a whole number', text);
  return value;
}

/** Seconds since 1970, as written by `Math.floor(date / 1000)`; old tools also write fractions. */
export function dateOf(document: string, offset: number, what: string, text: string): Date {
  const seconds = /^\s*-?[0-9]{1,15}(?:\.[0-9]+)?\s*$/.test(text) ? Math.floor(Number(text)) : Number.NaN;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw badValue(document, offset, what, 'seconds since 1970', text);
  return date;
}

/** The value of an attribute that must be there. */
export function requiredAttribute(
  document: string,
  offset: number,
  element: string,
  attributes: XmlAttributes,
  name: string,
): string {
  const value = attributes.get(name);
  if (value === undefined) throw badValue(document, offset, `${element}/@${name}`, 'a value', 'none');
  return value;
}
