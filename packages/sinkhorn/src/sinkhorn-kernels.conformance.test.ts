/** Every kernel against the plain-ops reference on the same backend: sizes that fit no tile, and every option at once. */
import { Rng } from '@spectra/tensor';
import { testBackend } from '@spectra/testing';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SinkhornAttrs, SinkhornInputs } from './kernels/problem.ts';
import { OUTPUTS, sinkhornReference } from './kernels/reference.ts';
import { gradientReference } from './kernels/reference-gradient.ts';
import { differentiablePlan, sinkhornOp } from './sinkhorn-op.ts';

beforeAll(testBackend);

interface Case {
  readonly tokens: number;
  readonly experts: number;
  readonly iterations: number;
  readonly groups?: number;
  /** Padding, a closed expert, and potentials to start from. */
  readonly all?: boolean;
  /** Which tokens are padding, if any is; every fourth by default. */
  readonly padding?: (token: number) => boolean;
  readonly tolerance?: number;
  readonly epsilon?: number;
}

const CASES: Readonly<Record<string, Case>> = {
  'more blocks than one': { tokens: 300, experts: 7, iterations: 2, all: true },
  'more experts than a workgroup': { tokens: 19, experts: 300, iterations: 3, all: true },
  'groups, padding, a closed expert, a start': {
    tokens: 37,
    experts: 24,
    groups: 3,
    iterations: 4,
    all: true,
  },
  'a tolerance that stops some groups': {
    tokens: 40,
    experts: 8,
    groups: 2,
    iterations: 12,
    tolerance: 0.02,
    epsilon: 0.5,
  },
  'whole vectors, rows left over': { tokens: 33, experts: 8, iterations: 3 },
  'more steps than a chunk, rows left over, padding': { tokens: 46, experts: 16, iterations: 9, all: true },
  'one token': { tokens: 1, experts: 8, iterations: 2 },
  'one expert': { tokens: 5, experts: 1, iterations: 2 },
  'one token, one expert': { tokens: 1, experts: 1, iterations: 1 },
  'one token between padding': {
    tokens: 7,
    experts: 12,
    groups: 2,
    iterations: 3,
    all: true,
    padding: t => t !== 5,
  },
  'padding only': { tokens: 9, experts: 10, iterations: 2, all: true, padding: () => true },
  'an expert a group': { tokens: 11, experts: 4, groups: 4, iterations: 2 },
  'no step': { tokens: 21, experts: 9, iterations: 0, all: true },
  'costs of 1e4 temperatures': { tokens: 33, experts: 6, iterations: 3, epsilon: 1e-4 },
  'costs of 1e4 temperatures, whole vectors': { tokens: 66, experts: 16, iterations: 5, epsilon: 1e-4 },
  'costs of 1e4 temperatures, every option': {
    tokens: 41,
    experts: 18,
    groups: 2,
    iterations: 4,
    epsilon: 1e-4,
    all: true,
  },
  ...Object.fromEntries(
    Array.from({ length: 12 }, (_, seed) => drawn(seed)).map(drawn => [JSON.stringify(drawn), drawn]),
  ),
};

/** Sizes that nothing was made for, and costs of 1 to 1e4 temperatures. */
function drawn(seed: number): Case {
  const rng = new Rng(seed).split('sinkhorn');
  const groups = 1 + rng.integer(3);
  return {
    tokens: 1 + rng.integer(80),
    experts: groups * (1 + rng.integer(20)),
    groups,
    iterations: rng.integer(8),
    epsilon: 10 ** -rng.integer(5),
    all: rng.uniform() < 0.5,
  };
}

const random = (shape: number[], seed: number): Tensor => tf.randomUniform(shape, -1, 1, 'float32', seed);

function problem({ tokens, experts, all = false, padding = t => t % 4 === 1, ...rest }: Case): {
  inputs: SinkhornInputs;
  attrs: SinkhornAttrs;
} {
  const attrs: SinkhornAttrs = {
    epsilon: rest.epsilon ?? 0.05,
    iterations: rest.iterations,
    tolerance: rest.tolerance,
    gradient: 'unrolled',
    groups: rest.groups ?? 1,
  };
  const flags = (count: number, closed: (i: number) => boolean): Tensor1D =>
    tf.tensor1d(Array.from({ length: count }, (_, i) => (closed(i) ? 0 : 1)));
  const mask = all ? flags(tokens, padding) : undefined;
  return {
    attrs,
    inputs: {
      cost: unread(random([tokens, experts], 3) as Tensor2D, mask),
      mask,
      columnMass: all ? flags(experts, e => e % 7 === 1 && rest.groups !== experts) : undefined,
      start: all ? tf.mul(random([experts], 5), 0.1) : undefined,
    },
  };
}

/** Rows of padding NaN: nothing may come of them. */
function unread(x: Tensor2D, mask: Tensor1D | undefined): Tensor2D {
  return mask === undefined ? x : tf.where(tf.reshape(tf.greater(mask, 0), [-1, 1]), x, Number.NaN);
}

/** Largest |a − b| relative to 1 + |b|; infinities must agree. */
async function distance(a: Tensor, b: Tensor): Promise<number> {
  const [x, y] = await Promise.all([a.data(), b.data()]);
  expect(x.length).toBe(y.length);
  let most = 0;
  for (let i = 0; i < x.length; i++) {
    if (Number.isFinite(y[i])) most = Math.max(most, Math.abs(x[i]! - y[i]!) / (1 + Math.abs(y[i]!)));
    else expect(x[i]).toBe(y[i]);
    expect(Number.isNaN(x[i])).toBe(false);
  }
  return most;
}

describe.each(Object.entries(CASES))('%s', (_, given) => {
  // the rounding of a cost, in temperatures
  const tolerance = 2e-5 + 2e-7 / (given.epsilon ?? 0.05);

  it('forward', async () => {
    const { inputs, attrs } = problem(given);
    const [ours, theirs] = [sinkhornOp(inputs, attrs), sinkhornReference(inputs, attrs)];
    for (const [i, name] of OUTPUTS.entries()) {
      if (name === 'history') continue; // rows after the last step are the backend's own
      expect(await distance(ours[i]!, theirs[i]!), name).toBeLessThan(tolerance);
    }
  });

  it('gradient', async () => {
    const { inputs, attrs } = problem(given);
    const { cost, columnMass } = inputs;
    const mask = inputs.mask as Tensor1D | undefined;
    const cotangent = unread(random([given.tokens, given.experts], 9) as Tensor2D, mask);
    const [plan, , , history, steps] = sinkhornReference(inputs, attrs) as [
      Tensor2D,
      Tensor,
      Tensor,
      Tensor2D,
      Tensor,
    ];
    const ours = tf.grad((c: Tensor) => {
      const given = { cost: c as Tensor2D, mask, columnMass, plan, history, steps };
      return tf.sum(tf.mul(differentiablePlan(given, attrs)[0]!, cotangent));
    })(cost);
    const [theirs] = gradientReference({ cost, mask, columnMass, plan, history, steps, cotangent }, attrs);
    const size = 1 / attrs.epsilon;
    expect(await distance(tf.div(ours, size), tf.div(theirs!, size))).toBeLessThan(tolerance);
  });
});
