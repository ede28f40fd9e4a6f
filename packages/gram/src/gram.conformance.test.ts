/** Golden values (PyTorch, NumPy in float64), forward and gradient, on the backend under test. */
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
