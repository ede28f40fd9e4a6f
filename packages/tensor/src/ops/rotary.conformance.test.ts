import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, test } from 'vitest';
import { checkOp, pseudoRandom } from './oracle.ts';
import { rotary } from './rotary.ts';

beforeAll(testBackend);

test.each([
  { batch: 0, length: 3, heads: 2, width: 4, turned: 4, tables: 1 },
  { batch: 2, length: 3, heads: 2, width: 8, turned: 8, tables: 2 },
  { batch: 2, length: 5, heads: 1, width: 6, turned: 6, tables: 1 },
  { batch: 1, length: 2, heads: 3, width: 12, turned: 8, tables: 1 },
  { batch: 1, length: 1, heads: 1, width: 2, turned: 2, tables: 1 },
  { batch: 3, length: 5, heads: 3, width: 17, turned: 14, tables: 3 },
  { batch: 2, length: 1, heads: 5, width: 11, turned: 10, tables: 1 },
])('rotary %o', async ({ batch, length, heads, width, turned, tables }) => {
  const half = turned / 2;
  const angles = pseudoRandom(tables * length * half, 5, 3);
  const [cosines, sines] = [
    angles.map(a => Math.fround(Math.cos(a))),
    angles.map(a => Math.fround(Math.sin(a))),
  ];
  const cos = tf.tensor3d(Float32Array.from(cosines), [tables, length, half]);
  const sin = tf.tensor3d(Float32Array.from(sines), [tables, length, half]);
  await checkOp({
    shapes: { x: [batch, length, heads, width] },
    op: ({ x }) => rotary(x as tf.Tensor4D, cos, sin),
    oracle: ({ x }) =>
      x!.map((value, at) => {
        const channel = at % width;
        if (channel >= turned) return value;
        const place = Math.floor(at / (width * heads));
        const [b, t] = [Math.floor(place / length) % tables, place % length];
        const angle = (b * length + t) * half + (channel % half);
        const other = channel < half ? -x![at + half]! : x![at - half]!;
        return value * cosines[angle]! + other * sines[angle]!;
      }),
  });
  tf.dispose([cos, sin]);
});
