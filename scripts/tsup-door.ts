/** How every package is compiled: one ES module and one declaration file per door. */
import { defineConfig } from 'tsup';

type Config = ReturnType<typeof defineConfig>;

export function door(names: readonly string[]): Config {
  return defineConfig({
    entry: Object.fromEntries(names.map((name) => [name, `src/${name}.ts`])),
    format: 'esm',
    target: 'node20',
    platform: 'neutral',
    clean: true,
    sourcemap: true,
    // tsup sets `baseUrl` by itself, which TypeScript 6 calls deprecated.
    dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
    // tsup leaves required dependencies out of the bundle by itself, optional ones not.
    external: [/^node:/, 'node-sqlite3-wasm'],
  });
}
