import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { adamwStep } from './adamw.ts';
import { pseudoRandom } from './oracle.ts';

beforeAll(testBackend);

const HYPER = { lr: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-6, weightDecay: 0.1, step: 1, gradScale: 1 };

test.each([1, 3, 4, 30, 67, 130])('a few steps of %i parameters', async size => {
  const hyper = { lr: 0.05, beta1: 0.9, beta2: 0.99, eps: 1e-6, weightDecay: 0.1, gradScale: 0.5 };
  let exact = [pseudoRandom(size, 1), new Float64Array(size), new Float64Array(size)] as const;
  let found: tf.Tensor[] = exact.map(values => tf.tensor1d(Float32Array.from(values)));
  for (let step = 1; step <= 4; step++) {
    const grad = pseudoRandom(size, 10 + step);
    const [p, m, v] = exact;
    const first = m.map((x, i) => hyper.beta1 * x + (1 - hyper.beta1) * grad[i]! * hyper.gradScale);
    const second = v.map((x, i) => hyper.beta2 * x + (1 - hyper.beta2) * (grad[i]! * hyper.gradScale) ** 2);
    exact = [
      p.map((x, i) => {
        const moved = first[i]! / (1 - hyper.beta1 ** step);
        const size = Math.sqrt(second[i]! / (1 - hyper.beta2 ** step)) + hyper.eps;
        return x - hyper.lr * hyper.weightDecay * x - (hyper.lr * moved) / size;
      }),
      first,
      second,
    ];
    const [param, firstMoment, secondMoment] = found;
    const g = tf.tensor1d(Float32Array.from(grad));
    const before = tf.memory().numTensors;
    const next = adamwStep({ param: param!, m: firstMoment!, v: secondMoment!, grad: g }, { ...hyper, step });
    expect(tf.memory().numTensors - before).toBe(3);
    tf.dispose([...found, g]);
    found = next;
  }
  for (const [i, name] of ['p', 'm', 'v'].entries())
    await expectClose(found[i]!, exact[i]!, { name, tolerance: 3e-6 });
  tf.dispose(found);
});

test('a clone of what a step uses up keeps its values', async () => {
  const [param, m, v, grad] = [1, 2, 3, 4].map(seed =>
    tf.tensor1d(Float32Array.from(pseudoRandom(6, seed)).map(Math.abs)),
  );
  const kept = param!.clone();
  const before = [...(await kept.data())];
  const next = adamwStep({ param: param!, m: m!, v: v!, grad: grad! }, HYPER);
  expect([...(await kept.data())]).toEqual(before);
  expect([...(await next[0].data())]).not.toEqual(before);
  expect(() => adamwStep({ param: kept, m: m!, v: m!, grad: grad! }, HYPER)).toThrow(/one tensor/);
  tf.dispose([param!, m!, v!, grad!, kept, ...next]);
});
