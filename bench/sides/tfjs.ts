/**
 * tfjs without this project's kernels: `node tfjs.ts BACKEND`. On wasm only the table of gradients comes from
 * `@spectra/tensor`, which tfjs lacks in Node.
 */
import { setBackend } from '@spectra/tensor';
import type * as Wasm from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { COMPOSED, fusedOpWork } from './kinds/composed.ts';
import { gemmWork, opWork } from './kinds/ops.ts';
import { serve } from './serve.ts';

const backend = process.argv[2] as 'wasm';
if (backend === 'wasm') {
  // a CommonJS module in Node; importing it registers the backend
  await ((await import('@tensorflow/tfjs-backend-wasm')) as typeof Wasm);
  await tf.setBackend('wasm');
  await tf.ready();
} else {
  await setBackend(backend);
}
await serve(async (kind, params, inputs) => {
  switch (kind) {
    case 'op':
      return opWork(params, inputs);
    case 'gemm':
      return gemmWork(params, inputs);
    default:
      if (!(kind in COMPOSED)) return `no case of the kind ${kind} is composed of tfjs ops`;
      return fusedOpWork(COMPOSED[kind]!, params, inputs);
  }
});
