import { defineConfig } from 'tsup';
import { tsupConfig } from '../../tools/tsup.ts';

/** Two entries: the neutral one must not load `node:fs`; shared code lands in chunks. */
export default defineConfig({
  ...tsupConfig,
  entry: ['src/index.ts', 'src/node.ts'],
  splitting: true,
  external: [/^node:/],
  removeNodeProtocol: false,
});
