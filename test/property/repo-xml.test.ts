import { XmlReader } from '@distrokit/repo';
import * as fc from 'fast-check';
import { SaxesParser } from 'saxes';
import { expect, test } from 'vitest';

/** What a reader heard: opening and closing of elements with attributes and the text of leaves. */
type Event = readonly [string, string, ...(readonly string[])];

function ours(bytes: Uint8Array, cuts: readonly number[] = []): Event[] | undefined {
  const events: Event[] = [];
  const reader = new XmlReader('test.xml', {
    open: (name, attributes) =>
      events.push(['open', name, ...attributes.names.flatMap((key) => [key, attributes.get(key) ?? ''])]),
    close: (name, text) => events.push(['close', name, text]),
  });
  try {
    let at = 0;
    for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
      reader.write(bytes.subarray(at, Math.max(at, cut)));
      at = Math.max(at, cut);
    }
    reader.end();
    return events;
  } catch {
    return undefined;
  }
}

/** The same by saxes. */
function oracle(text: string): Event[] | undefined {
  const events: Event[] = [];
  const parser = new SaxesParser({ xmlns: false, position: false });
  const stack: { text: string; leaf: boolean }[] = [];
  const local = (name: string): string => name.slice(name.indexOf(':') + 1);
  let failure: Error | undefined;
  parser.on('error', (error) => {
    failure ??= error;
  });
  parser.on('doctype', () => {
    failure ??= new Error('doctype');
  });
  parser.on('opentag', (tag) => {
    const parent = stack.at(-1);
    if (parent !== undefined) parent.leaf = false;
    stack.push({ text: '', leaf: true });
    events.push([
      'open',
      local(tag.name),
      ...Object.entries(tag.attributes).flatMap(([key, value]) => [key, String(value)]),
    ]);
  });
  const addText = (piece: string): void => {
    const top = stack.at(-1);
    if (top !== undefined) top.text += piece;
  };
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', (tag) => {
    const top = stack.pop();
    events.push(['close', local(tag.name), top?.leaf === true ? top.text : '']);
  });
  try {
    parser.write(text).close();
  } catch (error) {
    failure ??= error as Error;
  }
  return failure === undefined ? events : undefined;
}

const name = fc.constantFrom('a', 'b', 'rpm:entry', 'x-y', '_z', 'metadata');
const word = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom('&amp;', '&lt;x&gt;', '&#65;', '&#x20AC;', '&quot;', 'plain', ' \n ', 'é€😀', 'a\r\nb\rc'),
);
const escaped = word.map((text) =>
  text
    .replace(/&(?!(amp|lt|gt|quot|#65|#x20AC);)/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/"/g, '&quot;')
    .replace(/\]\]>/g, ']]&gt;'),
);
const element: fc.Memo<string> = fc.memo((depth) => {
  const attributes = fc
    .uniqueArray(fc.tuple(name, escaped), { maxLength: 3, selector: ([key]) => key })
    .map((pairs) => pairs.map(([key, value]) => ` ${key}="${value}"`).join(''));
  const inner =
    depth <= 1
      ? escaped
      : fc.oneof(
          escaped,
          fc.array(element(depth - 1), { maxLength: 4 }).map((list) => list.join('\n  ')),
          escaped.map((text) => `<!-- ${text.replace(/-/g, '')} -->`),
          escaped.map((text) => `<![CDATA[${text}]]>`),
        );
  return fc
    .tuple(name, attributes, inner)
    .map(([tag, list, text]) => (text === '' ? `<${tag}${list}/>` : `<${tag}${list}>${text}</${tag}>`));
});
const document = element(4).map((root) => `<?xml version="1.0" encoding="UTF-8"?>\n${root}\n`);

test('a document of any shape is heard as saxes hears it', () => {
  fc.assert(
    fc.property(document, (text) => {
      expect(ours(new TextEncoder().encode(text))).toEqual(oracle(text));
    }),
    { numRuns: 500 },
  );
});

test('the way a document is cut into chunks changes nothing', () => {
  fc.assert(
    fc.property(document, fc.array(fc.nat(400), { maxLength: 30 }), (text, cuts) => {
      const bytes = new TextEncoder().encode(text);
      const inside = cuts.filter((cut) => cut < bytes.length);
      expect(ours(bytes, inside)).toEqual(ours(bytes));
      expect(
        ours(
          bytes,
          Array.from({ length: bytes.length }, (_, at) => at),
        ),
      ).toEqual(ours(bytes));
    }),
    { numRuns: 150 },
  );
});

test('a document with one character changed is refused where saxes refuses it', () => {
  const change = fc.constantFrom('<', '>', '&', '"', "'", '/', '=', ' ', 'x', '!', '?', '-', ']', '\u0001', '');
  fc.assert(
    fc.property(document, fc.nat(2000), change, (text, place, character) => {
      const units = [...text];
      const at = place % units.length;
      units[at] = character;
      const changed = units.join('');
      // A changed declaration may name another version or encoding, which saxes does not look at.
      if (changed.indexOf('?>') !== text.indexOf('?>') || at <= text.indexOf('?>')) return;
      expect(ours(new TextEncoder().encode(changed))).toEqual(oracle(changed));
    }),
    { numRuns: 2000 },
  );
});
