/** `yaml.ts` as Node gets it: loaded by the first call. Most repositories have no modules. */
import { createRequire } from 'node:module';
import type * as Yaml from './yaml.js';

const load = createRequire(import.meta.url) as (path: string) => typeof Yaml;

export const parseYaml: typeof Yaml.parseYaml = (text) => load('./yaml.js').parseYaml(text);
