import { expertMean, gramMatrix, orthogonalityLoss } from '@spectra/gram';
import { Rng } from '@spectra/tensor';
import { expectClose, fixture, gradientsOf, testBackend } from '@spectra/testing';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { entropyLoss, type LossWeights, warmup, weightedLoss, zLoss } from './losses.ts';
import { specialityLoss } from './speciality.ts';

const golden = fixture('losses');

/** Rows of probabilities that end within a vector and a workgroup, zeros among them. */
describe.each([
  [0, 3],
  [1, 1],
  [1, 7],
  [5, 4],
  [67, 3],
  [3, 130],
])('entropy of %i rows of %i', (rows, width) => {
  beforeAll(testBackend);

  it('is the definition, with its gradient', async () => {
    const raw = new Rng(rows + width).fillUniform(new Float32Array(rows * width));
    const p = raw.map((x, i) => (i % 5 === 3 ? 0 : x));
    const mask = Array.from({ length: rows }, (_, t) => (t % 4 === 2 ? 0 : 1));
    const live = mask.filter(m => m === 1).length;
    const at = (f: (x: number) => number): number[] =>
      Array.from(p, (x, i) => (x > 0 && mask[Math.floor(i / width)] === 1 ? f(x) / live : 0));
    const { value, gradients } = gradientsOf(({ leaf }) => entropyLoss(leaf as Tensor2D, tf.tensor1d(mask)), {
      leaf: tf.tensor2d(p, [rows, width]),
    });
    await expectClose(
      value,
      at(x => -x * Math.log(x)).reduce((a, b) => a + b, 0),
      { tolerance: 2e-5 },
    );
    await expectClose(
      gradients.leaf,
      at(x => -Math.log(x) - 1),
      { tolerance: 2e-6 },
    );
  });
});

describe('losses at stored P, R, X and cost', () => {
  beforeAll(testBackend);

  for (const [name, { params, scalars }] of Object.entries(golden.cases)) {
    const epsilon = params.eps as number;
    const load = (key: string): Tensor => golden.tensor(`${name}.${key}`);
    const mask = (): { mask?: Tensor } => (golden.has(`${name}.mask`) ? { mask: load('mask') } : {});
    const terms: Record<string, [string, (leaf: Tensor, mask: Tensor | undefined) => Tensor]> = {
      entropy: ['P', (p, m) => entropyLoss(p as Tensor2D, m)],
      speciality: ['R', (r, m) => specialityLoss(r as Tensor3D, m)],
      z: ['cost', (c, m) => zLoss(c as Tensor2D, epsilon, m)],
      orthogonality: [
        'X',
        (x, m) => orthogonalityLoss(gramMatrix(expertMean(x as Tensor3D, m as Tensor1D))).loss,
      ],
    };

    for (const [term, [leaf, loss]] of Object.entries(terms)) {
      it(`${name}: ${term} and its gradient`, async () => {
        const input = load(leaf);
        const { mask: m } = mask();
        const { value, gradients } = gradientsOf(({ leaf: t }) => loss(t, m), { leaf: input });
        const label = (key: string) => ({ case: name, name: key, error: golden.error(name, key) });
        await expectClose(value, scalars[term]!, label(term));
        const key = `grad_${leaf}_of_${term}`;
        // the spectral part is made by power iteration: its gradient is within 1e-4 of the largest
        const expected = golden.array(`${name}.${key}`);
        const largest = Math.max(...Array.from(expected.data, Math.abs));
        const factor = term === 'orthogonality' ? { tolerance: 1e-4 * largest } : {};
        await expectClose(gradients.leaf, expected, { ...label(key), ...factor });
        tf.dispose([input, value, gradients.leaf]);
        if (m !== undefined) m.dispose();
      });
    }

    it(`${name}: weighted total`, async () => {
      const { mask: m } = mask();
      const total = tf.tidy(() => {
        const values = Object.fromEntries(
          Object.entries(terms).map(([term, [leaf, loss]]) => [term, loss(load(leaf), m)]),
        ) as unknown as Parameters<typeof weightedLoss>[0];
        const share = warmup(params.step as number, params.warmup_steps as number);
        return weightedLoss(values, params.weights as unknown as LossWeights, share);
      });
      await expectClose(total, scalars.total!, { case: name, name: 'total', tolerance: 1e-6 });
      tf.dispose([total, m ?? []]);
    });
  }
});
