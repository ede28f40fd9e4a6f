import { defineConfig } from 'tsup';
import { libraryConfig } from '../../tools/tsup.ts';

/** The command line beside the library. */
export default defineConfig({
  ...libraryConfig,
  entry: { index: 'src/index.ts', cli: 'src/cli.ts' },
  platform: 'node',
  splitting: true,
});
