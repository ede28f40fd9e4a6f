/** Work whose run is a forward and a backward pass. */
import type { Scalar, Tensor, Variable } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Arrays, HostArray } from '../arrays.ts';
import type { Work } from './serve.ts';

export interface Forward {
  readonly loss: Scalar;
  /** What the pass computes beside the loss. */
  readonly outputs: Readonly<Record<string, Tensor>>;
}

/** Value and gradients of a scalar function. */
export type Differentiate = (
  loss: () => Scalar,
  variables: Readonly<Record<string, Variable>>,
) => { readonly value: Scalar; readonly grads: Readonly<Record<string, Tensor>> };

export function gradientWork(
  variables: Readonly<Record<string, Variable>>,
  forward: () => Forward,
  differentiate: Differentiate,
): Work {
  return {
    run() {
      const { value, grads } = differentiate(() => forward().loss, variables);
      tf.dispose([value, ...Object.values(grads)]);
      return settled();
    },
    async outputs() {
      const kept: Record<string, Tensor> = {};
      const { value, grads } = differentiate(() => {
        const { loss, outputs } = forward();
        for (const [name, tensor] of Object.entries(outputs)) kept[name] = tf.keep(tensor.clone());
        return loss;
      }, variables);
      for (const [name, grad] of Object.entries(grads)) kept[`gradient of ${name}`] = grad;
      value.dispose();
      return taken(kept);
    },
    dispose: () => tf.dispose(Object.values(variables)),
  };
}

/** Work that computes tensors without a gradient. */
export function forwardWork(compute: () => Record<string, Tensor>, inputs: readonly Tensor[]): Work {
  return {
    run() {
      tf.dispose(tf.tidy(compute));
      return settled();
    },
    outputs: () => taken(tf.tidy(compute)),
    dispose: () => tf.dispose([...inputs]),
  };
}

/** Reads tensors back and disposes them. */
export async function taken(tensors: Readonly<Record<string, Tensor>>): Promise<Arrays> {
  const arrays: Record<string, HostArray> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    arrays[name] = { shape: tensor.shape, data: (await tensor.data()) as Float32Array };
  }
  tf.dispose(tensors);
  return arrays;
}

export const tensorOf = ({ shape, data }: HostArray): Tensor =>
  tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32');

/** Resolves when the device has done what was asked of it; nothing where kernels run in the call. */
export function settled(): Promise<unknown> | undefined {
  if (tf.getBackend() !== 'webgpu') return undefined;
  const backend = tf.backend() as unknown as { submitQueue(): void; device: GPUDevice };
  backend.submitQueue();
  return backend.device.queue.onSubmittedWorkDone();
}
