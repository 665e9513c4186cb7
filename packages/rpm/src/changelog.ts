/**
 * The changelog: when, who, what; newest first, as packages store it.
 *
 * Reference: rpm, docs/manual/tags.md (CHANGELOGTIME, CHANGELOGNAME, CHANGELOGTEXT)
 */
import { RpmError } from './errors.js';
import type { Header } from './header.js';
import type { MainTags } from './tags.js';

/** One entry of a changelog. */
export interface ChangelogEntry {
  /** rpmbuild sets noon UTC of the day in the spec. */
  readonly at: Date;
  /** As written after the date: by custom `Name <address> - version-release`. */
  readonly author: string;
  readonly text: string;
}

/** The changelog in stored order, by custom the newest first. Throws RPM_BAD_HEADER when its arrays differ in length. */
export function changelog(header: Header<MainTags>): readonly ChangelogEntry[] {
  const times = header.get('CHANGELOGTIME') ?? [];
  const authors = header.get('CHANGELOGNAME') ?? [];
  const texts = header.get('CHANGELOGTEXT') ?? [];
  if (authors.length !== times.length || texts.length !== times.length) {
    const tag = authors.length === times.length ? 'CHANGELOGTEXT' : 'CHANGELOGNAME';
    const found = String(authors.length === times.length ? texts.length : authors.length);
    throw new RpmError(
      { code: 'RPM_BAD_HEADER', tag, wanted: `${times.length} values`, found },
      `header: ${times.length} values of ${tag} wanted, one for each CHANGELOGTIME, found ${found}`,
    );
  }
  return times.map((time, i) => ({
    at: new Date(time * 1000),
    author: authors[i] as string,
    text: texts[i] as string,
  }));
}
