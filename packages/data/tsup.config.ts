import { defineConfig } from 'tsup';
import { libraryConfig } from '../../tools/tsup.ts';

/** Two entries: the neutral one must not load `node:fs`; shared code lands in chunks. */
export default defineConfig({
  ...libraryConfig,
  entry: ['src/index.ts', 'src/node.ts'],
  splitting: true,
  external: [/^node:/],
  removeNodeProtocol: false,
});
