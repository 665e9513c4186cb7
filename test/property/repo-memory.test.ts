import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

test('a repository several times as large as the heap is read, document beside document', () => {
  const script = fileURLToPath(new URL('./repo-large-repository.ts', import.meta.url));
  const heapMebibytes = 48;
  const found = JSON.parse(
    execFileSync(
      process.execPath,
      [`--max-old-space-size=${heapMebibytes}`, '--import', 'tsx', script, '40000', '90'],
      {
        encoding: 'utf8',
      },
    ),
  ) as { seen: number; paths: number; total: number };
  expect(found).toMatchObject({ seen: 40_000, paths: 3_600_000 });
  // Kept as objects these would need more than the text does: the heap would overflow many times.
  expect(found.total).toBeGreaterThan(4 * heapMebibytes * 1024 * 1024);
});
