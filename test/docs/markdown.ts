/**
 * The parts of a Markdown document that can be wrong: code blocks, links, headings, tables.
 */

export interface CodeBlock {
  /** First word after the fence, for instance `ts`. */
  readonly language: string;
  /** The words after it, for instance `run`. */
  readonly marks: readonly string[];
  readonly text: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
}

export function codeBlocks(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { readonly info: string; readonly line: number; readonly lines: string[] } | undefined;
  markdown.split('\n').forEach((line, index) => {
    if (!line.startsWith('```')) open?.lines.push(line);
    else if (open === undefined) open = { info: line.slice(3).trim(), line: index + 1, lines: [] };
    else {
      const [language = '', ...marks] = open.info.split(/\s+/);
      blocks.push({ language, marks, text: `${open.lines.join('\n')}\n`, line: open.line });
      open = undefined;
    }
  });
  return blocks;
}

/** Targets of links and images, outside of code. */
export function links(markdown: string): string[] {
  const prose = withoutCode(markdown);
  const inline = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?[^)]*\)/g)].map((match) => match[1]!);
  const html = [...prose.matchAll(/<(?:img|a|source)\b[^>]*?\b(?:src|href|srcset)="([^"]+)"/g)].map(
    (match) => match[1]!,
  );
  return [...inline, ...html];
}

/** The anchors that headings get on a code host: small letters, punctuation dropped, spaces to hyphens. */
export function anchors(markdown: string): string[] {
  return [...withoutCode(markdown, false).matchAll(/^#{1,6} +(.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** The cells of one table row. */
export type Row = readonly string[];

/** The table below a heading: the names of its columns and its rows; no rows when there is none. */
export function tableBelow(
  markdown: string,
  heading: RegExp,
): { readonly columns: Row; readonly rows: readonly Row[] } {
  const lines = markdown.split('\n');
  const start = lines.findIndex((line) => /^#{1,6} /.test(line) && heading.test(line));
  const below = start < 0 ? [] : lines.slice(start + 1);
  const end = below.findIndex((line) => /^#{1,6} /.test(line));
  const section = end < 0 ? below : below.slice(0, end);
  const first = section.findIndex((line) => line.startsWith('|'));
  if (first < 0) return { columns: [], rows: [] };
  const length = section.slice(first).findIndex((line) => !line.startsWith('|'));
  const [columns = [], , ...rows] = section.slice(first, length < 0 ? undefined : first + length).map(cells);
  return { columns, rows };
}

function cells(line: string): string[] {
  return line
    .replace(/^\||\|\s*$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim());
}

/** Words in back quotes. */
export function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
}

function withoutCode(markdown: string, inlineToo = true): string {
  const prose = markdown.replace(/^```[^\n]*\n[\s\S]*?^```/gm, '');
  return inlineToo ? prose.replace(/`[^`\n]*`/g, '') : prose;
}
