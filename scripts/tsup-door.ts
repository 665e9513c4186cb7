/**
 * How every package is compiled: one ES module and one declaration file per door.
 *
 * What Node seldom needs is a module of its own, loaded on demand: `curves` is compiled to `curves.js`, and its importers get
 * it by the name `#curves`. `imports` in package.json says what that is: bundlers (`module`), browsers and a Node that cannot
 * load a module without waiting take `curves.js`; every other Node (`module-sync`) takes `curves-on-demand.js`, which has the
 * same functions and loads `curves.js` when one of them is called.
 */
import { defineConfig } from 'tsup';

type Config = ReturnType<typeof defineConfig>;

export function door(names: readonly string[], onDemand: readonly string[] = []): Config {
  const modules = [...names, ...onDemand.flatMap((name) => [name, `${name}-on-demand`])];
  return defineConfig({
    entry: Object.fromEntries(modules.map((name) => [name, `src/${name}.ts`])),
    format: 'esm',
    target: 'node20',
    platform: 'neutral',
    clean: true,
    sourcemap: true,
    dts: {
      entry: Object.fromEntries(names.map((name) => [name, `src/${name}.ts`])),
      // tsup sets `baseUrl` by itself, which TypeScript 6 calls deprecated.
      compilerOptions: { ignoreDeprecations: '6.0' },
    },
    // tsup leaves required dependencies out of the bundle by itself, optional ones not.
    external: [/^node:/, 'node-sqlite3-wasm'],
    esbuildPlugins: [
      {
        name: 'on-demand',
        setup: (build) => {
          build.onResolve({ filter: /^\.\// }, ({ path }) => {
            const name = path.slice(2).replace(/\.js$/, '');
            return onDemand.includes(name) ? { path: `#${name}`, external: true } : undefined;
          });
        },
      },
    ],
  });
}
