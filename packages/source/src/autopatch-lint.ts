/**
 * What is doubtful in an autopatch document, told without a tree.
 *
 * Reference: AlmaLinux, autopatch-tool, docs/configuration.md; wiki, Packaging (suffix `.alma.N`)
 */
import type { AutopatchConfig } from './autopatch-config.js';

/** Something that may not do what its author meant. */
export interface AutopatchFinding {
  /** Where in the document: `actions[1].replace[0]`. */
  readonly where: string;
  /** Stable word to match on. */
  readonly rule:
    | 'bad-pattern'
    | 'finds-itself'
    | 'count-per-line'
    | 'changes-nothing'
    | 'number-twice'
    | 'name-twice'
    | 'no-origin'
    | 'suffix-form'
    | 'increment-without-number'
    | 'changelog-before-release'
    | 'unknown-section'
    | 'name-is-a-pattern'
    | 'runs-a-script';
  readonly message: string;
}

const knownSections = new Set(
  (
    'global description prep build install check clean files changelog pre post preun postun package triggerin ' +
    'triggerun triggerpostun verifyscript pretrans posttrans'
  ).split(' '),
);

/** Findings in the order of the document; empty when there is nothing to say. Never throws. */
export function lintAutopatch(config: AutopatchConfig): AutopatchFinding[] {
  const findings: AutopatchFinding[] = [];
  const numbers = new Map<string, string>();
  const names = new Set<string>();
  let suffixed = false;
  const releases = config.actions.some((action) => action.name === 'modify_release');
  for (const [index, action] of config.actions.entries()) {
    for (const [i, entry] of action.entries.entries()) {
      const where = `actions[${index}].${action.name}[${i}]`;
      const say = (rule: AutopatchFinding['rule'], message: string): void => {
        findings.push({ where, rule, message });
      };
      if ('replace' in entry) {
        const { find, rfind, replace, count } = entry;
        if (rfind !== undefined && !isPattern(rfind)) say('bad-pattern', 'rfind is no regular expression');
        if (find !== undefined && find === replace) say('changes-nothing', 'find and replace are the same');
        else if (find !== undefined && replace.includes(find) && count < 0 && !find.includes('\n')) {
          say('finds-itself', 'the replacement contains what is looked for: applied twice, it changes twice');
        }
        if (rfind !== undefined && count > 0)
          say('count-per-line', 'the original counts a pattern per line, not per file');
      } else if ('suffix' in entry) {
        if (entry.enabled) suffixed = true;
        if (!/^\.[A-Za-z]+\.\d+$/.test(entry.suffix)) say('suffix-form', 'a suffix is usually like .alma.1');
        if (entry.auto_increment && !/\d$/.test(entry.suffix)) {
          say('increment-without-number', 'auto_increment needs a suffix that ends in a number');
        }
      } else if ('email' in entry) {
        if (releases && !suffixed)
          say('changelog-before-release', 'the entry is written with the release before its suffix');
      } else if ('type' in entry) {
        const key = `${entry.type} ${entry.number}`;
        if (entry.number !== 'Latest' && numbers.has(key)) say('number-twice', `${key} is also at ${numbers.get(key)}`);
        if (names.has(entry.name)) say('name-twice', `${entry.name} is added twice`);
        if (entry.type === 'patch' && entry.origin?.url === undefined)
          say('no-origin', 'nothing says where the patch came from');
        numbers.set(key, where);
        names.add(entry.name);
      } else if ('file_name' in entry) {
        if (/[+()[\]{}^$|\\]/.test(entry.file_name)) {
          say('name-is-a-pattern', 'the original takes the name for a regular expression in the list of blobs');
        }
      } else if ('section' in entry) {
        if (!knownSections.has(entry.section.replace(/^%/, '')))
          say('unknown-section', 'the original knows no such section');
      } else if ('script' in entry) say('runs-a-script', 'what a script changes cannot be told beforehand');
    }
  }
  return findings;
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text.replace(/\(\?P</g, '(?<')) instanceof RegExp;
  } catch {
    return false;
  }
}
