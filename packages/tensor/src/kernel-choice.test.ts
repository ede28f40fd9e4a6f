import * as tf from '@tensorflow/tfjs-core';
import { afterAll, expect, test, vi } from 'vitest';

// before anything reads it
const before = vi.hoisted(() => {
  const found = process.env.SPECTRA_KERNELS;
  process.env.SPECTRA_KERNELS = 'reference';
  return found;
});

import { defineOp, kernelChoice, setBackend } from './index.ts';
import { stockKernel } from './kernels/wasm/stock.ts';

afterAll(() => {
  if (before === undefined) delete process.env.SPECTRA_KERNELS;
  else process.env.SPECTRA_KERNELS = before;
});

test('SPECTRA_KERNELS=reference runs neither fused kernels nor replacements of stock ones', async () => {
  expect((await setBackend('wasm')).kernels).toBe('reference');
  expect(kernelChoice()).toBe('reference');
  const twice = defineOp<{ x: tf.Tensor }, object>({
    name: 'TestTwice',
    reference: ({ x }) => [tf.mul(x, 2)],
    kernels: {
      wasm: () => {
        throw new Error('the fused kernel ran');
      },
    },
  });
  expect([...(await twice({ x: tf.tensor1d([1, 2]) }, {})[0]!.data())]).toEqual([2, 4]);
  expect(stockKernel('BatchMatMul')).toBeUndefined();
  const product = tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3, 4]]), false, true);
  expect([...(await product.data())]).toEqual([11]);
});

test('repairs of tfjs stay', async () => {
  const { repairs } = await setBackend('wasm');
  expect(repairs).toContain('segment-sum-wasm');
  expect([...(await tf.clipByValue(tf.tensor1d([Number.NaN, 5]), 0, 1).data())]).toEqual([Number.NaN, 1]);
});

test('another word is an error', async () => {
  vi.resetModules();
  process.env.SPECTRA_KERNELS = 'fast';
  const { kernelChoice: fresh } = await import('./kernel-choice.ts');
  expect(() => fresh()).toThrow(/SPECTRA_KERNELS is 'fast'.*fused or reference/s);
  process.env.SPECTRA_KERNELS = 'reference';
});
