/** The wasm kernels of `@spectra/tensor` against tfjs's stock ones, and fused ops against composed ones. */
import { cpus } from 'node:os';
import { setBackend, wasmKernelReport } from '@spectra/tensor';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import { fusedCases } from './fused-cases.ts';
import { bench, quick } from './harness.ts';
import { stockCases } from './stock-cases.ts';

await setBackend('wasm');
console.log(`${cpus()[0]?.model}, Node ${process.version}, ${JSON.stringify(wasmKernelReport())}`);
bench([...stockCases(tf.backend() as unknown as BackendWasm, quick), ...fusedCases(quick)]);
