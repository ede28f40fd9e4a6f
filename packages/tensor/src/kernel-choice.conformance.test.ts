import { backendUnderTest } from '@spectra/testing';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, expect, test, vi } from 'vitest';

// before anything reads it
const before = vi.hoisted(() => {
  const found = process.env.SPECTRA_KERNELS;
  process.env.SPECTRA_KERNELS = 'reference';
  return found;
});

import {
  causalAttention,
  defineOp,
  kernelChoice,
  readsAtOnce,
  rmsNorm,
  setBackend,
  swiglu,
} from './index.ts';
import { stockKernel } from './kernels/wasm/stock.ts';

afterAll(() => {
  if (before === undefined) delete process.env.SPECTRA_KERNELS;
  else process.env.SPECTRA_KERNELS = before;
});

const ran = (): never => {
  throw new Error('the fused kernel ran');
};
/** An op whose kernels all fail. */
const twice = (name: string, readsBack: boolean) =>
  defineOp<{ x: tf.Tensor }, object>({
    name,
    readsBack,
    reference: ({ x }) => [tf.mul(x, 2)],
    kernels: { wasm: ran, webgpu: ran, tensorflow: ran },
  });

test('SPECTRA_KERNELS=reference runs neither fused kernels nor replacements of stock ones', async () => {
  const { kernels } = await setBackend(backendUnderTest());
  expect(kernels).toMatch(/^reference/);
  expect(kernelChoice()).toBe('reference');
  const op = twice('TestTwice', false);
  expect([...(await op({ x: tf.tensor1d([1, 2]) }, {})[0]!.data())]).toEqual([2, 4]);
  expect(stockKernel('BatchMatMul')).toBeUndefined();
  const product = tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3, 4]]), false, true);
  expect([...(await product.data())]).toEqual([11]);
});

test('only what would read back a device that cannot be keeps its kernels, and the report names it', async () => {
  const name = backendUnderTest();
  const op = twice('TestReadsBack', true);
  const { kernels } = await setBackend(name);
  const run = () => op({ x: tf.tensor1d([1, 2]) }, {})[0]!;
  expect(kernels.includes('TestReadsBack')).toBe(!readsAtOnce(name));
  if (!readsAtOnce(name)) expect(run).toThrow('the fused kernel ran');
  else expect([...(await run().data())]).toEqual([2, 4]);
});

test.runIf(backendUnderTest() === 'webgpu')('no shader of ours is compiled', async () => {
  await setBackend('webgpu');
  const { device } = tf.backend() as WebGPUBackend;
  const compiled = vi.spyOn(device, 'createShaderModule');
  const x = tf.randomNormal([6, 8], 0, 1, 'float32', 1);
  const loss = (y: tf.Tensor): tf.Tensor => {
    const normed = rmsNorm(
      swiglu(tf.matMul(y as tf.Tensor2D, y as tf.Tensor2D, false, true)),
      tf.ones([3]),
      1e-5,
    );
    const heads = normed.reshape([1, 6, 1, 3]) as tf.Tensor4D;
    return tf.sum(causalAttention(heads, heads, heads));
  };
  await tf.grad(loss)(x).data();
  const sources = compiled.mock.calls.map(([{ code }]) => code);
  expect(sources.length).toBeGreaterThan(5);
  // what every shader of `runShader` has
  expect(sources.filter(code => code.includes('struct Parameters { workgroups'))).toEqual([]);
  compiled.mockRestore();
});

test.runIf(backendUnderTest() === 'wasm')('repairs of tfjs stay', async () => {
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
