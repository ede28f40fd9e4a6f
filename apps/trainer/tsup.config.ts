import { defineConfig } from 'tsup';
import { libraryConfig } from '../../tools/tsup.ts';

/** The command line and the worker threads' program beside the library. */
export default defineConfig({
  ...libraryConfig,
  entry: { index: 'src/index.ts', cli: 'src/cli.ts', worker: 'src/training/worker.ts' },
  platform: 'node',
  splitting: true,
});
