import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { Rng } from '../rng.ts';
import { causalAttention } from './causal-attention.ts';
import { checkOp } from './oracle.ts';

beforeAll(testBackend);

interface Shape {
  readonly batch: number;
  readonly length: number;
  readonly keys: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly width: number;
  readonly valueWidth?: number;
  readonly window?: number;
  readonly scale?: number;
  /** Whether a logit per head is added that no value belongs to. */
  readonly sinks?: boolean;
  /** Documents of the keys of every other row of the batch, reversed in the rest; the queries' are the last of them. */
  readonly documents?: readonly number[];
}

const documentsOf = ({ documents }: Shape, b: number): readonly number[] | undefined =>
  b % 2 === 0 ? documents : documents?.toReversed();

function oracle(
  shape: Shape,
  q: Float64Array,
  k: Float64Array,
  v: Float64Array,
  sinks?: Float64Array,
): Float64Array {
  const { batch, length, keys, heads, keyHeads, width, window = 0 } = shape;
  const valueWidth = shape.valueWidth ?? width;
  const scale = shape.scale ?? 1 / Math.sqrt(width);
  const out = new Float64Array(batch * length * heads * valueWidth);
  for (let b = 0; b < batch; b++) {
    const documents = documentsOf(shape, b);
    for (let i = 0; i < length; i++) {
      for (let h = 0; h < heads; h++) {
        const g = Math.floor((h * keyHeads) / heads);
        const position = keys - length + i;
        const weights: [number, number][] = [];
        for (let j = 0; j <= position; j++) {
          if (window > 0 && j <= position - window) continue;
          if (documents !== undefined && (documents[j] !== documents[position] || documents[j]! < 0))
            continue;
          let score = 0;
          for (let c = 0; c < width; c++) {
            score +=
              q[((b * length + i) * heads + h) * width + c]! *
              k[((b * keys + j) * keyHeads + g) * width + c]!;
          }
          weights.push([j, Math.exp(score * scale)]);
        }
        const sink = sinks === undefined ? 0 : Math.exp(sinks[h]!);
        const total = weights.reduce((sum, [, weight]) => sum + weight, sink);
        for (const [j, weight] of weights) {
          for (let c = 0; c < valueWidth; c++) {
            out[((b * length + i) * heads + h) * valueWidth + c]! +=
              (weight / total) * v[((b * keys + j) * keyHeads + g) * valueWidth + c]!;
          }
        }
      }
    }
  }
  return out;
}

async function check(shape: Shape): Promise<void> {
  const { batch, length, keys, heads, keyHeads, width, documents } = shape;
  const valueWidth = shape.valueWidth ?? width;
  const rows = (from: number): number[] =>
    Array.from({ length: batch }, (_, b) => documentsOf(shape, b)!.slice(from)).flat();
  const options = {
    window: shape.window,
    scale: shape.scale,
    queryDocuments: documents && tf.tensor2d(rows(keys - length), [batch, length], 'int32'),
    keyDocuments: documents && tf.tensor2d(rows(0), [batch, keys], 'int32'),
  };
  await checkOp({
    shapes: {
      q: [batch, length, heads, width],
      k: [batch, keys, keyHeads, width],
      v: [batch, keys, keyHeads, valueWidth],
      ...(shape.sinks ? { sinks: [heads] } : {}),
    },
    op: ({ q, k, v, sinks }) =>
      causalAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, {
        ...options,
        sinks: sinks as tf.Tensor1D | undefined,
      }),
    oracle: ({ q, k, v, sinks }) => oracle(shape, q!, k!, v!, sinks),
    range: 2,
  });
  tf.dispose([options.queryDocuments ?? [], options.keyDocuments ?? []]);
}

/** Small sizes of which none was chosen, with padding before, between and after documents. */
function drawn(seed: number): Shape {
  const rng = new Rng(seed).split('attention');
  const [length, keyHeads] = [1 + rng.integer(9), 1 + rng.integer(3)];
  const keys = length + rng.integer(9);
  return {
    batch: 1 + rng.integer(2),
    length,
    keys,
    heads: keyHeads * (1 + rng.integer(3)),
    keyHeads,
    width: 1 + rng.integer(9),
    valueWidth: 1 + rng.integer(9),
    window: rng.integer(5),
    sinks: rng.uniform() < 0.3,
    documents: Array.from({ length: keys }, () => rng.integer(3) - 1),
  };
}

const SMALL: Shape = { batch: 2, length: 5, keys: 5, heads: 2, keyHeads: 2, width: 4 };

