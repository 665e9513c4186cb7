/**
 * Unified diffs of two texts, for people and for `patch`.
 *
 * The shortest edit script by lines, after E. W. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986. Texts
 * that share almost nothing are shown as one replaced block: the exact script would cost the square of their length.
 */

/** One run of lines: kept, only in the first text, or only in the second. */
export interface DiffRun {
  readonly kind: 'same' | 'removed' | 'added';
  readonly lines: readonly string[];
}

/** Most edits that are searched for before the middle is given up as one replaced block. */
const maxEdits = 4000;

/** Runs that turn `before` into `after`. */
export function diffLines(before: readonly string[], after: readonly string[]): DiffRun[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let endA = before.length;
  let endB = after.length;
  while (endA > start && endB > start && before[endA - 1] === after[endB - 1]) {
    endA--;
    endB--;
  }
  const runs: { kind: DiffRun['kind']; lines: string[] }[] = [];
  const push = (kind: DiffRun['kind'], lines: readonly string[]): void => {
    if (lines.length === 0) return;
    const last = runs.at(-1);
    if (last?.kind === kind) last.lines.push(...lines);
    else runs.push({ kind, lines: [...lines] });
  };
  push('same', before.slice(0, start));
  for (const [kind, line] of middle(before.slice(start, endA), after.slice(start, endB))) push(kind, [line]);
  push('same', before.slice(endA));
  return runs;
}

/** A unified diff with three lines around each change; empty when the texts are equal. */
export function createTwoFilesPatch(path: string, before: string, after: string): string {
  if (before === after) return '';
  const runs = diffLines(linesOf(before), linesOf(after));
  const around = 3;
  const hunks: { a: number; b: number; lines: string[]; countA: number; countB: number }[] = [];
  let a = 0;
  let b = 0;
  let open: (typeof hunks)[number] | undefined;
  runs.forEach((run, index) => {
    if (run.kind === 'same') {
      const last = index === runs.length - 1;
      const { lines } = run;
      if (open) {
        const joins = !last && lines.length <= 2 * around;
        const tail = joins ? lines : lines.slice(0, around);
        addLines(open, ' ', tail);
        if (!joins) open = undefined;
      }
      if (!open && !last) {
        const lead = lines.slice(Math.max(0, lines.length - around));
        open = {
          a: a + lines.length - lead.length,
          b: b + lines.length - lead.length,
          lines: [],
          countA: 0,
          countB: 0,
        };
        hunks.push(open);
        addLines(open, ' ', lead);
      }
      a += lines.length;
      b += lines.length;
      return;
    }
    if (!open) {
      open = { a, b, lines: [], countA: 0, countB: 0 };
      hunks.push(open);
    }
    addLines(open, run.kind === 'removed' ? '-' : '+', run.lines);
    if (run.kind === 'removed') a += run.lines.length;
    else b += run.lines.length;
  });
  const heads = [
    before === '' ? '--- /dev/null\n' : `--- a/${path}\n`,
    after === '' ? '+++ /dev/null\n' : `+++ b/${path}\n`,
  ];
  return (
    heads.join('') +
    hunks.map((h) => `@@ -${range(h.a, h.countA)} +${range(h.b, h.countB)} @@\n${h.lines.join('')}`).join('')
  );
}

function addLines(
  hunk: { lines: string[]; countA: number; countB: number },
  sign: ' ' | '-' | '+',
  lines: readonly string[],
): void {
  for (const line of lines)
    hunk.lines.push(`${sign}${line.endsWith('\n') ? line : `${line}\n\\ No newline at end of file\n`}`);
  if (sign !== '+') hunk.countA += lines.length;
  if (sign !== '-') hunk.countB += lines.length;
}

function range(start: number, count: number): string {
  // An empty range names the line before it.
  return `${count === 0 ? start : start + 1}${count === 1 ? '' : `,${count}`}`;
}

function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** Script for what is left between equal heads and tails: of each changed place what goes, then what comes. */
function middle(a: readonly string[], b: readonly string[]): [DiffRun['kind'], string][] {
  const pairs = keptLines(a, b);
  const script: [DiffRun['kind'], string][] = [];
  let x = 0;
  let y = 0;
  for (const [keptX, keptY] of [...pairs, [a.length, b.length] as const]) {
    for (; x < keptX; x++) script.push(['removed', a[x]!]);
    for (; y < keptY; y++) script.push(['added', b[y]!]);
    if (keptX < a.length) script.push(['same', a[x++]!]);
    y++;
  }
  return script;
}

/**
 * Indexes of the lines that stay, in order. A line that the other text does not have cannot stay, so only the others
 * are searched: the script is as short, and a text with many new lines costs little.
 */
function keptLines(a: readonly string[], b: readonly string[]): (readonly [number, number])[] {
  const numberOf = new Map<string, number>();
  const inB = new Set(b);
  const xs: number[] = [];
  const left: number[] = [];
  a.forEach((line, x) => {
    if (!inB.has(line)) return;
    const number = numberOf.get(line) ?? numberOf.size;
    numberOf.set(line, number);
    xs.push(x);
    left.push(number);
  });
  const ys: number[] = [];
  const right: number[] = [];
  b.forEach((line, y) => {
    const number = numberOf.get(line);
    if (number === undefined) return;
    ys.push(y);
    right.push(number);
  });
  return commonSubsequence(left, right).map(([x, y]) => [xs[x]!, ys[y]!]);
}

/** Longest common subsequence as pairs of indexes; none when it would take too many edits to find. */
function commonSubsequence(a: readonly number[], b: readonly number[]): (readonly [number, number])[] {
  if (a.length === 0 || b.length === 0) return [];
  const trace: Int32Array[] = [];
  const limit = Math.min(a.length + b.length, maxEdits);
  const furthest = new Int32Array(2 * limit + 2);
  for (let d = 0; d <= limit; d++) {
    trace.push(furthest.slice(limit - d, limit + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && furthest[limit + k - 1]! < furthest[limit + k + 1]!);
      let x = down ? furthest[limit + k + 1]! : furthest[limit + k - 1]! + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      furthest[limit + k] = x;
      if (x >= a.length && x - k >= b.length) return walkBack(trace, a.length, d, k);
    }
  }
  return [];
}

function walkBack(
  trace: readonly Int32Array[],
  end: number,
  edits: number,
  diagonal: number,
): (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = [];
  let x = end;
  let k = diagonal;
  for (let d = edits; d >= 0; d--) {
    // Row d holds the state before its own step: index d + k is diagonal k.
    const row = trace[d]!;
    const at = (diagonalAt: number): number => row[d + diagonalAt] ?? 0;
    const down = k === -d || (k !== d && at(k - 1) < at(k + 1));
    const previous = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : at(previous);
    const startX = d === 0 ? 0 : down ? fromX : fromX + 1;
    while (x > startX) {
      x--;
      pairs.push([x, x - k]);
    }
    x = fromX;
    k = previous;
  }
  return pairs.reverse();
}
