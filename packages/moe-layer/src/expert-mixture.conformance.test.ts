import { Rng, swiglu } from '@spectra/tensor';
import { expectClose, noLeaks, testBackend } from '@spectra/testing';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { dispatchPlan } from './dispatch-plan.ts';
import { combineRows, dispatchRows } from './dispatch-rows.ts';
import { expertMixture } from './expert-mixture.ts';
import { groupedMatMul } from './grouped-matmul.ts';
import { routedMixture } from './routed-mixture.ts';

beforeAll(testBackend);

interface Layer {
  readonly tokens: number;
  readonly hidden: number;
  readonly inner: number;
  readonly experts: number;
  /** [tokens][slots] */
  readonly indices: number[][];
}

/** Tokens that take `k` different experts each; every `drop`-th slot is dropped (0: none). */
function random(
  seed: number,
  tokens: number,
  hidden: number,
  inner: number,
  experts: number,
  k: number,
  drop = 0,
): Layer {
  const rng = new Rng(seed);
  let slot = 0;
  const indices = Array.from({ length: tokens }, () => {
    const all = Array.from({ length: experts }, (_, e) => e);
    return Array.from({ length: k }, () => {
      const [e] = all.splice(Math.floor(rng.uniform() * all.length), 1);
      slot++;
      return drop > 0 && slot % drop === 0 ? -1 : e!;
    });
  });
  return { tokens, hidden, inner, experts, indices };
}

const same = (tokens: number, row: number[]): number[][] => Array.from({ length: tokens }, () => row);
const layers: Record<string, Layer> = {
  'whole tiles': random(1, 24, 16, 16, 2, 1),
  'tails everywhere': random(2, 45, 7, 5, 3, 2),
  'more rows and columns than a block': random(3, 230, 20, 13, 2, 2),
  'an inner axis longer than a block': random(4, 5, 270, 6, 2, 1),
  'dropped slots': random(5, 31, 9, 11, 4, 3, 4),
  'one token': random(6, 1, 12, 10, 4, 2),
  'a token for each expert': { tokens: 3, hidden: 8, inner: 8, experts: 3, indices: [[2], [0], [1]] },
  'one expert': random(7, 19, 6, 9, 1, 1),
  'every expert': random(8, 14, 5, 4, 3, 3),
  'empty experts': { tokens: 13, hidden: 6, inner: 5, experts: 5, indices: same(13, [3, 1]) },
  'all tokens to one expert': { tokens: 101, hidden: 9, inner: 6, experts: 4, indices: same(101, [2]) },
  'nothing routed': { tokens: 4, hidden: 5, inner: 3, experts: 2, indices: same(4, [-1, -1]) },
  'a width of one': random(9, 10, 1, 1, 2, 1),
};

type Inputs = [x: Tensor2D, weights: Tensor2D, up: Tensor3D, down: Tensor3D];

function draw({ tokens, hidden, inner, experts, indices }: Layer): Inputs {
  const rng = new Rng(tokens + 100 * hidden);
  const slots = indices[0]!.length;
  return [
    rng.normalTensor([tokens, hidden]) as Tensor2D,
    rng.normalTensor([tokens, slots]) as Tensor2D,
    rng.normalTensor([experts, 2 * inner, hidden], 0, 0.5) as Tensor3D,
    rng.normalTensor([experts, hidden, inner], 0, 0.5) as Tensor3D,
  ];
}

describe.each(Object.entries(layers))('%s', (_, layer) => {
  it('is dispatch, products, activation and combine, forward and gradient', async () => {
    const inputs = draw(layer);
    const plan = dispatchPlan(tf.tensor2d(layer.indices, undefined, 'int32'), layer.experts);
    const parts = (...[x, weights, up, down]: Inputs): Tensor2D => {
      const h = groupedMatMul(dispatchRows(x, plan), up, plan.offsets);
      return combineRows(groupedMatMul(swiglu(h), down, plan.offsets), weights, plan);
    };
    const one = (...given: Inputs): Tensor2D => expertMixture(...given, plan);
    const dy = new Rng(99).normalTensor([layer.tokens, layer.hidden]);
    const asOp = (f: (...given: Inputs) => Tensor2D) => f as unknown as (...given: Tensor[]) => Tensor;
    await near(one(...inputs), parts(...inputs), 'y');
    const found = tf.grads(asOp(one))(inputs, dy);
    const wanted = tf.grads(asOp(parts))(inputs, dy);
    for (const [i, name] of ['x', 'weights', 'up', 'down'].entries())
      await near(found[i]!, wanted[i]!, `gradient of ${name}`);
    // frozen experts: the same gradient of what comes in
    for (const [f, name] of [
      [one, 'one operation'],
      [parts, 'parts'],
    ] as const) {
      const [, , up, down] = inputs;
      const frozen = (x: Tensor, weights: Tensor): Tensor => f(x as Tensor2D, weights as Tensor2D, up, down);
      const incoming = tf.grads(frozen)([inputs[0], inputs[1]], dy);
      await near(incoming[0]!, wanted[0]!, `gradient of x, frozen experts, ${name}`);
      await near(incoming[1]!, wanted[1]!, `gradient of weights, frozen experts, ${name}`);
    }
  });

  it('is the same from the chosen experts on, without a plan', async () => {
    const inputs = draw(layer);
    const indices = tf.tensor2d(layer.indices, undefined, 'int32');
    const planned = expertMixture(...inputs, dispatchPlan(indices, layer.experts));
    await near(routedMixture(...inputs, indices), planned, 'y');
  });
});

/** The two sum in other orders: float32 rounding of sums of a few hundred terms. */
async function near(found: Tensor, wanted: Tensor, name: string): Promise<void> {
  const values = [...(await wanted.data())];
  const size = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  expect(found.shape).toEqual(wanted.shape);
  await expectClose(found, values, { name, tolerance: 5e-6 * (1 + size) });
}

it('keeps no tensor', async () => {
  const layer = layers['dropped slots']!;
  const inputs = draw(layer);
  const indices = tf.tensor2d(layer.indices, undefined, 'int32');
  await noLeaks(() =>
    tf.tidy(() => {
      const plan = dispatchPlan(indices, layer.experts);
      tf.grads((...given: Tensor[]) => expertMixture(...(given as Inputs), plan))(inputs);
    }),
  );
});
