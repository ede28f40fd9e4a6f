import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectClose, fixture, gradientsOf, noLeaks, pairing, testBackend } from './index.ts';

beforeAll(testBackend);

describe('fixture', () => {
  it('reads arrays, facts and tensors', async () => {
    const sinkhorn = fixture('sinkhorn');
    const name = Object.keys(sinkhorn.cases)[0]!;
    const cost = sinkhorn.array(`${name}.cost`);
    expect(cost.dtype).toBe('F32');
    expect(cost.data).toBeInstanceOf(Float32Array);
    expect(sinkhorn.has(`${name}.cost`)).toBe(true);
    expect(sinkhorn.names(`${name}.`)).toContain(`${name}.cost`);
    expect(sinkhorn.error(name, 'T1.plan')).toBeGreaterThan(0);
    await noLeaks(async () => {
      const tensor = sinkhorn.tensor(`${name}.cost`);
      await expectClose(tensor, cost);
      return tensor;
    });
  });
  it('reads float64 as float64', () => {
    const gru = fixture('gru');
    const name = gru.names().find(found => found.endsWith('.output'))!;
    expect(gru.array(name).data).toBeInstanceOf(Float64Array);
  });
});

describe('expectClose', () => {
  it('takes equal infinities as equal and nothing as equal to NaN', async () => {
    await expectClose([-Infinity, 1], [-Infinity, 1]);
    await expect(expectClose([Number.NaN], [1])).rejects.toThrow('golden 1, ours NaN');
    await expect(expectClose([-Infinity, 1], [0, 1])).rejects.toThrow('ours -Infinity');
  });
  it('names the worst element', async () => {
    const golden = { dtype: 'F64', shape: [2, 2], data: new Float64Array([1, 2, 3, 4]) } as const;
    await expectClose([1, 2, 3, 4 + 3e-6], golden);
    await expect(
      expectClose(tf.tensor2d([1, 2, 3.5, 4.25], [2, 2]), golden, { case: 'c', name: 'n' }),
    ).rejects.toThrow('c.n[1, 0]: golden 3, ours 3.5');
  });
  it('compares integers exactly and checks shapes', async () => {
    const golden = { dtype: 'I32', shape: [1], data: new Int32Array([1e7]) } as const;
    await expect(expectClose([1e7 + 1], golden)).rejects.toThrow('tolerance 0');
    await expect(expectClose(tf.tensor2d([1e7], [1, 1], 'int32'), golden)).rejects.toThrow('shape');
  });
});

it('gradientsOf and pairing give a vector–Jacobian product', async () => {
  await noLeaks(async () => {
    const x = tf.tensor1d([1, 2]);
    const cot = tf.tensor1d([3, 4]);
    const found = gradientsOf(inputs => pairing([tf.square(inputs.x)], [cot]), { x });
    await expectClose(found.gradients.x, [6, 16]);
    await expectClose(found.value, [19]);
    return [x, cot, found];
  });
});

it('noLeaks sees a leak', async () => {
  await expect(
    noLeaks(() => {
      tf.scalar(1);
    }),
  ).rejects.toThrow('left behind');
});
