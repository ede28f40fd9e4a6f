/** How much the routed experts of a model weigh. */
import { loadModel } from '@spectra/transformer/node';
import * as tf from '@tensorflow/tfjs-core';

/** Mean over tokens and layers of the gates' sum, with the layers' ρ, on `ids` [B,S]. `setBackend` must have been awaited. */
export async function meanGateSum(folder: string, ids: readonly (readonly number[])[]): Promise<number> {
  const model = await loadModel(folder);
  const mean = tf.tidy(() => {
    const inputIds = tf.tensor2d(ids as number[][], undefined, 'int32');
    const { routings } = model.forward({ inputIds, logits: 'none' });
    return tf.mean(tf.stack(routings.map(({ weights }) => tf.mean(tf.sum(weights, 1)))));
  });
  try {
    return (await mean.data<'float32'>())[0]! * (model.architecture.moe?.scale ?? 1);
  } finally {
    mean.dispose();
    model.dispose();
  }
}
