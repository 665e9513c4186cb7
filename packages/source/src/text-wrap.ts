/**
 * Text broken into lines of a given width, as changelogs have it.
 *
 * Breaks at blanks and after hyphens between letters; a word that is longer than a line is cut. Widths count code points.
 */

/** Lines of at most `width` code points; `first` stands before the first one, `rest` before the others. */
export function wrapText(text: string, width: number, first: string, rest: string): string[] {
  const lines: string[] = [];
  let line = first;
  let empty = true;
  let gap = '';
  const flush = (): void => {
    lines.push(line);
    line = rest;
    empty = true;
    gap = '';
  };
  for (const chunk of text.replaceAll('\t', '        ').split(/(\s+)/)) {
    if (chunk === '') continue;
    if (/^\s+$/.test(chunk)) {
      // Blanks at the start of a continued line are dropped; those before the very first word stay.
      if (!empty || lines.length === 0) gap = ' '.repeat(chunk.length);
      continue;
    }
    for (const part of hyphenParts(chunk)) {
      let left = part;
      // A word that fits no line is cut where this line ends, one that fits the next line goes there.
      while (length(line) + gap.length + length(left) > width) {
        const indent = length(lines.length === 0 ? first : rest);
        const room = width - length(line) - gap.length;
        if (length(left) > width - indent && room > 0) {
          const points = [...left];
          const hyphen = points.lastIndexOf('-', room - 1);
          const cut = hyphen > 0 && points.slice(0, hyphen).some((point) => point !== '-') ? hyphen + 1 : room;
          line += gap + points.slice(0, cut).join('');
          left = points.slice(cut).join('');
        }
        flush();
      }
      if (left === '') continue;
      line += gap + left;
      empty = false;
      gap = '';
    }
  }
  if (!empty || lines.length === 0) lines.push(line);
  return lines;
}

/** `well-known` may be broken as `well-` and `known`; options and numbers may not. */
function hyphenParts(word: string): string[] {
  return word.split(/(?<=\p{L}\p{L}-|\p{L}-\p{L}-)(?=\p{L}-?\p{L})/u);
}

function length(text: string): number {
  return [...text].length;
}
