/**
 * How long a fix took on its way to users, step by step: as data, and as a picture.
 */
import { escapeHtml } from './comparison-report.js';

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

/**
 * The timeline as a picture (SVG): one row per event with its date, a bar as long as the time since the first one, and that
 * time in words. No script, nothing from outside. A name that is too long is cut; the whole of it is in the row's title.
 */
export function timelineSvg(timeline: FixTimeline): string {
  const { events, totalMs } = timeline;
  const labels = events.map(({ who, what }) => `${shortened(who, 44 - what.length)}: ${what}`);
  const labelWidth = Math.min(360, Math.max(120, ...labels.map((label) => label.length * 8)));
  const dateX = margin + labelWidth + 16;
  const barX = dateX + 150;
  const barWidth = 420;
  const width = barX + barWidth + 130;
  const top = 76;
  const height = top + events.length * rowHeight + margin;
  const xOf = (ms: number): number => Math.round(barX + (totalMs === 0 ? 0 : (ms / totalMs) * barWidth));
  const grid = ticksOf(totalMs).map(
    (ms) =>
      `<line x1="${xOf(ms)}" y1="${top - 10}" x2="${xOf(ms)}" y2="${height - margin}" stroke="#d5d9de"/>` +
      `<text x="${xOf(ms)}" y="${top - 16}" font-size="11" fill="#5a6472" text-anchor="middle">${duration(ms)}</text>`,
  );
  const rows = events.map((event, i) => {
    const x = xOf(event.afterMs);
    const y = top + i * rowHeight + rowHeight / 2;
    const date = `${event.at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
    const label = escapeHtml(labels[i]!);
    const whole = escapeHtml(`${event.who}: ${event.what}`);
    return (
      `<g><title>${whole}, ${date}, ${duration(event.afterMs)}</title>` +
      // An inner picture clips what is too long for its column.
      `<svg x="${margin}" y="${y - rowHeight / 2}" width="${labelWidth}" height="${rowHeight}"><text y="${rowHeight / 2 + 5}">${label}</text></svg>` +
      `<text x="${dateX}" y="${y + 5}" font-size="12" fill="#5a6472">${date}</text>` +
      `<line x1="${barX}" y1="${y}" x2="${x}" y2="${y}" stroke="#3b6ea5" stroke-width="6"/>` +
      `<circle cx="${x}" cy="${y}" r="6" fill="#3b6ea5"/>` +
      `<text x="${x + 12}" y="${y + 5}" font-size="12">${duration(event.afterMs)}</text></g>`
    );
  });
  const count = events.length === 1 ? '1 event' : `${events.length} events`;
  const title = escapeHtml(`${timeline.cve}: ${count} in ${duration(totalMs)}`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" font-family="system-ui, sans-serif" font-size="14">
<title>${title}</title>
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="${margin}" y="32" font-size="18">${title}</text>
${[...grid, ...rows].join('\n')}
</svg>
`;
}

const margin = 16;
const rowHeight = 32;
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

/** What an event is says more than the end of a long name. */
function shortened(who: string, room: number): string {
  const letters = Array.from(who);
  return letters.length <= Math.max(8, room)
    ? who
    : `${letters
        .slice(0, Math.max(8, room) - 1)
        .join('')
        .trimEnd()}…`;
}

/** At most six round times, the first being 0. */
function ticksOf(totalMs: number): number[] {
  const steps = [1, 5, 15, 30]
    .map((n) => n * minute)
    .concat(
      [1, 3, 6, 12].map((n) => n * hour),
      [1, 2, 7, 14].map((n) => n * day),
    );
  const step = steps.find((ms) => totalMs / ms < 6) ?? Math.ceil(totalMs / 5 / (30 * day)) * 30 * day;
  return totalMs === 0 ? [] : Array.from({ length: Math.floor(totalMs / step) + 1 }, (_, i) => i * step);
}

/** `5 min`, `19 h 30 min`, `27 d 20 h`; what is finer is left out. */
function duration(ms: number): string {
  const minutes = Math.round(ms / minute);
  const parts =
    minutes < 60
      ? [[minutes, 'min']]
      : minutes < 48 * 60
        ? [
            [Math.floor(minutes / 60), 'h'],
            [minutes % 60, 'min'],
          ]
        : [
            [Math.floor(minutes / 1440), 'd'],
            [Math.floor((minutes % 1440) / 60), 'h'],
          ];
  return parts
    .filter(([value], i) => i === 0 || value !== 0)
    .map((part) => part.join(' '))
    .join(' ');
}
