/** Reports and pictures of sources as a real browser lays them out: nothing is cut off, and nothing runs. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  compareSources,
  comparisonHtml,
  describeSource,
  fixTimeline,
  readSourceTree,
  type SourceDescription,
  timelineSvg,
} from '@distrokit/source';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';

let browser: Browser;
let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'source-report-'));
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', ...quiet],
  });
});
afterAll(async () => {
  await browser.close();
  rmSync(root, { recursive: true, force: true });
});

async function show(html: string, width: number): Promise<Page> {
  const page = await browser.newPage({ viewport: { width, height: 800 } });
  await page.setContent(html);
  return page;
}

interface Box {
  readonly text: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}
/** Where each text is drawn, cut to what is seen of it. */
async function textBoxes(page: Page): Promise<readonly Box[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll('text')].map((element) => {
      const { left, right, top, bottom } = element.getBoundingClientRect();
      // An inner picture shows nothing beyond its own width.
      const inner = element.ownerSVGElement!;
      const outer = inner.ownerSVGElement;
      const limit = outer
        ? outer.getBoundingClientRect().left + inner.x.baseVal.value + inner.width.baseVal.value
        : Number.POSITIVE_INFINITY;
      return { text: element.textContent ?? '', left, right: Math.min(right, limit), top, bottom };
    }),
  );
}

const at = (text: string): Date => new Date(`${text}Z`);
const event = (time: string, who: string, what: string) => ({ at: at(time), who, what });
const timelines = {
  'weeks between events': [
    event('2023-07-24T14:00:00', 'upstream linux-firmware', 'published'),
    event('2023-07-25T08:00:00', 'CentOS Stream 9', 'published'),
    event('2023-07-26T20:00:00', 'own build', 'released'),
    event('2023-08-21T10:00:00', 'Red Hat Enterprise Linux 9', 'released'),
  ],
  'minutes between events': [
    event('2026-04-29T10:00:00', 'a very long name of a project that nobody shortened in time', 'disclosed'),
    event('2026-04-29T10:05:00', 'WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW', 'released'),
  ],
  'years between events': [
    event('2019-01-01T00:00:00', '上流のプロジェクト', '修正'),
    event('2026-01-01T00:00:00', 'own build', 'released'),
  ],
  'one event': [event('2026-01-01T00:00:00', 'upstream', 'fixed')],
};
for (const [what, events] of Object.entries(timelines)) {
  test(`a timeline with ${what} is drawn inside its picture, no text over another`, async () => {
    const page = await show(timelineSvg(fixTimeline('CVE-2023-20593', events)), 1400);
    const picture = await page.evaluate(() => document.querySelector('svg')!.getBoundingClientRect().toJSON());
    const boxes = await textBoxes(page);
    for (const { what: word } of events) expect(boxes.map(({ text }) => text).join('\n')).toContain(word);
    for (const box of boxes) {
      expect(box.left, box.text).toBeGreaterThanOrEqual(picture.left);
      expect(box.right, box.text).toBeLessThanOrEqual(picture.right);
      expect(box.bottom, box.text).toBeLessThanOrEqual(picture.bottom);
      const over = boxes.filter(
        (other) =>
          other !== box &&
          other.left < box.right &&
          box.left < other.right &&
          other.top < box.bottom &&
          box.top < other.bottom,
      );
      expect(
        over.map(({ text }) => text),
        box.text,
      ).toEqual([]);
    }
    await page.close();
  });
}

async function described(label: string, patch: string, more: string): Promise<SourceDescription> {
  const directory = mkdtempSync(join(root, 'tree-'));
  const spec = `Name: x\nVersion: 1\nRelease: 1\nPatch1: ${patch}\n${more}\n%changelog\n* Mon Jan 01 2024 A <a@b> - 1\n- ${label}\n`;
  writeFileSync(join(directory, 'x.spec'), spec);
  writeFileSync(join(directory, patch), '--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n');
  const tree = await readSourceTree(directory, { origin: { kind: 'directory', where: 'x', terms: 'own' }, ref: 'x' });
  return describeSource(tree, { label });
}

for (const width of [1280, 400]) {
  test(`a comparison is read without scrolling sideways in a window of ${width} pixels, and runs nothing`, async () => {
    const hostile = '<img src=x onerror="globalThis.ran = true"><script>globalThis.ran = true</script>';
    const a = await described('CentOS Stream 9', 'short.patch', '# a comment');
    const b = await described(hostile, `${'long-'.repeat(40)}name.patch`, `# ${'x'.repeat(300)} ${hostile}`);
    const page = await show(comparisonHtml(compareSources(a, b)), width);
    const seen = await page.evaluate(() => ({
      page: document.documentElement.scrollWidth,
      window: document.documentElement.clientWidth,
      ran: 'ran' in globalThis,
      elements: document.querySelectorAll('img, script').length,
      added: [...document.querySelectorAll('ins')].map((line) => line.textContent),
      removed: [...document.querySelectorAll('del')].map((line) => line.textContent),
    }));
    expect(seen.page).toBeLessThanOrEqual(seen.window);
    expect([seen.ran, seen.elements]).toEqual([false, 0]);
    expect(seen.removed).toEqual(['-Patch1: short.patch', '-# a comment', '-- CentOS Stream 9']);
    expect(seen.added).toHaveLength(3);
    expect(seen.added.at(-1)).toBe(`+- ${hostile}`);
    await page.close();
  });
}
