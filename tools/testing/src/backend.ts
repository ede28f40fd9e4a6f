/** The backend a test run is for: `SPECTRA_BACKEND`, by default wasm. */
import { BACKEND_NAMES, type BackendName, setBackend } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';

export function backendUnderTest(): BackendName {
  const name = process.env.SPECTRA_BACKEND ?? 'wasm';
  const found = BACKEND_NAMES.find(known => known === name);
  if (found === undefined) {
    throw new Error(`SPECTRA_BACKEND=${name} is none of ${BACKEND_NAMES.join(', ')}.`);
  }
  return found;
}

/** How much wider tolerances are here: GPU transcendental functions and reductions are less exact. */
export function toleranceFactor(): number {
  return backendUnderTest() === 'webgpu' ? 10 : 1;
}

/** For `beforeAll`: selects the backend under test and makes every kernel that leaks a tensor throw. */
export async function testBackend(): Promise<void> {
  await setBackend(backendUnderTest());
  tf.env().set('IS_TEST', true);
}
