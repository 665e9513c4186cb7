/**
 * Who carries the fix of a CVE, since when and under which name; and how long each step to the users took.
 */
import { escapeHtml } from './comparison-report.js';
import type { SourceDescription } from './describe-source.js';
import type { FoundPatchOrigin } from './patch-origin.js';

/** What one source has about a CVE. */
export interface FoundFix {
  readonly label: string;
  /** Whether a patch or a changelog entry names it. Nothing named is no proof that nothing is fixed. */
  readonly carries: boolean;
  readonly patches: readonly {
    readonly file: string;
    readonly number: number;
    readonly origin?: FoundPatchOrigin | undefined;
  }[];
  /** Heading of the oldest changelog entry that names it. */
  readonly since?: string | undefined;
  /** The patch's file in other sources that carries the same changes without naming the CVE. */
  readonly sameChangeAs?: string | undefined;
}

/** Looks for a CVE in several sources. A patch that is elsewhere known to fix it counts under any name. Pure. */
export function findFix(cve: string, sources: readonly SourceDescription[]): FoundFix[] {
  const wanted = cve.toUpperCase();
  const known = new Map<string, string>();
  for (const source of sources) {
    for (const patch of source.patches) {
      if (patch.cves.includes(wanted)) known.set(patch.identity.changes, `${source.label}: ${patch.file}`);
    }
  }
  return sources.map((source) => {
    const named = source.patches.filter((patch) => patch.cves.includes(wanted));
    const same = source.patches.filter((patch) => !named.includes(patch) && known.has(patch.identity.changes));
    const since = source.changelog.findLast((entry) => entry.cves.includes(wanted))?.heading;
    const patches = [...named, ...same].map(({ file, number, origin }) =>
      origin ? { file, number, origin } : { file, number },
    );
    const found: FoundFix = { label: source.label, carries: patches.length > 0 || since !== undefined, patches };
    const elsewhere = named.length === 0 && same[0] ? known.get(same[0].identity.changes) : undefined;
    return {
      ...found,
      ...(since === undefined ? {} : { since }),
      ...(elsewhere === undefined ? {} : { sameChangeAs: elsewhere }),
    };
  });
}

/** Something that happened on a fix's way to users. */
export interface FixEvent {
  readonly at: Date;
  /** Who: `upstream`, `CentOS Stream 9`, `own build`. */
  readonly who: string;
  /** What: `fixed`, `published`, `released`. */
  readonly what: string;
  readonly url?: string | undefined;
}

/** The way of one fix, in order of time. */
export interface FixTimeline {
  readonly cve: string;
  /** Each with the time since the first event. */
  readonly events: readonly (FixEvent & { readonly afterMs: number })[];
  /** From the first event to the last. */
  readonly totalMs: number;
}

/** Puts events in order and measures them. Throws RangeError for an invalid date. */
export function fixTimeline(cve: string, events: readonly FixEvent[]): FixTimeline {
  if (events.some((event) => Number.isNaN(event.at.getTime()))) throw new RangeError('"events" must have valid dates');
  const sorted = [...events].sort((a, b) => a.at.getTime() - b.at.getTime());
  const start = sorted[0]?.at.getTime() ?? 0;
  const measured = sorted.map((event) => ({ ...event, afterMs: event.at.getTime() - start }));
  return { cve, events: measured, totalMs: measured.at(-1)?.afterMs ?? 0 };
}

/** The timeline as a picture: one row per event, placed by time, without script or anything from outside. */
export function timelineSvg(timeline: FixTimeline): string {
  const rowHeight = 36;
  const left = 250;
  const width = 960;
  const height = 60 + timeline.events.length * rowHeight;
  const scale = timeline.totalMs === 0 ? 0 : (width - left - 160) / timeline.totalMs;
  const rows = timeline.events.map((event, i) => {
    const x = Math.round(left + event.afterMs * scale);
    const y = 60 + i * rowHeight;
    const label = `${event.at.toISOString().slice(0, 16).replace('T', ' ')} UTC, ${duration(event.afterMs)}`;
    return (
      `<text x="${left - 16}" y="${y + 5}" text-anchor="end">${escapeHtml(event.who)}: ${escapeHtml(event.what)}</text>` +
      `<line x1="${left}" y1="${y}" x2="${x}" y2="${y}" stroke="#3b6ea5" stroke-width="6"/>` +
      `<circle cx="${x}" cy="${y}" r="6" fill="#3b6ea5"><title>${escapeHtml(label)}</title></circle>` +
      `<text x="${x + 12}" y="${y + 5}" font-size="12">${escapeHtml(duration(event.afterMs))}</text>`
    );
  });
  const title = `${timeline.cve}: ${timeline.events.length} events in ${duration(timeline.totalMs)}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="system-ui, sans-serif" font-size="14">
<title>${escapeHtml(title)}</title>
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="16" y="28" font-size="18">${escapeHtml(title)}</text>
${rows.join('\n')}
</svg>
`;
}

function duration(ms: number): string {
  const hours = Math.round(ms / 3_600_000);
  if (hours < 48) return `${hours} h`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
