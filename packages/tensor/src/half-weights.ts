/** Weights that are read in half precision where a model only runs. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { checkValue, SpectraError } from './errors.ts';
import { copyToHalf, forgetHalf } from './kernels/webgpu/half-copy.ts';
import type { Parameter } from './parameter.ts';
import { readTensors } from './read-tensors.ts';

/** The largest float16. */
const LARGEST_HALF = 65504;

export interface HalfWeights {
  /** Bytes of the copies, beside the float32 weights, which stay. */
  readonly bytes: number;
  /** Products read the float32 weights again. */
  dispose(): void;
}

/**
 * Makes float16 copies of the matrices among `parameters`, and lets products x·Wᵀ and those of experts read them in
 * place of the float32 weights, on WebGPU: half the bytes, each weight within 2⁻¹¹ of itself (2⁻²⁵ absolute below
 * 2⁻¹⁴), sums in float32. Gradients and everything else read float32. A parameter that gets a new value is read in
 * float32 from then on. Call `dispose` before the parameters are disposed.
 *
 * @throws BACKEND_MISSING on another backend; VALUE for a weight that is not finite in float16
 */
export async function halveWeights(parameters: readonly Parameter[]): Promise<HalfWeights> {
  const where = 'halveWeights';
  if (tf.getBackend() !== 'webgpu') {
    throw new SpectraError('BACKEND_MISSING', {
      message: `weights in float16 are for webgpu, and ${tf.getBackend()} is running.`,
      where,
      fix: "Call setBackend('webgpu') first, or leave the weights as they are.",
    });
  }
  const matrices = parameters.filter(({ shape, variable }) => shape.length >= 2 && variable.size > 0);
  const largest = tf.tidy(() =>
    Object.fromEntries(matrices.map(({ name, variable }) => [name, tf.max(tf.abs(variable as tf.Tensor))])),
  );
  const found = await readTensors(largest);
  tf.dispose(largest);
  for (const [name, [value]] of Object.entries(found)) {
    checkValue(value! <= LARGEST_HALF, `${name} holds ${value}, float16 ends at ${LARGEST_HALF}.`, where);
  }
  const backend = tf.backend() as unknown as WebGPUBackend;
  const weights = matrices.map(({ variable }) => ({ dataId: variable.dataId }));
  const copies = matrices.map(({ variable }) => copyToHalf(backend, variable as tf.Tensor));
  return {
    bytes: copies.reduce((sum, { shape }) => sum + 4 * shape[0]!, 0),
    dispose: () => {
      for (const weight of weights) forgetHalf(weight);
      for (const { dataId } of copies.splice(0)) backend.disposeData(dataId);
    },
  };
}
