/**
 * Small XML documents, or one element of a large one at a time, as trees.
 */

import { type XmlAttributes, type XmlHandler, type XmlLimits, XmlReader } from './xml.js';
import { badValue } from './xml-values.js';

/** An element with its attributes, its children in order, and its text when it has no children. */
export interface XmlElement {
  /** Without prefix. */
  readonly name: string;
  /** By qualified name. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  readonly text: string;
  /** Bytes from the start of the document. */
  readonly offset: number;
}

/** Hears a document; gives every element of one name, with what is in it, as it closes. */
export class TreeDecoder implements XmlHandler {
  readonly #wanted: string;
  readonly #emit: (element: XmlElement) => void;
  readonly #stack: { element: XmlElement; children: XmlElement[] }[] = [];

  constructor(wanted: string, emit: (element: XmlElement) => void) {
    this.#wanted = wanted;
    this.#emit = emit;
  }

  open(name: string, attributes: XmlAttributes, offset: number): void {
    if (this.#stack.length === 0 && name !== this.#wanted) return;
    const children: XmlElement[] = [];
    const values = new Map(attributes.names.map((key) => [key, attributes.get(key) ?? '']));
    this.#stack.push({ element: { name, attributes: values, children, text: '', offset }, children });
  }

  close(_name: string, text: string): void {
    const top = this.#stack.pop();
    if (top === undefined) return;
    const element = text === '' ? top.element : { ...top.element, text };
    const parent = this.#stack.at(-1);
    if (parent === undefined) this.#emit(element);
    else parent.children.push(element);
  }
}

/** A whole document. Throws REPO_BAD_XML, REPO_BAD_VALUE for another root element. */
export function parseXmlTree(document: string, bytes: Uint8Array, root: string, limits?: XmlLimits): XmlElement {
  let found: XmlElement | undefined;
  let first: string | undefined;
  const decoder = new TreeDecoder(root, (element) => {
    found ??= element;
  });
  const reader = new XmlReader(
    document,
    {
      open(name, attributes, offset) {
        first ??= name;
        if (first !== root) throw badValue(document, offset, 'root element', root, name);
        decoder.open(name, attributes, offset);
      },
      close: (name, text) => decoder.close(name, text),
    },
    limits,
  );
  reader.write(bytes);
  reader.end();
  return found as XmlElement;
}

/** Text of the first child of a name; undefined when there is none. */
export function childText(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}

/** The children of a name. */
export function childrenOf(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter((child) => child.name === name);
}
