/**
 * A side of this project: `node ours.ts BACKEND`. With SPECTRA_KERNELS=reference it runs the same code on tfjs's own
 * kernels and is a peer.
 */
import { setBackend } from '@spectra/tensor';
import { buildOurs } from './kinds/build-ours.ts';
import { serve } from './serve.ts';

await setBackend(process.argv[2] as 'wasm');
await serve(buildOurs);
