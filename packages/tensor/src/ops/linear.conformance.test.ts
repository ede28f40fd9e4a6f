import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { linear } from './linear.ts';
import { checkOp } from './oracle.ts';

beforeAll(testBackend);

test.each([
  [0, 3, 4],
  [1, 1, 1],
  [1, 9, 21],
  [7, 5, 17],
  [13, 12, 16],
  [1, 40, 70],
  [17, 33, 19],
  [70, 3, 5],
])('%i rows of %i numbers to %i', async (n, inputs, outputs) => {
  await checkOp({
    shapes: { x: [n, inputs], weight: [outputs, inputs], bias: [outputs] },
    op: ({ x, weight, bias }) => linear(x as tf.Tensor2D, weight as tf.Tensor2D, bias as tf.Tensor1D),
    oracle: ({ x, weight, bias }) =>
      Float64Array.from({ length: n * outputs }, (_, i) => {
        const [row, out] = [Math.floor(i / outputs), i % outputs];
        let sum = bias![out]!;
        for (let k = 0; k < inputs; k++) sum += x![row * inputs + k]! * weight![out * inputs + k]!;
        return sum;
      }),
  });
});

test('bad shapes are named', () => {
  const [x, weight, bias] = [tf.zeros([2, 3]), tf.zeros([4, 3]), tf.zeros([4])];
  expect(() => linear(x as tf.Tensor2D, weight as tf.Tensor2D, x as unknown as tf.Tensor1D)).toThrow(
    /linear bias/,
  );
  expect(() => linear(weight.transpose() as tf.Tensor2D, weight as tf.Tensor2D, bias as tf.Tensor1D)).toThrow(
    /linear x/,
  );
  tf.dispose([x, weight, bias]);
});
