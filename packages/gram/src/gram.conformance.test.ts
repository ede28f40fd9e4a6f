/** Golden values (PyTorch, NumPy in float64), forward and gradient, on the backend under test. */
import { Rng } from '@spectra/tensor';
import { expectClose, fixture, noLeaks, testBackend } from '@spectra/testing';
import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  expertMean,
  gramMatrix,
  gramOrthogonality,
  gramOrthogonalityCeiling,
  gramOrthogonalityReference,
  newtonSchulz,
  orthogonal,
  orthogonalityLoss,
  orthogonalLoss,
} from './index.ts';

/** tf.grad that keeps the input's type. */
function gradOf<T extends Tensor>(f: (x: T) => Tensor): (x: T) => T {
  return x => tf.grad(f as (x: Tensor) => Tensor)(x) as T;
}

beforeAll(testBackend);

describe('orthogonalisation', () => {
  const golden = fixture('gram');
  for (const [name, { params, scalars }] of Object.entries(golden.cases)) {
    const close = (actual: Tensor | number, array: string) =>
      expectClose(
        actual,
        golden.has(`${name}.${array}`) ? golden.array(`${name}.${array}`) : [scalars[array]!],
        {
          case: name,
          name: array,
          error: golden.error(name, array),
        },
      );
    it(name, async () => {
      if (golden.has(`${name}.gaussian`)) {
        await close(orthogonal(golden.tensor(`${name}.gaussian`) as Tensor2D, params.gain as number), 'W');
        return;
      }
      const W = golden.tensor(`${name}.W`) as Tensor2D;
      const cotangent = golden.tensor(`${name}.cot_Y`);
      const steps = params.steps as number;
      const Y = newtonSchulz(W, steps);
      await close(Y, 'Y');
      await close(gradOf((w: Tensor2D) => tf.sum(tf.mul(newtonSchulz(w, steps), cotangent)))(W), 'grad_W');
      await close(tf.reshape(orthogonalLoss(W), [1]), 'orthogonal_loss');
      await close(gradOf(orthogonalLoss)(W), 'grad_W_of_orthogonal_loss');
      await close(tf.reshape(tf.sqrt(orthogonalLoss(Y)), [1]), 'residual');
    });
  }
});

describe('orthogonality loss', () => {
  const golden = fixture('losses');
  for (const [name, { scalars }] of Object.entries(golden.cases)) {
    it(name, async () => {
      const X = golden.tensor(`${name}.X`) as Tensor3D;
      const mask = golden.has(`${name}.mask`) ? (golden.tensor(`${name}.mask`) as Tensor1D) : undefined;
      const terms = (x: Tensor3D) => orthogonalityLoss(gramMatrix(expertMean(x, mask)));
      const error = (array: string) => ({ case: name, name: array, error: golden.error(name, array) });
      await expectClose(gramMatrix(expertMean(X, mask)), golden.array(`${name}.gram`), error('gram'));
      const found = terms(X);
      for (const [term, label] of [
        ['frobenius', 'frobenius_squared'],
        ['spectral', 'spectral_squared'],
        ['loss', 'orthogonality'],
      ] as const) {
        await expectClose(tf.reshape(found[term], [1]), [scalars[label]!], error(label));
        const gradient = gradOf((x: Tensor3D) => terms(x)[term] as Scalar)(X);
        const array = `grad_X_of_${label}`;
        const goldenGradient = golden.array(`${name}.${array}`);
        // power iteration comes within 1e-4·max of the spectral gradient
        const largest = Math.max(...Array.from(goldenGradient.data as Float64Array, Math.abs));
        const extra = term === 'frobenius' ? 0 : 1e-5 * largest;
        await expectClose(gradient, goldenGradient, { ...error(array), error: error(array).error + extra });
      }
    });
  }
});

