/**
 * YAML with every scalar as a string: the only file that knows the YAML implementation.
 *
 * The compiled package gets it by `#yaml`, which is `yaml-on-demand.ts` in Node: see `scripts/tsup-door.ts`.
 *
 * Reference: YAML 1.2.2, section 10.1 (failsafe schema)
 */
import { FAILSAFE_SCHEMA, load } from 'js-yaml';

/** The value of one document. Throws the implementation's error, whose first line says what is wrong. */
export function parseYaml(text: string): unknown {
  return load(text, { schema: FAILSAFE_SCHEMA });
}
