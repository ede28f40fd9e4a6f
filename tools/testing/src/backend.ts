/** The backend a test run is for: `SPECTRA_BACKEND`, by default wasm. */
import * as tensor from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';

export function backendUnderTest(): tensor.BackendName {
  const name = process.env.SPECTRA_BACKEND ?? 'wasm';
  const found = tensor.BACKEND_NAMES.find(known => known === name);
  if (found === undefined) {
    throw new Error(`SPECTRA_BACKEND=${name} is none of ${tensor.BACKEND_NAMES.join(', ')}.`);
  }
  return found;
}

/** How much wider tolerances are here: GPU transcendental functions and reductions are less exact. */
export function toleranceFactor(): number {
  return backendUnderTest() === 'webgpu' ? 10 : 1;
}

/** For `beforeAll`: selects the backend under test and makes every kernel that leaks a tensor throw. */
export async function testBackend(): Promise<void> {
  await selectBackend(backendUnderTest());
  tf.env().set('IS_TEST', true);
}

type SetBackend = (name: tensor.BackendName) => Promise<unknown>;

async function selectBackend(name: tensor.BackendName): Promise<void> {
  const { setBackend } = tensor as unknown as { setBackend?: SetBackend };
  if (setBackend !== undefined) {
    await setBackend(name);
    return;
  }
  await import('@tensorflow/tfjs-backend-cpu');
  await import('@tensorflow/tfjs-backend-wasm');
  await tf.setBackend(name);
  await tf.ready();
}
