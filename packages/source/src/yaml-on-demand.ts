/** `yaml.ts` as Node gets it: loaded by the first call. Only configurations of other tools are YAML. */
import { createRequire } from 'node:module';
import type * as Yaml from './yaml.js';

const load = createRequire(import.meta.url) as (path: string) => typeof Yaml;

export const readYaml: typeof Yaml.readYaml = (...of) => load('./yaml.js').readYaml(...of);
export const setYamlValues: typeof Yaml.setYamlValues = (...of) => load('./yaml.js').setYamlValues(...of);
