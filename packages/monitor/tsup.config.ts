import { tsupConfig } from '../../tools/tsup.ts';

/** Browsers take `index`; `node` needs node:fs and renders reports. What both use becomes a shared chunk. */
export default { ...tsupConfig, entry: ['src/index.ts', 'src/node.ts'], splitting: true };
