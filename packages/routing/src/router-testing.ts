/** What the routers' tests share. No part of the package. */
import { Rng } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { ExpertChoiceRouter, SoftmaxTopKRouter } from './index.ts';
import type { HostStatistics, RouteContext, Router, Routing } from './router.ts';

export const [BATCH, POSITIONS, HIDDEN] = [2, 7, 6];
export const TOKENS = BATCH * POSITIONS;

interface Sizes {
  readonly experts: number;
  readonly k: number;
}

/** Weights ten times the initial ones, so that scores differ clearly. */
function widened<R extends SoftmaxTopKRouter | ExpertChoiceRouter>(router: R): R {
  tf.tidy(() => router.gate.variable.assign(tf.mul(router.gate.variable, 10)));
  return router;
}
export const softmax = ({ experts, k }: Sizes, options: { normalise?: boolean } = {}): SoftmaxTopKRouter =>
  widened(
    new SoftmaxTopKRouter({
      experts,
      hidden: HIDDEN,
      k,
      rng: new Rng(1),
      prefix: 'layers.0.',
      balanceLoss: 0.5,
      zLoss: 0.1,
      ...options,
    }),
  );
export const expertChoice = ({ experts, k }: Sizes): ExpertChoiceRouter =>
  widened(new ExpertChoiceRouter({ experts, hidden: HIDDEN, k, rng: new Rng(1), prefix: 'layers.0.' }));

export const MAKERS = { 'softmax top-k': softmax, 'expert choice': expertChoice };
export const context = (
  balance: RouteContext['balance'],
  mask?: tf.Tensor2D,
  training = true,
): RouteContext => ({
  balance,
  training,
  step: 0,
  ...(mask === undefined ? {} : { mask }),
});
export const tokensOf = (seed: number): tf.Tensor3D =>
  new Rng(seed).split('x').normalTensor([BATCH, POSITIONS, HIDDEN]) as tf.Tensor3D;

export function release(...things: (Routing | tf.Tensor | Router)[]): void {
  for (const thing of things) {
    if ('parameters' in thing) for (const parameter of thing.parameters()) parameter.dispose();
    else tf.dispose(thing as unknown as tf.TensorContainer);
  }
}

export async function statisticsOf(routing: Routing): Promise<HostStatistics> {
  const entries = Object.entries(routing.statistics).map(
    async ([name, tensor]) => [name, { shape: tensor.shape, data: await tensor.data<'float32'>() }] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

/** softmax(x·Wᵀ) in float64, [N][E]. */
export function probabilities(x: ArrayLike<number>, weight: ArrayLike<number>, experts: number): number[][] {
  return Array.from({ length: x.length / HIDDEN }, (_, t) => {
    const logits = Array.from({ length: experts }, (_, e) => {
      let sum = 0;
      for (let h = 0; h < HIDDEN; h++) sum += x[t * HIDDEN + h]! * weight[e * HIDDEN + h]!;
      return sum;
    });
    const total = logits.reduce((sum, l) => sum + Math.exp(l), 0);
    return logits.map(l => Math.exp(l) / total);
  });
}
