/**
 * The comment that links a patch to where it came from.
 *
 * Field names are those of Debian's patch headers (DEP-3), so that people and tools know them: `Origin:` says what kind
 * of change it is and where it lies, `CVE:` what it fixes, `Note:` what was changed on the way. In a spec each line is a
 * comment above the `Patch` tag; in the head of a patch file the lines stand as they are.
 *
 * Reference: DEP-3, Patch Tagging Guidelines
 */
import { quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';

/** How a patch relates to its origin, in the words of DEP-3. */
export type PatchOriginKind = 'upstream' | 'backport' | 'vendor' | 'other';

/** Where a patch came from. */
export interface PatchOrigin {
  /** `upstream` is taken unchanged, `backport` was changed to fit; `other` when nobody says. */
  readonly kind: PatchOriginKind;
  /** Commit, pull request, bug or file; http or https. */
  readonly url: string;
  /** Identifiers it fixes, for instance `CVE-2024-0001`. */
  readonly cves: readonly string[];
  readonly note?: string | undefined;
}

/** A link found in free text, and how it was spelled. */
export interface FoundPatchOrigin extends PatchOrigin {
  /** The field before the link as it was written, lower case; empty for a bare link. */
  readonly spelling: string;
}

const cvePattern = /\bCVE-\d{4}-\d{4,}\b/gi;
const urlPattern = /\bhttps?:\/\/[^\s<>"'`,;]+[^\s<>"'`,;.):\]]/;
const kinds: ReadonlySet<string> = new Set<PatchOriginKind>(['upstream', 'backport', 'vendor', 'other']);

/**
 * Lines for a spec, `# ` before each: `# Origin: upstream, https://…`, `# CVE: …`, `# Note: …`.
 *
 * `%` is doubled, since rpm expands macros in comments too. Throws SOURCE_BAD_URL for a link that is no http URL or has
 * blanks in it.
 */
export function formatPatchOrigin(origin: PatchOrigin): string[] {
  return headerLines(origin).map((line) => `# ${line.replaceAll('%', '%%')}`);
}

/** The same lines for the head of a patch file, without comment signs. */
export function formatPatchHeader(origin: PatchOrigin): string[] {
  return headerLines(origin);
}

/**
 * Reads the origin from comment lines of a spec or from the head of a patch file; undefined when no link is in it.
 *
 * Knows DEP-3 fields, the spellings of Azure Linux (`Upstream-reference:`, `Upstream Patch Reference:`, `AI Backport
 * of`), git's `(cherry picked from commit …)` beside a link, and a bare link. A field that says
 * upstream, backport or origin wins over other fields, these over a bare link, and the first of equals over
 * the others. Reads at most the first 200 lines, and of a patch only what stands before the diff.
 */
export function parsePatchOrigin(text: string): FoundPatchOrigin | undefined {
  // Most texts have no link, and nothing else is looked for.
  if (!text.includes('://')) return undefined;
  const head: string[] = [];
  for (const raw of text.split('\n', 200)) {
    const line = raw
      .slice(0, 2000)
      .replace(/^\s*#+\s?/, '')
      .trimEnd()
      .replaceAll('%%', '%');
    if (/^(diff --git |--- [^-]|Index: )/.test(line)) break;
    head.push(line);
  }
  const cves = new Set<string>();
  for (const line of head) for (const match of line.matchAll(cvePattern)) cves.add(match[0].toUpperCase());
  const note = head.map((line) => /^note:\s*(.+)$/i.exec(line)?.[1]).find((found) => found !== undefined);
  const picked = head.some((line) => /\(?cherry[ -]picked from commit /i.test(line));
  let best: FoundPatchOrigin | undefined;
  let rank = -1;
  for (const line of head) {
    const url = urlPattern.exec(line)?.[0];
    if (url === undefined) continue;
    const field = fieldOf(line.slice(0, line.indexOf(url)));
    const own = field === undefined ? 0 : field.kind === 'other' && field.spelling !== 'origin' ? 1 : 2;
    if (own <= rank) continue;
    rank = own;
    const kind = field?.kind ?? 'other';
    const rest = { url, cves: [...cves], ...(note === undefined ? {} : { note }) };
    best = { kind: picked && kind === 'other' ? 'upstream' : kind, spelling: field?.spelling ?? '', ...rest };
  }
  return best;
}

/** A patch without a usable link to where it came from. */
export interface PatchOriginFinding {
  readonly file: string;
  /**
   * `missing`: no link at all. `bare`: a link, and nothing says what it is. `changed`: called upstream's own, and is not.
   * `dead`: a link to a commit that the repository does not have, or not any more.
   */
  readonly rule: 'missing' | 'bare' | 'changed' | 'dead';
}

/** What is known of the places that links lead to. What is not given is not looked at. */
export interface KnownOrigins {
  /** The identity of the changes behind a link: a patch that is called upstream's and differs is a backport. */
  readonly upstreamChanges?: ((url: string) => string | undefined) | undefined;
  /** Whether a commit is there (`hasGitCommit` tells); undefined where nobody knows. */
  readonly hasCommit?: ((commit: string, url: string) => boolean | undefined) | undefined;
}

/** The commit that a link names (`…/commit/<hex>`, `…/c/<hex>`, `…?id=<hex>`), lower case; undefined when it names none. */
export function commitOfLink(url: string): string | undefined {
  const match = /(?:\/(?:commits?|c|\+)\/|[?&;](?:id|h)=)([0-9a-f]{7,64})(?![0-9a-z])/i.exec(url);
  return match?.[1]?.toLowerCase();
}

/** Which of the given patches lack a link, or have one that does not lead to them. One finding per patch, the first. */
export function lintPatchOrigins(
  patches: readonly {
    readonly file: string;
    readonly changes: string;
    readonly origin?: FoundPatchOrigin | undefined;
  }[],
  known: KnownOrigins = {},
): PatchOriginFinding[] {
  return patches.flatMap(({ file, changes, origin }): PatchOriginFinding[] => {
    if (!origin) return [{ file, rule: 'missing' }];
    if (origin.spelling === '') return [{ file, rule: 'bare' }];
    const commit = commitOfLink(origin.url);
    if (commit !== undefined && known.hasCommit?.(commit, origin.url) === false) return [{ file, rule: 'dead' }];
    const there = origin.kind === 'upstream' ? known.upstreamChanges?.(origin.url) : undefined;
    return there !== undefined && there !== changes ? [{ file, rule: 'changed' }] : [];
  });
}

function headerLines(origin: PatchOrigin): string[] {
  if (!/^https?:\/\/[^\s\u0000-\u001f\u007f]+$/.test(origin.url)) {
    throw new SourceError(
      { code: 'SOURCE_BAD_URL', text: origin.url, wanted: 'an http or https URL without blanks' },
      `patch origin: ${quote(origin.url, 200)} is no http or https URL`,
    );
  }
  const lines = [`Origin: ${origin.kind}, ${origin.url}`];
  if (origin.cves.length > 0) lines.push(`CVE: ${origin.cves.map(oneLine).join(', ')}`);
  if (origin.note) lines.push(`Note: ${oneLine(origin.note)}`);
  return lines;
}

/** A line break in a note would end the comment and begin a line of spec. */
function oneLine(text: string): string {
  return text.replace(/[\s\u0000-\u001f\u007f\u0085\u2028\u2029]+/g, ' ').trim();
}

function fieldOf(before: string): { kind: PatchOriginKind; spelling: string } | undefined {
  const text = before.trim().toLowerCase();
  const dep3 = /^origin:\s*(?:([a-z]+)\s*,)?/.exec(text);
  if (dep3) {
    const word = dep3[1] ?? 'other';
    return { kind: kinds.has(word) ? (word as PatchOriginKind) : 'other', spelling: 'origin' };
  }
  const spelling = text.replace(/[:\s]+$/, '').replace(/[\s_-]+/g, ' ');
  if (/^(ai )?backport(ed)?( of| from)?$/.test(spelling)) return { kind: 'backport', spelling };
  if (/^(upstream|upstream (patch )?(reference|commit|patch|link|url|pr)|commit|from upstream|from)$/.test(spelling)) {
    return { kind: 'upstream', spelling };
  }
  if (/^(applied upstream|cherry picked from( commit)?|backported from upstream)$/.test(spelling)) {
    return { kind: 'upstream', spelling };
  }
  if (
    /^(bug|bugzilla|forwarded|link|patch|source|reference|references|see|url|fixes|pr|pull request)$/.test(spelling)
  ) {
    return { kind: 'other', spelling };
  }
  return undefined;
}
