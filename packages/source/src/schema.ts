/**
 * Data from outside against the shape it must have: the only file that knows the schema library.
 */
import { z } from 'zod';
import { SourceError } from './errors.js';

export { z };

/** The value in the schema's shape. Throws SOURCE_BAD_CONFIG with the place, `where` and the path below it. */
export function checkShape<Output>(schema: z.ZodType<Output>, value: unknown, where: string): Output {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('') ?? '';
  throw badConfig(where + path, issue?.message ?? 'another value', 'what does not fit');
}

/** The error for a file of edits, rules or policy; `where` is the place in it. */
export function badConfig(where: string, wanted: string, found: string): SourceError {
  return new SourceError(
    { code: 'SOURCE_BAD_CONFIG', where, wanted, found },
    `configuration, ${where}: wanted ${wanted}, found ${JSON.stringify(found.slice(0, 200))}`,
  );
}
