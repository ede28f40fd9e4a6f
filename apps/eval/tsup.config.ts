import { defineConfig } from 'tsup';
import { tsupConfig } from '../../tools/tsup.ts';

/** The command line beside the library. */
export default defineConfig({
  ...tsupConfig,
  entry: { index: 'src/index.ts', cli: 'src/cli.ts' },
  platform: 'node',
  splitting: true,
  // node:sqlite has no name without its prefix
  removeNodeProtocol: false,
});
