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

/** Sizes that nothing was made for. */
function drawn(seed: number): Layer {
  const rng = new Rng(seed).split('experts');
  const experts = 1 + rng.integer(6);
  const [tokens, hidden, inner] = [1 + rng.integer(60), 1 + rng.integer(40), 1 + rng.integer(30)];
  return random(seed, tokens, hidden, inner, experts, 1 + rng.integer(experts), rng.integer(4));
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
  'a single number of everything': random(10, 1, 1, 1, 1, 1),
  'an activation wider than a workgroup': random(11, 7, 5, 131, 2, 1),
  'no token': { tokens: 0, hidden: 4, inner: 3, experts: 2, indices: [] },
  'tiles of 64 rows and columns, tails of both': random(13, 280, 3, 129, 8, 2),
  'tiles of 32 rows and columns, tails of both': random(14, 280, 130, 34, 8, 2),
  'outer products in tiles of 64': random(15, 140, 70, 129, 8, 2),
  'more experts than a workgroup, most of them empty': random(12, 20, 3, 2, 300, 2),
  'padding between tokens': {
    tokens: 9,
    hidden: 7,
    inner: 6,
    experts: 3,
    indices: Array.from({ length: 9 }, (_, t) => (t % 3 === 1 ? [-1, -1] : [t % 2, 2])),
  },
  ...Object.fromEntries(Array.from({ length: 6 }, (_, seed) => [`drawn ${seed}`, drawn(seed)])),
};

const indicesOf = ({ indices }: Layer): Tensor2D =>
  tf.tensor2d(indices.flat(), [indices.length, indices[0]?.length ?? 2], 'int32');

type Inputs = [x: Tensor2D, weights: Tensor2D, up: Tensor3D, down: Tensor3D];

function draw({ tokens, hidden, inner, experts, indices }: Layer): Inputs {
  const rng = new Rng(tokens + 100 * hidden);
  const slots = indices[0]?.length ?? 2;
  return [
    rng.normalTensor([tokens, hidden]) as Tensor2D,
    rng.normalTensor([tokens, slots]) as Tensor2D,
    rng.normalTensor([experts, 2 * inner, hidden], 0, 0.5) as Tensor3D,
    rng.normalTensor([experts, hidden, inner], 0, 0.5) as Tensor3D,
  ];
}

/** y and the gradients of ⟨dy, y⟩, slot by slot in float64. */
async function slotBySlot({ hidden, inner, indices }: Layer, inputs: Inputs, dy: Tensor) {
  const [x, weights, up, down, cotangent] = (await Promise.all(
    [...inputs, dy].map(tensor => tensor.data()),
  )) as Float32Array[] as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
  const [y, dx, dWeights, dUp, dDown] = [x, x, weights, up, down].map(
    ({ length }) => new Float64Array(length),
  ) as [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array];
  indices.flat().forEach((e, slot) => {
    if (e < 0) return;
    const t = Math.floor(slot / indices[0]!.length);
    const [row, upAt, downAt] = [t * hidden, e * 2 * inner * hidden, e * hidden * inner];
    const before = Array.from({ length: 2 * inner }, (_, r) => {
      let sum = 0;
      for (let h = 0; h < hidden; h++) sum += up[upAt + r * hidden + h]! * x[row + h]!;
      return sum;
    });
    for (let i = 0; i < inner; i++) {
      const [gate, lift] = [before[i]!, before[inner + i]!];
      const sigma = 1 / (1 + Math.exp(-gate));
      let pull = 0;
      for (let h = 0; h < hidden; h++) {
        const at = downAt + h * inner + i;
        y[row + h]! += weights[slot]! * down[at]! * gate * sigma * lift;
        dDown[at]! += weights[slot]! * cotangent[row + h]! * gate * sigma * lift;
        pull += cotangent[row + h]! * down[at]!;
      }
      dWeights[slot]! += pull * gate * sigma * lift;
      const slopes = [lift * sigma * (1 + gate * (1 - sigma)), gate * sigma];
      for (const [half, slope] of slopes.entries()) {
        for (let h = 0; h < hidden; h++) {
          const at = upAt + (half * inner + i) * hidden + h;
          dUp[at]! += weights[slot]! * pull * slope * x[row + h]!;
          dx[row + h]! += weights[slot]! * pull * slope * up[at]!;
        }
      }
    }
  });
  return { y, gradients: [dx, dWeights, dUp, dDown] as const };
}

