/**
 * Which bytes may be published: rules over where they came from and under which terms they were obtained.
 *
 * A policy is data. Rules are read from top to bottom, the first that fits a file decides; what no rule fits is denied
 * unless the policy says otherwise. Bytes of unknown terms, and bytes obtained under a subscription, are denied by
 * default: a distribution must be able to show that nothing came from where it may not come from.
 */
import { quote } from '@distrokit/rpm';
import { SourceError } from './errors.js';
import type { Origin, SourceTree, Terms } from './origin.js';
import { checkShape, z } from './schema.js';

/** What a rule looks at; every field that is given must fit. `*` stands for any text within a field. */
export interface PolicyMatch {
  readonly kind?: Origin['kind'] | undefined;
  readonly terms?: Terms | undefined;
  /** Host name of an origin's URL, `*.example.org` for all below one. */
  readonly host?: string | undefined;
  readonly distribution?: string | undefined;
  /** Licence of the package, as the spec's tag says it. */
  readonly licence?: string | undefined;
  /** Path of the file in its tree. */
  readonly path?: string | undefined;
}

/** One rule. */
export interface PolicyRule {
  readonly name: string;
  readonly action: 'allow' | 'deny';
  readonly match: PolicyMatch;
}

/** Rules in order, and what holds where none fits. */
export interface SourcePolicy {
  readonly rules: readonly PolicyRule[];
  readonly otherwise: 'allow' | 'deny';
}

/** Something that is judged: an origin, and what is known around it. */
export interface PolicySubject {
  readonly origin: Origin;
  readonly licence?: string | undefined;
  readonly path?: string | undefined;
}

/** The answer for one subject. */
export interface PolicyVerdict {
  readonly allowed: boolean;
  /** Name of the rule that decided, `otherwise` when none fitted. */
  readonly rule: string;
}

/** What a policy says about every file of a tree. */
export interface PolicyReport {
  /** Every file allowed, and at least one file. An empty tree is not ok. */
  readonly ok: boolean;
  readonly denied: readonly { readonly path: string; readonly origin: Origin; readonly rule: string }[];
}

/** Denies what came under a subscription or from nobody knows where; allows what is public or made here. */
export const defaultPolicy: SourcePolicy = {
  rules: [
    { name: 'nothing from behind a subscription', action: 'deny', match: { terms: 'subscription' } },
    { name: 'nothing of unknown terms', action: 'deny', match: { terms: 'unknown' } },
    { name: 'public', action: 'allow', match: { terms: 'public' } },
    { name: 'made here', action: 'allow', match: { terms: 'own' } },
  ],
  otherwise: 'deny',
};

const text = z.string().min(1).max(500);
const schema = z.strictObject({
  rules: z
    .array(
      z.strictObject({
        name: text,
        action: z.enum(['allow', 'deny']),
        match: z
          .strictObject({
            kind: z
              .enum(['dist-git', 'lookaside', 'srpm', 'srpm-repository', 'upstream', 'modification', 'directory'])
              .optional(),
            terms: z.enum(['public', 'own', 'subscription', 'unknown']).optional(),
            host: text.optional(),
            distribution: text.optional(),
            licence: text.optional(),
            path: text.optional(),
          })
          .refine((match) => Object.keys(match).length > 0, 'at least one field'),
      }),
    )
    .max(10_000),
  otherwise: z.enum(['allow', 'deny']).default('deny'),
});

/** Checks a policy that was read from JSON or YAML. Throws SOURCE_BAD_CONFIG with the place that does not fit. */
export function parsePolicy(value: unknown): SourcePolicy {
  return checkShape(schema, value, 'policy');
}

/** What a policy says about one origin. Pure. */
export function evaluatePolicy(subject: PolicySubject, policy: SourcePolicy): PolicyVerdict {
  const rule = policy.rules.find(({ match }) => fits(match, subject));
  if (rule) return { allowed: rule.action === 'allow', rule: rule.name };
  return { allowed: policy.otherwise === 'allow', rule: 'otherwise' };
}

/** What a policy says about every file of a tree, and about the tree's own origin. */
export function checkPolicy(tree: SourceTree, policy: SourcePolicy, licence?: string): PolicyReport {
  const subjects = [{ path: '.', from: tree.origin }, ...tree.files];
  const denied = subjects.flatMap(({ path, from }) => {
    const verdict = evaluatePolicy({ origin: from, path, licence }, policy);
    return verdict.allowed ? [] : [{ path, origin: from, rule: verdict.rule }];
  });
  return { ok: denied.length === 0 && tree.files.length > 0, denied };
}

/** Throws SOURCE_POLICY_DENIED for the first file that a policy denies. */
export function assertPolicy(tree: SourceTree, policy: SourcePolicy, licence?: string): void {
  const { ok, denied } = checkPolicy(tree, policy, licence);
  if (ok) return;
  const [first] = denied;
  if (!first) throw policyDenied([tree.directory], 'otherwise', 'a tree without files');
  throw policyDenied([tree.spec, first.path], first.rule, `${first.origin.terms} from ${first.origin.where}`);
}

/** The error for something that may not be published; `path` leads from it to the input that is denied. */
export function policyDenied(path: readonly string[], rule: string, found: string): SourceError {
  return new SourceError(
    { code: 'SOURCE_POLICY_DENIED', path, rule, found },
    `${path.map((part) => quote(part, 200)).join(' made from ')} may not be published: rule ${quote(rule)}, found ${quote(found, 300)}`,
  );
}

function fits(match: PolicyMatch, { origin, licence, path }: PolicySubject): boolean {
  return (
    (match.kind === undefined || match.kind === origin.kind) &&
    (match.terms === undefined || match.terms === origin.terms) &&
    (match.host === undefined || like(match.host, hostOf(origin.where))) &&
    (match.distribution === undefined || like(match.distribution, origin.distribution)) &&
    (match.licence === undefined || like(match.licence, licence)) &&
    (match.path === undefined || like(match.path, path))
  );
}

function hostOf(where: string): string | undefined {
  return /^[a-z][a-z0-9+.-]*:\/\/(?:[^@/]*@)?([^/:?#]+)/i.exec(where)?.[1]?.toLowerCase().replace(/\.$/, '');
}

/** `*` fits any run of characters. Walks both texts once, so that no pattern takes longer than their product. */
function like(pattern: string, value: string | undefined): boolean {
  if (value === undefined) return false;
  const wanted = pattern.toLowerCase();
  const given = value.toLowerCase();
  let p = 0;
  let v = 0;
  let star = -1;
  let resume = 0;
  while (v < given.length) {
    if (wanted[p] === '*') {
      star = p++;
      resume = v;
    } else if (p < wanted.length && wanted[p] === given[v]) {
      p++;
      v++;
    } else if (star >= 0) {
      p = star + 1;
      v = ++resume;
    } else return false;
  }
  while (wanted[p] === '*') p++;
  return p === wanted.length;
}
