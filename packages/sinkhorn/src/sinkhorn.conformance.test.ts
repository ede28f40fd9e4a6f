/** Golden values (POT, ott-jax, PyTorch in float64), forward and gradient, on the backend under test. */
import type { FixtureCase, GoldenArray } from '@spectra/testing';
import { backendUnderTest, expectClose, fixture, noLeaks, testBackend } from '@spectra/testing';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SinkhornOptions, SinkhornResult } from './index.ts';
import { adaptiveEpsilon, checkSinkhorn, sinkhorn } from './index.ts';

const golden = fixture('sinkhorn');

interface Loaded {
  readonly cost: Tensor2D;
  readonly options: SinkhornOptions;
  /** The rows that plans and gradients are stored for. */
  readonly rows: GoldenArray | undefined;
  /** [N,E], zero elsewhere. */
  readonly cotangent: Tensor2D | undefined;
}

function load(name: string, { params }: FixtureCase): Loaded {
  const optional = (array: string): Tensor1D | undefined =>
    golden.has(`${name}.${array}`) ? (golden.tensor(`${name}.${array}`) as Tensor1D) : undefined;
  const cost = golden.tensor(`${name}.cost`) as Tensor2D;
  const rows = golden.has(`${name}.rows`) ? golden.array(`${name}.rows`) : undefined;
  const options = {
    epsilon: params.eps as number,
    mask: optional('mask'),
    columnMass: optional('column_mass'),
    start: optional('start'),
  };
  let cotangent = golden.has(`${name}.cot_plan`)
    ? (golden.tensor(`${name}.cot_plan`) as Tensor2D)
    : undefined;
  if (cotangent !== undefined && rows !== undefined) {
    const [N, E] = cost.shape;
    const full = new Float32Array(N * E);
    const given = golden.array(`${name}.cot_plan`).data;
    rows.data.forEach((row, i) => {
      full.set(given.subarray(i * E, (i + 1) * E) as Float32Array, row * E);
    });
    cotangent = tf.tensor2d(full, [N, E]);
  }
  return { cost, options, rows, cotangent };
}

async function picked(tensor: Tensor2D, rows: GoldenArray | undefined): Promise<GoldenArray> {
  const data = (await tensor.data()) as Float32Array;
  const E = tensor.shape[1];
  if (rows === undefined) return { dtype: 'F32', shape: tensor.shape, data };
  const chosen = new Float32Array(rows.data.length * E);
  rows.data.forEach((row, i) => {
    chosen.set(data.subarray(row * E, (row + 1) * E), i * E);
  });
  return { dtype: 'F32', shape: [rows.data.length, E], data: chosen };
}

function gradient(cost: Tensor2D, cotangent: Tensor2D, options: SinkhornOptions): Tensor2D {
  return tf.tidy(() =>
    gradOf((c: Tensor2D) => tf.sum(tf.mul(sinkhorn(c, options).plan, cotangent)))(cost),
  ) as Tensor2D;
}

/**
 * GPUs and TensorFlow flush denormals. The gradients of nearly one-hot rows are denormals themselves, up to 1e-40, so no
 * other way of computing them would keep them; nothing else may be lost.
 */
const FLUSHED = ['webgpu', 'tensorflow'].includes(backendUnderTest()) ? 2 ** -126 : 0;

/** tf.grad that keeps the input's type. */
function gradOf<T extends Tensor>(f: (x: T) => Tensor): (x: T) => T {
  return x => tf.grad(f as (x: Tensor) => Tensor)(x) as T;
}

beforeAll(testBackend);

describe('golden plans', () => {
  for (const [name, facts] of Object.entries(golden.cases)) {
    for (const T of (facts.params.iterations as number[] | undefined) ?? []) {
      it(`${name}, ${T} iterations`, async () => {
        const { cost, options: given, rows, cotangent } = load(name, facts);
        const options: SinkhornOptions = { ...given, iterations: T };
        const close = (actual: Tensor | GoldenArray, array: string) =>
          expectClose(actual, golden.array(`${name}.T${T}.${array}`), {
            case: name,
            name: `T${T}.${array}`,
            error: golden.error(name, `T${T}.${array}`) + FLUSHED,
          });
        const result = sinkhorn(cost, options);
        await close(await picked(result.plan, rows), 'plan');
        await close(result.f, 'f');
        await close(result.g, 'g');
        const columns = tf.sum(result.plan, 0);
        await close(columns, 'column_sums');
        const report = await checkSinkhorn(result);
        const expected = (facts.results as Record<string, { column_error: number }>)[`T${T}`]!;
        expect(report.steps).toBe(T);
        const live = tf.util.sizeFromShape(result.f.shape);
        const slack =
          ((10 * golden.error(name, `T${T}.column_sums`) + 1e-5) * cost.shape[1]) /
          Math.min(live, cost.shape[0]);
        expect(Math.abs(report.columnError - expected.column_error)).toBeLessThan(10 * slack + 1e-5);
        expect(report.rowError).toBeLessThan(2e-3); // |C|/ε of 1e4 carries 5e-4 in float32
        if (cotangent !== undefined)
          await close(await picked(gradient(cost, cotangent, options), rows), 'grad_cost');
      });
    }
  }
});

