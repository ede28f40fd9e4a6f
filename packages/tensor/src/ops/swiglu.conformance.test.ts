import { testBackend } from '@spectra/testing';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { checkOp } from './oracle.ts';
import { swiglu } from './swiglu.ts';

beforeAll(testBackend);

test.each([
  [0, 3],
  [1, 1],
  [3, 4],
  [5, 7],
  [4, 26],
  [1, 33],
  [67, 3],
])('swiglu of %i rows to %i', async (rows, width) => {
  await checkOp({
    shapes: { h: [rows, 2 * width] },
    op: ({ h }) => swiglu(h as Tensor2D),
    oracle: ({ h }) =>
      Float64Array.from({ length: rows * width }, (_, i) => {
        const at = Math.floor(i / width) * 2 * width + (i % width);
        const gate = h![at]!;
        return (gate / (1 + Math.exp(-gate))) * h![at + width]!;
      }),
    range: 6,
  });
});

test('an odd width is refused', async () => {
  const { tensor2d } = await import('@tensorflow/tfjs-core');
  const h = tensor2d([[1, 2, 3]]);
  expect(() => swiglu(h)).toThrow(/even width/);
  h.dispose();
});
