/**
 * Scripts that run on install and erase: a package's own scriptlets, triggers on other packages, triggers on files.
 *
 * Reference: rpm, docs/manual/triggers.md, file_triggers.md, tags.md; lib/rpmscript.cc, lib/rpmtriggers.cc
 */
import { type Dependency, dependencyFlags, dependencyTriplets, type TagOf } from './dependency.js';
import { RpmError } from './errors.js';
import type { Header } from './header.js';
import type { MainTags } from './tags.js';

/** When a scriptlet runs; the words of spec files, and `verify` for `%verifyscript`. */
export type ScriptletKind =
  | 'pretrans'
  | 'pre'
  | 'post'
  | 'preun'
  | 'postun'
  | 'posttrans'
  | 'preuntrans'
  | 'postuntrans'
  | 'verify';

/** How rpm treats a script. */
export interface ScriptFlags {
  /** The body is expanded as macros when it runs (`-e`). */
  readonly expand: boolean;
  /** The body is a query format, expanded when it runs (`-q`). */
  readonly queryFormat: boolean;
  /** Its failure fails the operation. */
  readonly critical: boolean;
}

/** One of the package's own scriptlets. */
export interface Scriptlet {
  readonly kind: ScriptletKind;
  /** Program and arguments; `['<lua>']` is rpm's own interpreter. */
  readonly interpreter: readonly string[];
  /** Absent when the interpreter alone does the work, as in `%post -p /sbin/ldconfig`. */
  readonly body?: string;
  readonly flags: ScriptFlags;
}

/** What fires a trigger. `transaction file` triggers run once per transaction. */
export type TriggerFamily = 'package' | 'file' | 'transaction file';

/** When a trigger runs: before or after the other package's install, or its erase. */
export type TriggerEvent = 'prein' | 'in' | 'un' | 'postun';

/** One trigger: a script and what fires it. */
export interface Trigger {
  readonly family: TriggerFamily;
  readonly event: TriggerEvent;
  /** Program and arguments. */
  readonly interpreter: readonly string[];
  readonly body: string;
  readonly flags: ScriptFlags;
  /** File triggers of a higher priority run first. Absent for package triggers. */
  readonly priority?: number;
  /** Packages with an EVR range, or path prefixes: any one of them fires the trigger. */
  readonly conditions: readonly Dependency[];
}

/** The package's own scriptlets, in the order of `ScriptletKind`. */
export function scriptlets(header: Header<MainTags>): readonly Scriptlet[] {
  const found: Scriptlet[] = [];
  for (const [kind, tags] of scriptletKinds) {
    const body = header.get(tags.body);
    const program = header.get(tags.program);
    if (body === undefined && program === undefined) continue;
    const flags = scriptFlags(header.get(tags.flags) ?? 0);
    const interpreter = program ?? defaultInterpreter;
    found.push(body === undefined ? { kind, interpreter, flags } : { kind, interpreter, body, flags });
  }
  return found;
}

/**
 * Triggers of all three families, by family, then in the order of their scripts.
 *
 * Throws RPM_BAD_SCRIPTLET when a condition points at no script, a script has no condition, or arrays differ in length.
 */
export function triggers(header: Header<MainTags>): readonly Trigger[] {
  return triggerFamilies.flatMap((family) => familyTriggers(header, family));
}

/** Tags of each scriptlet kind; shared with the writer. */
export const scriptletTags: Readonly<Record<ScriptletKind, ScriptletTags>> = {
  pretrans: { body: 'PRETRANS', program: 'PRETRANSPROG', flags: 'PRETRANSFLAGS' },
  pre: { body: 'PREIN', program: 'PREINPROG', flags: 'PREINFLAGS' },
  post: { body: 'POSTIN', program: 'POSTINPROG', flags: 'POSTINFLAGS' },
  preun: { body: 'PREUN', program: 'PREUNPROG', flags: 'PREUNFLAGS' },
  postun: { body: 'POSTUN', program: 'POSTUNPROG', flags: 'POSTUNFLAGS' },
  posttrans: { body: 'POSTTRANS', program: 'POSTTRANSPROG', flags: 'POSTTRANSFLAGS' },
  preuntrans: { body: 'PREUNTRANS', program: 'PREUNTRANSPROG', flags: 'PREUNTRANSFLAGS' },
  postuntrans: { body: 'POSTUNTRANS', program: 'POSTUNTRANSPROG', flags: 'POSTUNTRANSFLAGS' },
  verify: { body: 'VERIFYSCRIPT', program: 'VERIFYSCRIPTPROG', flags: 'VERIFYSCRIPTFLAGS' },
};

/** The three tags of one scriptlet kind. */
export interface ScriptletTags {
  readonly body: TagOf<string>;
  readonly program: TagOf<readonly string[]>;
  readonly flags: TagOf<number>;
}

