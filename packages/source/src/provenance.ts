/**
 * What follows the bytes: which inputs an SRPM, a package or a repository was made from, down to the files that somebody
 * fetched, so that a denied origin anywhere keeps everything made from it from being published.
 *
 * Nodes are named by sha256. A node that is not recorded is an unknown origin: silence is not permission.
 */
import type { Origin, SourceTree } from './origin.js';
import { evaluatePolicy, policyDenied, type SourcePolicy } from './policy.js';

/** Something made from other things: an SRPM from a tree, a package from an SRPM, repodata from packages. */
export interface MadeFrom {
  /** For messages: `bash-5.1.8-6.el9.src.rpm`. */
  readonly name: string;
  readonly sha256: string;
  /** sha256 of every input. */
  readonly inputs: readonly string[];
}

/** One recorded node. A file may have come from several places; each of them must be allowed. */
export interface ProvenanceNode {
  readonly name: string;
  readonly sha256: string;
  readonly origins: readonly Origin[];
  readonly inputs: readonly string[];
  readonly licence?: string | undefined;
}

/** A record of nodes that only grows: what was once recorded of a file stays true of its bytes. */
export class Provenance {
  readonly #nodes = new Map<string, ProvenanceNode>();

  /** Records every file of a tree with its origin; `licence` is that of the package. */
  addTree(tree: SourceTree, licence?: string): void {
    for (const file of tree.files) {
      const origins = [file.from, tree.origin];
      this.#add({
        name: file.path,
        sha256: file.sha256,
        origins,
        inputs: [],
        ...(licence === undefined ? {} : { licence }),
      });
    }
  }

  /** Records that something was made from inputs. Recording it again adds to its inputs, never takes one away. */
  addArtifact(artifact: MadeFrom): void {
    this.#add({ ...artifact, origins: [] });
  }

  /** All nodes, in the order in which they were first recorded: data for a store or an attestation. */
  get nodes(): readonly ProvenanceNode[] {
    return [...this.#nodes.values()];
  }

  /** Takes back what {@link nodes} gave. */
  static from(nodes: readonly ProvenanceNode[]): Provenance {
    const provenance = new Provenance();
    for (const node of nodes) provenance.#add(node);
    return provenance;
  }

  /**
   * The first way from an artefact to an input that a policy denies, with the rule; undefined when everything below it is
   * recorded and allowed. The way is shortest first.
   */
  findDenied(
    sha256: string,
    policy: SourcePolicy,
  ): { readonly path: readonly string[]; readonly rule: string; readonly found: string } | undefined {
    const seen = new Set([sha256]);
    let level: { readonly sha256: string; readonly path: readonly string[] }[] = [{ sha256, path: [] }];
    while (level.length > 0) {
      const next: typeof level = [];
      for (const at of level) {
        const node = this.#nodes.get(at.sha256);
        const path = [...at.path, node?.name ?? `sha256 ${at.sha256}`];
        if (!node) return { path, rule: 'otherwise', found: 'bytes that nobody recorded' };
        if (node.origins.length === 0 && node.inputs.length === 0) {
          return { path, rule: 'otherwise', found: 'something made from nothing' };
        }
        for (const origin of node.origins) {
          const verdict = evaluatePolicy({ origin, licence: node.licence, path: node.name }, policy);
          if (!verdict.allowed) return { path, rule: verdict.rule, found: `${origin.terms} from ${origin.where}` };
        }
        for (const input of node.inputs) {
          if (seen.has(input)) continue;
          seen.add(input);
          next.push({ sha256: input, path });
        }
      }
      level = next;
    }
    return undefined;
  }

  /** Throws SOURCE_POLICY_DENIED, with the way to the offending input, for the first of the artefacts that may not be published. */
  assertPublishable(artifacts: readonly string[], policy: SourcePolicy): void {
    for (const sha256 of artifacts) {
      const denied = this.findDenied(sha256, policy);
      if (denied) throw policyDenied(denied.path, denied.rule, denied.found);
    }
  }

  #add(node: ProvenanceNode): void {
    const before = this.#nodes.get(node.sha256);
    if (!before) {
      this.#nodes.set(node.sha256, { ...node, origins: [...node.origins], inputs: [...new Set(node.inputs)] });
      return;
    }
    const known = new Set(before.origins.map((origin) => JSON.stringify(origin)));
    const origins = [...before.origins, ...node.origins.filter((origin) => !known.has(JSON.stringify(origin)))];
    const inputs = [...new Set([...before.inputs, ...node.inputs])];
    const licence = before.licence ?? node.licence;
    this.#nodes.set(node.sha256, { ...before, origins, inputs, ...(licence === undefined ? {} : { licence }) });
  }
}
