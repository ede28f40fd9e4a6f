/** Every kernel against the plain-ops reference on the same backend: sizes that fit no tile, and every option at once. */
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
  'costs of 1e4 temperatures': { tokens: 33, experts: 6, iterations: 3, epsilon: 1e-4 },
};

const random = (shape: number[], seed: number): Tensor => tf.randomUniform(shape, -1, 1, 'float32', seed);

function problem({ tokens, experts, all = false, ...rest }: Case): {
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
  const flags = (count: number, every: number): Tensor1D =>
    tf.tensor1d(Array.from({ length: count }, (_, i) => (i % every === 1 ? 0 : 1)));
  return {
    attrs,
    inputs: {
      cost: random([tokens, experts], 3) as Tensor2D,
      mask: all ? flags(tokens, 4) : undefined,
      columnMass: all ? flags(experts, 7) : undefined,
      start: all ? tf.mul(random([experts], 5), 0.1) : undefined,
    },
  };
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
  // 1e4 temperatures carry 5e-4 in float32
  const tolerance = given.epsilon === 1e-4 ? 2e-3 : 2e-5;

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
    const cotangent = random([given.tokens, given.experts], 9) as Tensor2D;
    const [plan, , , history, steps] = sinkhornReference(inputs, attrs) as [
      Tensor2D,
      Tensor,
      Tensor,
      Tensor2D,
      Tensor,
    ];
    const { cost, mask, columnMass } = inputs;
    const ours = tf.grad((c: Tensor) => {
      const given = { cost: c as Tensor2D, mask, columnMass, plan, history, steps };
      return tf.sum(tf.mul(differentiablePlan(given, attrs)[0]!, cotangent));
    })(cost);
    const [theirs] = gradientReference({ cost, mask, columnMass, plan, history, steps, cotangent }, attrs);
    const size = 1 / attrs.epsilon;
    expect(await distance(tf.div(ours, size), tf.div(theirs!, size))).toBeLessThan(tolerance);
  });
});