describe('converged', () => {
  for (const name of Object.keys(golden.cases).filter(found => golden.has(`${found}.converged.grad_cost`))) {
    it(name, async () => {
      const facts = golden.cases[name]!;
      const { cost, options: given, rows, cotangent } = load(name, facts);
      const most = Math.max(...(facts.params.iterations as number[]));
      const longest = `T${most}`;
      const left = (facts.results as Record<string, { column_error: number }>)[longest]!.column_error;
      // many steps only where the golden run itself still had a way to go
      const options: SinkhornOptions = {
        ...given,
        iterations: left < 1e-6 ? 2 * most : 300,
        gradient: 'implicit',
      };
      const close = (actual: Tensor | GoldenArray, array: string) =>
        expectClose(actual, golden.array(`${name}.converged.${array}`), {
          case: name,
          name: `converged.${array}`,
          error: golden.error(name, `${longest}.${array}`),
          factor: 5, // float32 also stops short of the fixed point
        });
      let result: SinkhornResult | undefined;
      const implicit = gradOf((c: Tensor2D) => {
        result = sinkhorn(c, options);
        for (const tensor of Object.values(result)) tf.keep(tensor);
        return tf.sum(tf.mul(result.plan, cotangent!));
      })(cost);
      await close(await picked(result!.plan, rows), 'plan');
      await close(result!.g, 'g');
      expect((await checkSinkhorn(result!)).converged).toBe(true);
      await close(await picked(implicit, rows), 'grad_cost');
    });
  }
});

it('adaptive temperature', () => {
  const { params, runs } = golden.cases.adaptive! as unknown as {
    params: { eps: number; cv_max: number };
    runs: { cv_ema: number | null; eps: number }[];
  };
  for (const run of runs) {
    expect(adaptiveEpsilon(params.eps, run.cv_ema ?? undefined, params.cv_max)).toBeCloseTo(run.eps, 12);
  }
});

it('stops at a tolerance', async () => {
  const { params, runs } = golden.cases.tolerance! as unknown as {
    params: { eps: number };
    runs: {
      tolerance: number;
      iterations: number;
      converged: boolean;
      column_error: number;
      float32_iterations_used: number;
    }[];
  };
  const cost = golden.tensor('tolerance.cost') as Tensor2D;
  const cotangent = tf.randomNormal(cost.shape, 0, 1, 'float32', 1) as Tensor2D;
  for (const run of runs) {
    // WebGPU runs every step it may: a few beyond the stop show that g is frozen there
    const enough = backendUnderTest() === 'webgpu' ? run.float32_iterations_used + 5 : run.iterations;
    const iterations = Math.min(run.iterations, enough);
    const options = { epsilon: params.eps, iterations, tolerance: run.tolerance };
    const report = await checkSinkhorn(sinkhorn(cost, options));
    expect(Math.abs(report.steps - run.float32_iterations_used)).toBeLessThanOrEqual(1);
    expect(report.converged).toBe(run.converged);
    if (report.steps === run.float32_iterations_used) {
      expect(Math.abs(report.columnError - run.column_error)).toBeLessThan(2e-6);
    }
    // the gradient is that of the steps taken
    const stopped = gradient(cost, cotangent, options);
    const counted = gradient(cost, cotangent, { epsilon: params.eps, iterations: report.steps });
    await expectClose(stopped, await counted.data(), { tolerance: 1e-4 });
  }
});

it('leaves no tensors behind', async () => {
  const { cost, options, cotangent } = load('random', golden.cases.random!);
  for (const kind of ['unrolled', 'detached', 'implicit'] as const) {
    await noLeaks(() =>
      gradient(cost, cotangent!, { ...options, gradient: kind, tolerance: 1e-2, iterations: 8 }),
    );
  }
  await noLeaks(() => sinkhorn(cost, options));
});
