/**
 * Why a build failed, read from its log.
 *
 * The class decides what happens next: a compile error is for the packager, a full disk or a lost
 * mirror is for the machine and worth another attempt. Rules are tried in order, from the cause to
 * the consequence: rpmbuild ends nearly every log with `Bad exit status`, so that one comes last. What a
 * section of the spec prints is not rpmbuild's word, so most rules count only when no section failed.
 *
 * Reference: rpm, build/*.cc (message texts); dnf; mock
 */

/** What kind of failure a log shows. `unknown` when no rule fits. */
export type FailureClass =
  | 'arch-excluded'
  | 'missing-build-requires'
  | 'missing-source'
  | 'patch-failed'
  | 'bad-spec'
  | 'changelog-order'
  | 'prep-failed'
  | 'generate-buildrequires-failed'
  | 'build-failed'
  | 'install-failed'
  | 'check-failed'
  | 'missing-files'
  | 'unpackaged-files'
  | 'bad-package-content'
  | 'repository-unavailable'
  | 'out-of-disk'
  | 'out-of-memory'
  | 'hang-up'
  | 'timeout'
  | 'lost-worker'
  | 'unknown';

/** The class of a failure, and the line that shows it. */
export interface Failure {
  readonly failureClass: FailureClass;
  /** The first line that the deciding rule matched; absent for `unknown`. */
  readonly line?: string;
  /** True when the same attempt may succeed later or elsewhere with nothing changed in the source. */
  readonly retriable: boolean;
}

interface Rule {
  readonly failureClass: FailureClass;
  readonly pattern: RegExp;
  /** The failed sections that this can be the cause of. Without it, the rule only counts when no section failed. */
  readonly explains?: 'any' | FailureClass;
}

const sectionClasses: Readonly<Record<string, FailureClass>> = {
  prep: 'prep-failed',
  generate_buildrequires: 'generate-buildrequires-failed',
  build: 'build-failed',
  install: 'install-failed',
  check: 'check-failed',
};

const rules: readonly Rule[] = [
  {
    failureClass: 'out-of-disk',
    explains: 'any',
    // rpm loses the reason of a write that fails while it unpacks, and says "No such file or directory" instead.
    pattern:
      /No space left on device|cpio: write failed|Disk quota exceeded|needs [\d.]+ ?[KMG]?B? (?:more )?(?:space )?on the .* filesystem|At least [\d.]+ ?[KMG]?B more space needed/,
  },
  {
    failureClass: 'out-of-memory',
    explains: 'any',
    pattern:
      /virtual memory exhausted|Cannot allocate memory|fatal error: Killed signal terminated program|std::bad_alloc|\b[Oo]ut of memory\b/,
  },
  { failureClass: 'hang-up', explains: 'any', pattern: /\bHangup\b|killed by signal(?: |: )?(?:1\b|SIGHUP)/ },
  {
    failureClass: 'repository-unavailable',
    explains: 'any',
    pattern:
      /Failed to download metadata for repo|Cannot download repomd\.xml|Curl error \(\d+\)|No more mirrors to try|Failed to synchronize cache for repo|Status code: 5\d\d for /,
  },
  {
    failureClass: 'arch-excluded',
    pattern: /Architecture is (?:not included|excluded)|No compatible architectures found/,
  },
  {
    failureClass: 'missing-build-requires',
    pattern:
      /Failed build dependencies:|^\s+\S.* is needed by \S+|No matching package to install|nothing provides .* needed by|Unable to find a match: |No package .* available/,
  },
  {
    failureClass: 'missing-source',
    explains: 'prep-failed',
    pattern:
      /Bad file: .*: No such file or directory|Bad source: .*: No such file or directory|Unable to open .*\.(?:patch|diff): /,
  },
  { failureClass: 'changelog-order', pattern: /%changelog not in descending chronological order/ },
  {
    failureClass: 'patch-failed',
    explains: 'prep-failed',
    pattern:
      /^\d+ out of \d+ hunks? (?:FAILED|ignored)|^error: patch failed: |malformed patch at line|Only garbage was found in the patch input/,
  },
  {
    failureClass: 'unpackaged-files',
    pattern: /Installed \(but unpackaged\) file\(s\) found/,
  },
  {
    failureClass: 'missing-files',
    pattern: /^error: (?:File|Directory) not found(?: by glob)?: |^\s+(?:File|Directory) not found(?: by glob)?: /,
  },
  {
    failureClass: 'bad-package-content',
    explains: 'install-failed',
    pattern:
      /Arch dependent binaries in noarch package|binaries in noarch package|Found '.*' in installed files; aborting|ERROR\s+0001: |check_files|Dependency tokens must begin|^error: Missing build-id|Duplicate build-ids/,
  },
  {
    failureClass: 'bad-spec',
    pattern:
      /^error: (?:line \d+: |.*: line \d+: |query of specfile|parse of spec|.* field must be present|Unknown tag|Unclosed|.*Package has no %description|Name field|Macro %)|^error: Bad exit status .*\(%\{?shell/,
  },
];

const anyRule = new RegExp(rules.map((rule) => rule.pattern.source).join('|'));

const badExit = /^(?:error: )?Bad exit status from \S+ \(%(\w+)\)/;

const retriableClasses: ReadonlySet<FailureClass> = new Set<FailureClass>([
  'out-of-disk',
  'out-of-memory',
  'hang-up',
  'repository-unavailable',
  'timeout',
  'lost-worker',
]);

/** True for failures that belong to the machine or the moment, not to the source. */
export function isRetriable(failureClass: FailureClass): boolean {
  return retriableClasses.has(failureClass);
}

/**
 * The class of a failed build from its log. Pure; looks at every line once per rule.
 *
 * Does not look for success: hand it the log of a build that failed.
 */
export function classifyBuildLog(lines: Iterable<string>): Failure {
  const classifier = new BuildLogClassifier();
  for (const line of lines) classifier.add(line);
  return classifier.failure();
}

/** The same, fed line by line while a build runs. Memory does not grow with the log. */
export class BuildLogClassifier {
  readonly #first = new Map<number, string>();
  #section: { readonly failureClass: FailureClass; readonly line: string } | undefined;

  /** Takes the next line of the log. */
  add(line: string): void {
    const cut = line.length > 2_000 ? line.slice(0, 2_000) : line;
    const section = badExit.exec(cut)?.[1];
    if (section !== undefined) {
      this.#section ??= { failureClass: sectionClasses[section] ?? 'unknown', line: cut };
      return;
    }
    // One expression for the common case: a line that says nothing.
    if (!anyRule.test(cut)) return;
    for (const [index, rule] of rules.entries()) {
      if (!this.#first.has(index) && rule.pattern.test(cut)) this.#first.set(index, cut);
    }
  }

  /** The verdict over the lines so far. */
  failure(): Failure {
    const section = this.#section;
    for (const [index, rule] of rules.entries()) {
      const line = this.#first.get(index);
      const counts = section === undefined || rule.explains === 'any' || rule.explains === section.failureClass;
      if (line !== undefined && counts) {
        return { failureClass: rule.failureClass, line, retriable: isRetriable(rule.failureClass) };
      }
    }
    if (section !== undefined) return { ...section, retriable: false };
    return { failureClass: 'unknown', retriable: false };
  }
}
