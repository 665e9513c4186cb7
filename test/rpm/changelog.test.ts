import { changelog, type HeaderEntry, readPackage } from '@distrokit/rpm';
import { expect, test } from 'vitest';
import { int32, mainEntries, packageBytes, strings } from '../fixtures/package-bytes.js';

const read = async (...entries: readonly HeaderEntry[]) =>
  changelog((await readPackage(packageBytes({ main: mainEntries(...entries) }))).header);

test('reads when, who and what, in stored order', async () => {
  const entries = await read(
    int32(1080, 1_700_000_000, 0),
    strings(1081, ['A <a@b> - 2-1', 'B <b@b> - 1-1']),
    strings(1082, ['- second\n- line', '']),
  );
  expect(entries).toEqual([
    { at: new Date('2023-11-14T22:13:20Z'), author: 'A <a@b> - 2-1', text: '- second\n- line' },
    { at: new Date(0), author: 'B <b@b> - 1-1', text: '' },
  ]);
});

test('is empty where there is none', async () => {
  expect(await read()).toEqual([]);
});

test('refuses arrays of different length, naming the one that differs', async () => {
  const noTexts = read(int32(1080, 1, 2), strings(1081, ['a', 'b']), strings(1082, ['x']));
  await expect(noTexts).rejects.toMatchObject({ code: 'RPM_BAD_HEADER', fault: { tag: 'CHANGELOGTEXT' } });
  const noAuthors = read(int32(1080, 1, 2), strings(1081, ['a']), strings(1082, ['x', 'y']));
  await expect(noAuthors).rejects.toMatchObject({ code: 'RPM_BAD_HEADER', fault: { tag: 'CHANGELOGNAME' } });
});
