import { fileURLToPath } from 'node:url';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

const door = (path: string): string => fileURLToPath(new URL(`./packages/${path}.ts`, import.meta.url));

const config: ViteUserConfig = defineConfig({
  resolve: {
    alias: [
      { find: /^@distrokit\/(rpm|sign|repo)\/node$/, replacement: `${door('$1/src/node')}` },
      { find: /^@distrokit\/(rpm|sign|repo|source|build)$/, replacement: `${door('$1/src/index')}` },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 300_000,
    maxWorkers: 2,
  },
});

export default config;