/** Sizes that end within a tile, a workgroup and what one workgroup takes. */
describe.each([1, 2, 3, 5, 17, 33, 65, 128, 129])('spectral term of %i experts', E => {
  /** Q Λ Q with the reflection Q = I − 2uuᵀ, and its first eigenvector. */
  const symmetric = (eigenvalues: readonly number[]) => {
    const drawn = new Rng(E).fillNormal(new Float32Array(E));
    const length = Math.hypot(...drawn);
    const Q = (i: number, e: number): number =>
      Number(i === e) - (2 * drawn[i]! * drawn[e]!) / (length * length);
    const entry = (i: number, e: number): number =>
      eigenvalues.reduce((sum, x, k) => sum + x * Q(i, k) * Q(k, e), 0);
    return { A: square(entry), v: (i: number) => Q(i, 0) };
  };
  const square = (entry: (i: number, e: number) => number): Float32Array =>
    Float32Array.from({ length: E * E }, (_, at) => entry(Math.floor(at / E), at % E));

  it.each([1.3, -1.3])('with the largest eigenvalue %d, and its gradient', async largest => {
    const rng = new Rng(E).split('eigenvalues');
    const { A, v } = symmetric(Array.from({ length: E }, (_, k) => (k === 0 ? largest : rng.uniform(-1, 1))));
    const gram = tf.add(tf.tensor2d(A, [E, E]), tf.eye(E)) as Tensor2D;
    await expectClose(tf.reshape(orthogonalityLoss(gram).spectral, [1]), [largest ** 2], { tolerance: 1e-5 });
    const gradient = gradOf((g: Tensor2D) => orthogonalityLoss(g).spectral)(gram);
    const wanted = square((i, e) => 2 * largest * v(i) * v(e));
    await expectClose(gradient, wanted, { tolerance: 1e-5 });
  });

  it('of orthogonal and of equal experts', async () => {
    const eye = tf.eye(E) as Tensor2D;
    const ofGram = (g: Tensor2D) => orthogonalityLoss(g).spectral;
    await expectClose(tf.reshape(ofGram(eye), [1]), [0]);
    await expectClose(
      gradOf(ofGram)(eye),
      square(() => 0),
    );
    const equal = tf.ones([E, E]) as Tensor2D;
    await expectClose(tf.reshape(ofGram(equal), [1]), [(E - 1) ** 2], { tolerance: 1e-5 * E ** 2 });
    // two experts have eigenvalues 1 and −1, and more than one gradient: each grows the square twice as fast as A grows
    const alongA = tf.sum(tf.mul(gradOf(ofGram)(equal), tf.sub(equal, eye)));
    await expectClose(tf.reshape(alongA, [1]), [2 * (E - 1) ** 2], { tolerance: 2e-5 * E ** 2 });
  });
});

describe('gram orthogonality', () => {
  const golden = fixture('metrics');
  for (const [name, facts] of Object.entries(golden.cases).filter(([found]) => found.startsWith('gram_'))) {
    it(name, async () => {
      const metrics = facts.metrics as Record<string, number>;
      const mean = golden.tensor(`${name}.expert_mean`) as Tensor2D;
      const gram = gramMatrix(mean);
      const label = { case: name, tolerance: 1e-6 };
      await expectClose(tf.reshape(gramOrthogonality(gram), [1]), [metrics.gram_orthogonality!], label);
      await expectClose(
        tf.reshape(gramOrthogonalityReference(gram), [1]),
        [metrics.gram_orthogonality_reference!],
        label,
      );
      expect(gramOrthogonalityCeiling(...mean.shape)).toBeCloseTo(metrics.limit!, 12);
    });
  }
});

it('leaves no tensors behind', async () => {
  const golden = fixture('losses');
  const X = golden.tensor('plain.X') as Tensor3D;
  await noLeaks(() => gradOf((x: Tensor3D) => orthogonalityLoss(gramMatrix(expertMean(x))).loss)(X));
  const W = tf.randomNormal([6, 9], 0, 1, 'float32', 1) as Tensor2D;
  await noLeaks(() => gradOf((w: Tensor2D) => tf.sum(newtonSchulz(w)))(W));
  await noLeaks(() => orthogonal(W));
});
