/** What depends on the device and not on an op: large grids, subgroups, and buffers used again within a submit. */
import { backendUnderTest, testBackend } from '@spectra/testing';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { crossEntropy } from '../../ops/cross-entropy.ts';
import { gatherRows } from '../../ops/gather-rows.ts';
import { pseudoRandom } from '../../ops/oracle.ts';
import { rmsNorm } from '../../ops/rms-norm.ts';
import { ordersSubgroups, useSubgroups } from './subgroups.ts';

beforeAll(testBackend);

const random = (shape: number[], seed: number, range = 1): tf.Tensor =>
  tf.tensor(Float32Array.from(pseudoRandom(tf.util.sizeFromShape(shape), seed, range)), shape);

function device(): GPUDevice | undefined {
  return backendUnderTest() === 'webgpu' ? (tf.backend() as unknown as WebGPUBackend).device : undefined;
}

/** Ops that reduce over a workgroup, rows narrower, as wide and wider than one. */
async function reductions(): Promise<number[]> {
  const found: number[] = [];
  for (const width of [3, 64, 300]) {
    const x = random([7, width], width, 4) as tf.Tensor2D;
    const weight = random([width], 1) as tf.Tensor1D;
    const targets = tf.tensor1d([0, 1, 2, 0, 1, 2, -1], 'int32');
    const losses = crossEntropy(x, targets, tf.ones([7]) as tf.Tensor1D);
    const normed = rmsNorm(x, weight, 1e-5);
    found.push(...(await losses.data()), ...(await normed.data()));
    tf.dispose([x, weight, targets, losses, normed]);
  }
  return found;
}

describe('the device', () => {
  it('sums alike with subgroups and without, and the same way twice', async () => {
    const gpu = device();
    const given = await reductions();
    expect(await reductions()).toEqual(given);
    const least = gpu && ordersSubgroups(gpu);
    const { subgroupMinSize: fewest, subgroupMaxSize: most } = gpu?.adapterInfo ?? {};
    if (gpu?.features.has('subgroups') && fewest === most) expect(least).toBe(fewest);
    else expect(least).toBeUndefined();
    if (gpu !== undefined) useSubgroups(gpu, undefined);
    const plain = await reductions();
    if (gpu !== undefined) useSubgroups(gpu, least);
    expect(plain).toHaveLength(given.length);
    for (const [i, value] of plain.entries()) expect(Math.abs(value - given[i]!)).toBeLessThan(4e-6);
  });

  it('takes more workgroups than fit along one dimension', async () => {
    const [rows, width] = [66_000, 64]; // 66,000 workgroups of 64
    const x = tf.tensor2d([...Array(width).keys(), ...Array(width).keys()].map(Number), [2, width]);
    const ids = tf.tensor1d(
      Int32Array.from({ length: rows }, (_, i) => (i % 3) - 1),
      'int32',
    );
    const taken = gatherRows(x, ids);
    const last = taken.slice([rows - 3, 0], [3, width]);
    const sum = taken.sum();
    const row = [...Array(width).keys()];
    expect([...(await last.data())]).toEqual([...row.map(() => 0), ...row, ...row]);
    expect((await sum.data())[0]).toBe((rows / 3) * width * (width - 1));
    tf.dispose([x, ids, taken, last, sum]);
  });

  it('uses the buffers of disposed tensors again without a mix-up', async () => {
    // a chain of many dispatches without a read-back, every intermediate result given up at once
    let x = random([64], 5);
    const expected = [...(await x.data())].map(value => value + 300);
    for (let i = 0; i < 300; i++) {
      const one = tf.tensor1d(new Float32Array(64).fill(1));
      const next = tf.add(x, one);
      tf.dispose([x, one]);
      x = next;
    }
    const found = [...(await x.data())];
    for (const [i, value] of found.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-2);
    x.dispose();
  });
});
