/** What the routers' tests share. No part of the package. */
import { Rng } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import {
  CosineRouter,
  ExpertChoiceRouter,
  HashRouter,
  QuantileRouter,
  RandomRouter,
  SinkhornRouter,
  SoftmaxTopKRouter,
  TopKRouter,
} from './index.ts';
import type { HostStatistics, RouteContext, Router, Routing } from './router.ts';

export const [BATCH, POSITIONS, HIDDEN] = [2, 7, 6];
export const TOKENS = BATCH * POSITIONS;

interface Sizes {
  readonly experts: number;
  readonly k: number;
}

/** Weights ten times the initial ones, so that scores differ clearly. */
function widened<R extends TopKRouter | ExpertChoiceRouter>(router: R): R {
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

const gate = ({ experts, k }: Sizes) => ({
  experts,
  hidden: HIDDEN,
  k,
  rng: new Rng(1),
  prefix: 'layers.0.',
});

/** A router of every kind that reads the token. */
export const MAKERS: Readonly<Record<string, (sizes: Sizes) => Router>> = {
  'softmax top-k': softmax,
  'expert choice': expertChoice,
  's-base': sizes => widened(new SinkhornRouter(gate(sizes))),
  'deepseek-v3': sizes =>
    widened(new TopKRouter({ ...gate(sizes), scores: 'sigmoid', correction: true, sequenceLoss: 0.2 })),
  ernie: sizes =>
    widened(
      new TopKRouter({
        ...gate(sizes),
        correction: true,
        balanceLoss: 0.1,
        orthogonalityLoss: 0.1,
        orthogonality: 'ernie',
      }),
    ),
  quantile: sizes => widened(new QuantileRouter(gate(sizes))),
  cosine: sizes => new CosineRouter(gate(sizes)),
  hash: sizes => new HashRouter(gate(sizes)),
  random: sizes => new RandomRouter(gate(sizes)),
};

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

/** Token ids and positions of rows, for routers that go by them; whoever asks for them disposes them. */
export function standing(
  seed: number,
  rows = BATCH,
  positions = POSITIONS,
): { tokens: tf.Tensor2D; positions: tf.Tensor2D } {
  const rng = new Rng(seed);
  const ids = Array.from({ length: rows * positions }, () => rng.integer(50));
  return {
    tokens: tf.tensor2d(ids, [rows, positions], 'int32'),
    positions: tf.tensor2d(
      ids.map((_, i) => i % positions),
      [rows, positions],
      'int32',
    ),
  };
}
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