describe('causal attention', () => {
  test('plain', () => check(SMALL));
  test('no sequence', () => check({ ...SMALL, batch: 0 }));
  test('one token', () => check({ ...SMALL, length: 1, keys: 1 }));
  test('odd sizes, shared key heads', () =>
    check({ ...SMALL, length: 7, keys: 7, heads: 6, keyHeads: 2, width: 3 }));
  test('values of another width, own scale', () => check({ ...SMALL, valueWidth: 6, scale: 0.3 }));
  test('heads wider and sequences longer than a tile', () =>
    check({ batch: 1, length: 17, keys: 17, heads: 2, keyHeads: 1, width: 66, valueWidth: 70 }));
  test('a past', () => check({ ...SMALL, length: 3, keys: 9 }));
  test('a window', () => check({ ...SMALL, length: 9, keys: 9, window: 3 }));
  test('sinks', () => check({ ...SMALL, heads: 4, sinks: true }));
  test('sinks, a past, a window, documents and padding', () =>
    check({
      ...SMALL,
      length: 6,
      keys: 10,
      window: 3,
      sinks: true,
      documents: [-1, -1, 0, 0, 0, 1, -1, 1, 1, -1],
    }));
  test('one token after others', () => check({ ...SMALL, length: 1, keys: 9 }));
  test.each([1, 4, 7])('%i positions of padding', keys =>
    check({ ...SMALL, length: keys, keys, documents: new Array<number>(keys).fill(-1) }),
  );
  test('one token of padding after others', () =>
    check({ ...SMALL, length: 1, keys: 6, documents: [0, 0, 0, 0, 0, -1] }));
  test('a query more than a block', () =>
    check({ batch: 1, length: 61, keys: 61, heads: 2, keyHeads: 1, width: 2, valueWidth: 1 }));
  test('a query more than a block, a past, a window and documents', () =>
    check({
      batch: 1,
      length: 62,
      keys: 67,
      heads: 1,
      keyHeads: 1,
      width: 3,
      window: 11,
      documents: Array.from({ length: 67 }, (_, i) => (i % 20 > 17 ? -1 : Math.floor(i / 9))),
    }));
  test.each(Array.from({ length: 6 }, (_, seed) => drawn(seed)))('%o', shape => check(shape));
  test('documents and padding', () =>
    check({ ...SMALL, length: 9, keys: 9, documents: [0, 0, 1, 1, 1, -1, 2, 2, -1] }));
  test('documents that come back', () =>
    check({ ...SMALL, length: 7, keys: 7, documents: [0, 1, 0, 1, 1, 0, 3] }));
  test('documents, a past and a window', () =>
    check({ ...SMALL, length: 4, keys: 10, window: 4, documents: [-1, -1, 0, 0, 0, 1, 1, 1, 1, -1] }));
});

test('more than one block of queries agrees with the same rows on their own', async () => {
  const [batch, length, heads, width] = [1, 133, 2, 8] as const;
  const [q, k, v] = [1, 2, 3].map(seed =>
    tf.randomNormal([batch, length, heads, width], 0, 1, 'float32', seed),
  );
  const documents = tf.tensor2d(
    Array.from({ length }, (_, i) => (i % 50 === 49 ? -1 : Math.floor(i / 45))),
    [1, length],
    'int32',
  );
  for (const window of [undefined, 20]) {
    const all = causalAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, {
      queryDocuments: documents,
      keyDocuments: documents,
      window,
    });
    for (const row of [0, 44, 45, 49, 60, 61, 120, 132]) {
      const part = tf.tidy(() =>
        causalAttention(
          tf.slice(q!, [0, row, 0, 0], [1, 1, heads, width]) as tf.Tensor4D,
          tf.slice(k!, [0, 0, 0, 0], [1, row + 1, heads, width]) as tf.Tensor4D,
          tf.slice(v!, [0, 0, 0, 0], [1, row + 1, heads, width]) as tf.Tensor4D,
          {
            queryDocuments: tf.slice(documents, [0, row], [1, 1]),
            keyDocuments: tf.slice(documents, [0, 0], [1, row + 1]),
            window,
          },
        ),
      );
      const same = tf.slice(all, [0, row, 0, 0], [1, 1, heads, width]);
      await expectClose(part, Array.from(await same.data()), { tolerance: 1e-5 });
      tf.dispose([part, same]);
    }
    all.dispose();
  }
  tf.dispose([q!, k!, v!, documents]);
});

test('bad shapes are named', () => {
  const x = tf.zeros([1, 3, 3, 4]) as tf.Tensor4D;
  const two = tf.zeros([1, 3, 2, 4]) as tf.Tensor4D;
  expect(() => causalAttention(x, two, two)).toThrow(/no multiple/);
  expect(() => causalAttention(x, x, x, { window: -1 })).toThrow(/window/);
  expect(() => causalAttention(x, x, x, { queryDocuments: tf.zeros([1, 3]) })).toThrow(
    /both document tensors/,
  );
});