describe.each(Object.entries(layers))('%s', (_, layer) => {
  it('has a plan of slots by expert', async () => {
    const slots = layer.indices.flat();
    const plan = dispatchPlan(indicesOf(layer), layer.experts);
    const live = slots.map((_, slot) => slot).filter(slot => slots[slot]! >= 0);
    const order = live.toSorted((a, b) => slots[a]! - slots[b]! || a - b);
    const found = [...(await plan.slotOfRow.data())];
    expect(found.slice(0, order.length)).toEqual(order);
    expect(found.slice(order.length).every(slot => slot === -1)).toBe(true);
    expect([...(await plan.rowOfSlot.data())]).toEqual(slots.map((_, slot) => order.indexOf(slot)));
    const bounds = Array.from(
      { length: layer.experts + 1 },
      (_, e) => live.filter(s => slots[s]! < e).length,
    );
    expect([...(await plan.offsets.data())]).toEqual(bounds);
  });

  it('is what slots give one by one, as one operation and as parts, forward and gradient', async () => {
    const inputs = draw(layer);
    const plan = dispatchPlan(indicesOf(layer), layer.experts);
    const parts = (...[x, weights, up, down]: Inputs): Tensor2D => {
      const h = groupedMatMul(dispatchRows(x, plan), up, plan.offsets);
      return combineRows(groupedMatMul(swiglu(h), down, plan.offsets), weights, plan);
    };
    const one = (...given: Inputs): Tensor2D => expertMixture(...given, plan);
    const dy = new Rng(99).normalTensor([layer.tokens, layer.hidden]);
    const asOp = (f: (...given: Inputs) => Tensor2D) => f as unknown as (...given: Tensor[]) => Tensor;
    const { y, gradients } = await slotBySlot(layer, inputs, dy);
    for (const [f, name] of [
      [one, 'one operation'],
      [parts, 'parts'],
    ] as const) {
      await near(f(...inputs), y, `y, ${name}`);
      const found = tf.grads(asOp(f))(inputs, dy);
      for (const [i, of] of ['x', 'weights', 'up', 'down'].entries())
        await near(found[i]!, gradients[i]!, `gradient of ${of}, ${name}`);
      // frozen experts: the same gradient of what comes in
      const [, , up, down] = inputs;
      const frozen = (x: Tensor, weights: Tensor): Tensor => f(x as Tensor2D, weights as Tensor2D, up, down);
      const incoming = tf.grads(frozen)([inputs[0], inputs[1]], dy);
      await near(incoming[0]!, gradients[0], `gradient of x, frozen experts, ${name}`);
      await near(incoming[1]!, gradients[1], `gradient of weights, frozen experts, ${name}`);
    }
  });

  it('is the same from the chosen experts on, without a plan', async () => {
    const inputs = draw(layer);
    const indices = indicesOf(layer);
    const planned = expertMixture(...inputs, dispatchPlan(indices, layer.experts));
    await near(routedMixture(...inputs, indices), await planned.data<'float32'>(), 'y');
  });
});

/** Float32 rounding of sums of a few hundred terms. */
async function near(found: Tensor, wanted: ArrayLike<number>, name: string): Promise<void> {
  const values = Array.from(wanted);
  const size = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  await expectClose(found, values, { name, tolerance: 5e-6 * (1 + size) });
}

it('keeps no tensor', async () => {
  const layer = layers['dropped slots']!;
  const inputs = draw(layer);
  const indices = indicesOf(layer);
  await noLeaks(() =>
    tf.tidy(() => {
      const plan = dispatchPlan(indices, layer.experts);
      tf.grads((...given: Tensor[]) => expertMixture(...(given as Inputs), plan))(inputs);
    }),
  );
});
