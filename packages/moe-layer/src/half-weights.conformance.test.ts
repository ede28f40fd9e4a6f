/** Weights in float16 on WebGPU: what is exact in float16 changes nothing, what is not is rounded to it, and it ends. */
import { halveWeights, Parameter, Rng } from '@spectra/tensor';
import { backendUnderTest, expectClose, testBackend } from '@spectra/testing';
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { groupedMatMul } from './grouped-matmul.ts';
import { routedMixture } from './routed-mixture.ts';

beforeAll(testBackend);

const onDevice = (): boolean => backendUnderTest() === 'webgpu';

/** Normal numbers, and the same rounded to `bits` of a mantissa. */
function weights(shape: number[], bits: number): Parameter {
  const drawn = new Rng(shape.length).fillNormal(new Float32Array(tf.util.sizeFromShape(shape)));
  const rounded = drawn.map(x => {
    const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - bits);
    return Math.round(x / unit) * unit;
  });
  return new Parameter(`w${shape.join('x')}`, tf.tensor(rounded, shape));
}

const random = (shape: number[]): tf.Tensor => new Rng(9).normalTensor(shape);
const product = (x: tf.Tensor, w: Parameter): tf.Tensor =>
  tf.matMul(x as Tensor2D, w.variable as unknown as Tensor2D, false, true);

describe('weights in float16', () => {
  // odd widths: pairs that lie across two rows, and a last one alone
  it.each([
    [
      [3, 7],
      [5, 7],
    ],
    [
      [1, 64],
      [33, 64],
    ],
    [
      [70, 5],
      [67, 5],
    ],
  ])('%s times the transpose of %s', async (xShape, wShape) => {
    const exact = weights(wShape, 8);
    const inexact = weights(wShape, 20);
    const x = random(xShape);
    const [before, roughly] = [exact, inexact].map(w => product(x, w));
    if (!onDevice()) return await expect(halveWeights([exact])).rejects.toThrow('are for webgpu');
    const halves = await halveWeights([exact, inexact]);
    expect(halves.bytes).toBe(8 * Math.ceil((wShape[0]! * wShape[1]!) / 2));
    expect([...(await product(x, exact).data())]).toEqual([...(await before!.data())]);
    const near = product(x, inexact);
    const size = Math.sqrt(xShape[1]!) * 9;
    await expectClose(near, await roughly!.data(), { tolerance: (2 ** -11 * size) / 10 });
    expect([...(await near.data())]).not.toEqual([...(await roughly!.data())]);
    halves.dispose();
    expect([...(await product(x, inexact).data())]).toEqual([...(await roughly!.data())]);
  });

  it.runIf(onDevice())('serve experts, and not a weight that was changed', async () => {
    const [up, down] = [weights([3, 10, 7], 8), weights([3, 7, 5], 8)];
    const indices = tf.tensor2d(
      [
        [0, 2],
        [1, -1],
        [2, 1],
      ],
      [3, 2],
      'int32',
    );
    const mix = (): Tensor2D =>
      routedMixture(
        random([3, 7]) as Tensor2D,
        random([3, 2]) as Tensor2D,
        up.variable as unknown as Tensor3D,
        down.variable as unknown as Tensor3D,
        indices,
      );
    const before = [...(await mix().data())];
    const halves = await halveWeights([up, down]);
    expect([...(await mix().data())]).toEqual(before);
    up.variable.assign(tf.add(up.variable as tf.Tensor, 1e-4));
    const changed = [...(await mix().data())];
    halves.dispose();
    expect([...(await mix().data())]).toEqual(changed);
    expect(changed).not.toEqual(before);
  });

  it.runIf(onDevice())('serve experts that are products by themselves, forward only', async () => {
    const w = weights([3, 5, 7], 20);
    const offsets = tf.tensor1d([0, 2, 2, 4], 'int32');
    const times = (x: tf.Tensor, transpose: boolean) =>
      groupedMatMul(x as Tensor2D, w.variable as unknown as Tensor3D, offsets, transpose).data();
    const [rows, cotangents] = [random([4, 7]), random([4, 5])];
    const [forward, back] = [await times(rows, true), await times(cotangents, false)];
    const halves = await halveWeights([w]);
    const near = await times(rows, true);
    await expectClose(near, forward as Float32Array, { tolerance: 2 ** -11 * 9 });
    expect([...near]).not.toEqual([...forward]);
    expect([...(await times(cotangents, false))]).toEqual([...back]);
    halves.dispose();
    expect([...(await times(rows, true))]).toEqual([...forward]);
  });

  it.runIf(onDevice())('are refused where float16 ends', async () => {
    const large = new Parameter('large', tf.tensor2d([[1, 70_000]]));
    await expect(halveWeights([large])).rejects.toThrow('large holds 70000');
  });
});