/** Tags of each trigger family; shared with the writer. */
export const triggerTags: Readonly<Record<TriggerFamily, TriggerTags>> = {
  package: {
    scripts: 'TRIGGERSCRIPTS',
    program: 'TRIGGERSCRIPTPROG',
    flags: 'TRIGGERSCRIPTFLAGS',
    name: 'TRIGGERNAME',
    version: 'TRIGGERVERSION',
    sense: 'TRIGGERFLAGS',
    index: 'TRIGGERINDEX',
  },
  file: {
    scripts: 'FILETRIGGERSCRIPTS',
    program: 'FILETRIGGERSCRIPTPROG',
    flags: 'FILETRIGGERSCRIPTFLAGS',
    name: 'FILETRIGGERNAME',
    version: 'FILETRIGGERVERSION',
    sense: 'FILETRIGGERFLAGS',
    index: 'FILETRIGGERINDEX',
    priority: 'FILETRIGGERPRIORITIES',
  },
  'transaction file': {
    scripts: 'TRANSFILETRIGGERSCRIPTS',
    program: 'TRANSFILETRIGGERSCRIPTPROG',
    flags: 'TRANSFILETRIGGERSCRIPTFLAGS',
    name: 'TRANSFILETRIGGERNAME',
    version: 'TRANSFILETRIGGERVERSION',
    sense: 'TRANSFILETRIGGERFLAGS',
    index: 'TRANSFILETRIGGERINDEX',
    priority: 'TRANSFILETRIGGERPRIORITIES',
  },
};

/** The tags of one trigger family. */
export interface TriggerTags {
  readonly scripts: TagOf<readonly string[]>;
  readonly program: TagOf<readonly string[]>;
  readonly flags: TagOf<readonly number[]>;
  readonly name: TagOf<readonly string[]>;
  readonly version: TagOf<readonly string[]>;
  readonly sense: TagOf<readonly number[]>;
  readonly index: TagOf<readonly number[]>;
  readonly priority?: TagOf<readonly number[]>;
}

/** Bits of a script's flag word. */
export const scriptFlagBits = { expand: 1, queryFormat: 2, critical: 4 } as const;

/** The sense bit of each trigger event. */
export const triggerEventBits: Readonly<Record<TriggerEvent, number>> = {
  prein: dependencyFlags.triggerPrein,
  in: dependencyFlags.triggerIn,
  un: dependencyFlags.triggerUn,
  postun: dependencyFlags.triggerPostun,
};

/** What rpm runs a script with when the header names nothing. */
const defaultInterpreter: readonly string[] = ['/bin/sh'];
const scriptletKinds = Object.entries(scriptletTags) as [ScriptletKind, ScriptletTags][];
const triggerFamilies = Object.keys(triggerTags) as TriggerFamily[];

function scriptFlags(bits: number): ScriptFlags {
  return {
    expand: (bits & scriptFlagBits.expand) !== 0,
    queryFormat: (bits & scriptFlagBits.queryFormat) !== 0,
    critical: (bits & scriptFlagBits.critical) !== 0,
  };
}

function familyTriggers(header: Header<MainTags>, family: TriggerFamily): Trigger[] {
  const tags: TriggerTags = triggerTags[family];
  const scripts = header.get(tags.scripts);
  if (scripts === undefined) return [];
  const conditions = dependencyTriplets(header, tags.name, tags.sense, tags.version);
  const indexes = header.get(tags.index) ?? [];
  if (indexes.length !== conditions.length) {
    throw badTrigger(tags.index, `${conditions.length} values`, String(indexes.length));
  }
  const byScript = scripts.map((): Dependency[] => []);
  for (const [i, condition] of conditions.entries()) {
    const index = indexes[i] as number;
    const list = byScript[index];
    if (list === undefined) throw badTrigger(tags.index, `an index below ${scripts.length}`, String(index));
    list.push(condition);
  }
  const programs = header.get(tags.program);
  const flags = header.get(tags.flags);
  const priorities = tags.priority === undefined ? undefined : header.get(tags.priority);
  for (const [tag, values] of [
    [tags.program, programs],
    [tags.flags, flags],
    [tags.priority ?? '', priorities],
  ] as const) {
    if (values !== undefined && values.length !== scripts.length) {
      throw badTrigger(tag, `${scripts.length} values`, String(values.length));
    }
  }
  return scripts.map((body, i) => {
    const list = byScript[i] as Dependency[];
    const first = list[0];
    if (first === undefined) throw badTrigger(tags.index, `a condition for script ${i}`, 'none');
    const event = eventOf(first.flags);
    if (event === undefined) throw badTrigger(tags.sense, 'a trigger event', String(first.flags));
    const program = programs?.[i];
    const priority = priorities?.[i];
    return {
      family,
      event,
      interpreter: program === undefined ? defaultInterpreter : [program],
      body,
      flags: scriptFlags(flags?.[i] ?? 0),
      ...(priority === undefined ? {} : { priority }),
      conditions: list,
    };
  });
}

function eventOf(sense: number): TriggerEvent | undefined {
  return (Object.keys(triggerEventBits) as TriggerEvent[]).find((event) => (sense & triggerEventBits[event]) !== 0);
}

function badTrigger(tag: string, wanted: string, found: string): RpmError {
  return new RpmError(
    { code: 'RPM_BAD_SCRIPTLET', tag, wanted, found },
    `header: ${tag}: ${wanted} wanted, found ${found}`,
  );
}
