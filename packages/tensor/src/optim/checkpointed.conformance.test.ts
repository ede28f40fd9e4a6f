import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Parameter } from '../parameter.ts';
import { Rng } from '../rng.ts';
import { checkpointed } from './checkpointed.ts';
import { valueAndGrads } from './gradients.ts';

beforeAll(testBackend);

const rng = new Rng(5);

function layerParameters(layer: number, size: number): { w: Parameter; b: Parameter } {
  const w = new Parameter(`l${layer}.w`, rng.split('w', layer).normalTensor([size, size], 0, 0.5));
  return { w, b: new Parameter(`l${layer}.b`, rng.split('b', layer).normalTensor([size])) };
}

/** A layer with a residual, an integer output, an unused output of infinite gradient and a used statistic. */
function layer(x: tf.Tensor, { w, b }: { w: Parameter; b: Parameter }): tf.Tensor[] {
  const h = tf.tanh(tf.add(tf.matMul(x as tf.Tensor2D, w.variable as unknown as tf.Tensor2D), b.variable));
  const y = tf.add(x, tf.mul(h, h));
  return [y, tf.argMax(h, 1), tf.sqrt(tf.mul(h, 0)), tf.mean(tf.square(h))];
}

type Wrap = (layer: number, x: tf.Tensor) => tf.Tensor[];

async function run(parameters: { w: Parameter; b: Parameter }[], x: tf.Tensor, wrap: Wrap) {
  const { value, grads } = valueAndGrads(
    () => {
      let h = x;
      let statistics: tf.Tensor = tf.scalar(0);
      for (let i = 0; i < parameters.length; i++) {
        const [y, , , statistic] = wrap(i, h);
        h = y!;
        statistics = tf.add(statistics, statistic!);
      }
      return tf.add(tf.mean(tf.square(h)), tf.mul(statistics, 0.1)) as tf.Scalar;
    },
    parameters.flatMap(({ w, b }) => [w, b]),
  );
  const out = [await value.data(), ...(await Promise.all([...grads.values()].map(g => g.data())))];
  const names = [...grads.keys()];
  tf.dispose([value, ...grads.values()]);
  return { names, bits: out.map(values => [...new Int32Array((values as Float32Array).slice().buffer)]) };
}

describe('checkpointed', () => {
  it('has the same gradients as the plain call, bit for bit, and leaves nothing behind', async () => {
    const parameters = [0, 1, 2].map(i => layerParameters(i, 5));
    const x = rng.split('x').normalTensor([4, 5]);
    const before = tf.memory().numTensors;
    const plain = await run(parameters, x, (i, h) => layer(h, parameters[i]!));
    const recomputed = await run(parameters, x, (i, h) =>
      checkpointed(`layer ${i}`, v => layer(v!, parameters[i]!), [h], [parameters[i]!.w, parameters[i]!.b]),
    );
    expect(recomputed).toEqual(plain);
    const nested = await run(parameters, x, (i, h) =>
      checkpointed(
        `outer ${i}`,
        u =>
          checkpointed(
            `inner ${i}`,
            v => layer(v!, parameters[i]!),
            [u!],
            [parameters[i]!.w, parameters[i]!.b],
          ),
        [h],
        [parameters[i]!.w, parameters[i]!.b],
      ),
    );
    expect(nested).toEqual(plain);
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose(x);
    for (const { w, b } of parameters) {
      w.dispose();
      b.dispose();
    }
  });

  it('keeps no intermediate tensors between forward and backward', () => {
    const x = tf.ones([4, 5]);
    const p = layerParameters(9, 5);
    const kept = (wrap: (h: tf.Tensor) => tf.Tensor[]): number => {
      let inside = 0;
      const { value, grads } = valueAndGrads(() => {
        const before = tf.memory().numTensors;
        const y = tf.tidy(() => tf.mean(wrap(x)[0]!)) as tf.Scalar;
        inside = tf.memory().numTensors - before;
        return y;
      }, [p.w, p.b]);
      tf.dispose([value, ...grads.values()]);
      return inside;
    };
    const plain = kept(h => layer(h, p));
    const recomputed = kept(h => checkpointed('layer', v => layer(v!, p), [h], [p.w, p.b]));
    expect(recomputed).toBeLessThan(plain / 2);
    tf.dispose(x);
    p.w.dispose();
    p.b.dispose();
  });

  it('is the plain function outside a gradient', async () => {
    const x = tf.tensor1d([1, 2]);
    const before = tf.memory().numTensors;
    const [same, twice] = checkpointed('f', v => [v!, tf.mul(tf.add(v!, 0), 2)], [x], []);
    expect([...(await same!.data()), ...(await twice!.data())]).toEqual([1, 2, 2, 4]);
    expect(tf.memory().numTensors).toBe(before + 2);
    tf.dispose([x, same!, twice!]);
  });

  it('passes on an error of the recomputation and releases what was saved', () => {
    const p = new Parameter('p', tf.ones([2]));
    const before = tf.memory().numTensors;
    let calls = 0;
    const broken = (): tf.Tensor[] => {
      if (++calls === 2) throw new Error('second call');
      return [tf.exp(p.variable)];
    };
    const loss = (): tf.Scalar => tf.sum(checkpointed('broken', broken, [], [p])[0]!) as tf.Scalar;
    expect(() => valueAndGrads(loss, [p])).toThrow('second call');
    expect(tf.memory().numTensors).toBe(before);
    const { value, grads } = valueAndGrads(loss, [p]);
    expect(grads.has('p')).toBe(true);
    tf.dispose([value, ...grads.values()]);
    p.dispose();
  });
});
