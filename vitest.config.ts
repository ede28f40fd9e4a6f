import { defineConfig } from 'vitest/config';

const conditions = ['@spectra/source', 'node', 'import', 'module', 'default'];
const shared = { resolve: { conditions }, ssr: { resolve: { conditions } } };

/** `unit`: fast tests beside the code. `conformance`: golden values, once per backend (SPECTRA_BACKEND). */
export default defineConfig({
  ...shared,
  test: {
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: [
            '{packages,apps}/*/src/**/*.test.ts',
            'tools/testing/src/**/*.test.ts',
            'bench/*.test.ts',
          ],
          exclude: ['**/*.conformance.test.ts', '**/*.slow.test.ts'],
          testTimeout: 30_000,
          maxWorkers: 2,
        },
      },
      {
        ...shared,
        test: {
          name: 'conformance',
          include: ['{packages,apps}/*/src/**/*.conformance.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        ...shared,
        test: {
          name: 'slow',
          include: ['{packages,apps}/*/src/**/*.slow.test.ts'],
          testTimeout: 3_600_000,
          maxWorkers: 1,
        },
      },
    ],
  },
});
