import { defineConfig } from 'vitest/config';
const conditions = ['@spectra/source', 'node', 'import', 'module', 'default'];
export default defineConfig({ root: '/work/main', resolve: { conditions, alias: { '@spectra/gram': '/work/main/packages/gru-router/gram-stub-tmp.ts' } }, ssr: { resolve: { conditions } }, test: { include: ['packages/gru-router/src/**/*.test.ts'], testTimeout: 60000 } });
