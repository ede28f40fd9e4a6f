/** The attention layer against loops over plain arrays. */
import { Rng } from '@spectra/tensor';
import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Attention } from './attention.ts';
import { Initializer } from './initializer.ts';
import { RotaryTable } from './rotary.ts';
import { inverseFrequencies } from './rotary-frequencies.ts';

beforeAll(testBackend);

const [B, S, H] = [2, 7, 16];

interface Case {
  readonly window?: number;
  readonly heads?: number;
  readonly keyValueHeads?: number;
  readonly headDim?: number;
  /** [B,S], −1 for padding */
  readonly documents?: number[][];
  readonly rotary?: boolean;
}

async function compare(options: Case): Promise<void> {
  const { window, heads = 4, keyValueHeads = 2, headDim = 4, documents, rotary = true } = options;
  const shape = {
    kind: 'grouped',
    heads,
    keyValueHeads,
    headDim,
    inputBias: true,
    outputBias: true,
    sinks: false,
    scale: headDim ** -0.5,
    window,
    rotary: rotary ? 'default' : undefined,
  } as const;
  const norm = { kind: 'rms', epsilon: 1e-5, offset: 0 } as const;
  const attention = new Attention(new Initializer(3), 'a.', H, shape, norm);
  const rng = new Rng(1);
  for (const { bias } of [attention.query, attention.key, attention.value, attention.output]) {
    bias!.variable.assign(rng.normalTensor([...bias!.shape]));
  }
  const x = rng.normalTensor([B * S, H]) as tf.Tensor2D;
  const frequencies = inverseFrequencies(headDim, 100);
  const table = new RotaryTable({ width: headDim, theta: 100 });
  const ids = documents === undefined ? undefined : tf.tensor2d(documents, undefined, 'int32');
  const { output } = attention.forward(x, B, {
    rotations: { default: table.range(0, S) },
    ...(ids === undefined ? {} : { queryDocuments: ids, keyDocuments: ids }),
  });

  const rows = (t: tf.Tensor) => t.array() as Promise<number[][]>;
  const linear = async (layer: typeof attention.query, input: number[][]): Promise<number[][]> => {
    const w = await rows(layer.weight.variable);
    const b = await layer.bias!.variable.data();
    return input.map(row =>
      w.map((out, i) => b[i]! + out.reduce((sum, weight, j) => sum + weight * row[j]!, 0)),
    );
  };
  const turned = (head: number[], p: number): number[] => {
    if (!rotary) return head;
    const half = headDim / 2;
    return head.map((value, i) => {
      const angle = p * frequencies[i % half]!;
      const partner = i < half ? -head[i + half]! : head[i - half]!;
      return value * Math.cos(angle) + partner * Math.sin(angle);
    });
  };
  const input = await rows(x);
  const [q, k, v] = await Promise.all([
    linear(attention.query, input),
    linear(attention.key, input),
    linear(attention.value, input),
  ]);
  const head = (row: number[], h: number) => row.slice(h * headDim, (h + 1) * headDim);
  const mixed = q.map((row, t) => {
    const [b, i] = [Math.floor(t / S), t % S];
    return Array.from({ length: heads }, (_, h) => {
      const shared = Math.floor(h / (heads / keyValueHeads));
      const visible = (j: number): boolean =>
        (window === undefined || j > i - window) &&
        (documents === undefined || (documents[b]![i]! >= 0 && documents[b]![j] === documents[b]![i]));
      const seen = Array.from({ length: i + 1 }, (_, j) => j).filter(visible);
      const query = turned(head(row, h), i);
      const scores = seen.map(j => {
        const key = turned(head(k[b * S + j]!, shared), j);
        return Math.exp(key.reduce((sum, value, d) => sum + value * query[d]!, 0) / Math.sqrt(headDim));
      });
      const total = scores.reduce((a, c) => a + c, 0);
      return Array.from({ length: headDim }, (_, d) =>
        seen.reduce((sum, j, n) => sum + (scores[n]! / total) * head(v[b * S + j]!, shared)[d]!, 0),
      );
    }).flat();
  });
  const expected = await linear(attention.output, mixed);
  await expectClose(output, expected.flat(), { tolerance: 2e-5 });
  expect(output.shape).toEqual([B * S, H]);
}

const PACKED = [
  [0, 0, 0, 1, 1, 2, 2],
  [4, 4, 4, 4, 4, 4, 4],
];
const PADDED = [
  [-1, -1, 0, 0, 0, 0, 0],
  [0, 0, 0, 0, 0, -1, -1],
];

describe('Attention', () => {
  it('is causal attention with one key head per query head', () => compare({ keyValueHeads: 4 }));
  it('shares key heads between query heads', () => compare({}));
  it('shares one key head between all', () => compare({ keyValueHeads: 1 }));
  it('has heads that need not be hidden / heads wide', () => compare({ headDim: 6 }));
  it('does without rotation', () => compare({ rotary: false }));
  it('keeps documents apart', () => compare({ documents: PACKED }));
  it('keeps padding apart, on either side', () => compare({ documents: PADDED }));
  it('sees itself and the window − 1 positions before', () => compare({ window: 3 }));
  it('sees only itself through a window of 1', () => compare({ window: 1 }));
  it('has windows within documents', () => compare({ window: 2, documents: PACKED }));
});
