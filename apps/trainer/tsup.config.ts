import { defineConfig } from 'tsup';
import { tsupConfig } from '../../tools/tsup.ts';

/** The command line and the worker threads' program beside the library. */
export default defineConfig({
  ...tsupConfig,
  entry: { index: 'src/index.ts', cli: 'src/cli.ts', worker: 'src/training/worker.ts' },
  platform: 'node',
  splitting: true,
});
