import { noLeaks, testBackend } from '@spectra/testing';
import { DecoderModel, describeModel, FAMILIES, routerConfigSchema } from '@spectra/transformer';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ConversionOptions, replaceRouter, upcycle } from './index.ts';

beforeAll(testBackend);
const router = routerConfigSchema.parse({ kind: 'spectra', router_dim: 4, state_size: 6 });
const softmax = routerConfigSchema.parse({ kind: 'softmax-topk', normalise: true });
const TINY = {
  vocab_size: 29,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 24,
  initializer: { embedding: 0.5 },
};

async function logits(model: DecoderModel): Promise<Float32Array> {
  const out = tf.tidy(() => {
    const inputIds = tf.tensor2d([[3, 1, 4, 1, 5, 9, 2, 6, 5, 3]], undefined, 'int32');
    return model.forward({ inputIds }).logits;
  });
  const data = await out.data<'float32'>();
  out.dispose();
  return data;
}

/** max |Δlogit| over the range. */
async function difference(a: DecoderModel, b: DecoderModel): Promise<number> {
  const [x, y] = [await logits(a), await logits(b)];
  const most = x.reduce((max, value, i) => Math.max(max, Math.abs(value - y[i]!)), 0);
  return most / (Math.max(...x) - Math.min(...x));
}

async function compare(options: ConversionOptions): Promise<number> {
  let found = Number.NaN;
  await noLeaks(async () => {
    const dense = new DecoderModel(TINY);
    const sparse = await upcycle(dense, options);
    found = await difference(dense, sparse);
    dense.dispose();
    sparse.dispose();
  });
  return found;
}

describe('upcycle', () => {
  const exact: [string, ConversionOptions][] = [
    ['copies', { mode: 'copy', experts: 3, router }],
    ['parts', { mode: 'granular', parts: 3, replicas: 2, router }],
    ['a shared half', { mode: 'granular', parts: 2, replicas: 2, router, shared: 'half' }],
    ['a shared whole', { mode: 'copy', experts: 2, router: softmax, shared: 'zero' }],
    ['noise on experts that count for nothing yet', { mode: 'copy', router, shared: 'zero', noise: 1 }],
  ];
  it.each(exact)('%s: the same function', async (_, options) => {
    expect(await compare(options)).toBeLessThan(1e-5);
  });

  it('noise and dropped units change it, the more the more', async () => {
    const noise = (share: number) => compare({ mode: 'copy', experts: 2, router, noise: share });
    const drop = (share: number) => compare({ mode: 'drop', experts: 2, router, drop: share });
    expect(await noise(1e-3)).toBeGreaterThan(1e-5);
    expect(await noise(1e-1)).toBeGreaterThan(await noise(1e-3));
    expect(await drop(0)).toBeLessThan(1e-5);
    expect(await drop(0.5)).toBeGreaterThan(1e-3);
  });

  it('draws the same units of gate, up and down, and as many as asked for', async () => {
    const dense = new DecoderModel(TINY);
    const sparse = await upcycle(dense, { mode: 'drop', experts: 2, router, drop: 0.25 });
    const changed = (now: Float32Array, then: Float32Array, unitOf: (i: number) => number): number[] =>
      [...new Set([...now.keys()].filter(i => now[i] !== then[i]).map(unitOf))].sort((a, b) => a - b);
    const { mlp } = dense.layers[0]!;
    const { experts } = sparse.layers[0]!.moe!;
    const read = (tensor: tf.Tensor): Float32Array => tensor.dataSync<'float32'>();
    const [up, down] = [read(experts.up.variable), read(experts.down.variable)];
    const size = 24 * 16;
    const [gate0, up0, down0] = [mlp!.gate!, mlp!.up, mlp!.down].map(part => read(part.weight.variable)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const rows = (i: number): number => Math.floor(i / 16);
    for (let e = 0; e < 2; e++) {
      const units = changed(up.subarray(2 * e * size, (2 * e + 1) * size), gate0, rows);
      expect(units).toHaveLength(6);
      expect(changed(up.subarray((2 * e + 1) * size, (2 * e + 2) * size), up0, rows)).toEqual(units);
      expect(changed(down.subarray(e * size, (e + 1) * size), down0, i => i % 24)).toEqual(units);
    }
    dense.dispose();
    sparse.dispose();
  });
});

describe('replaceRouter', () => {
  it('keeps the experts, takes the new router', async () => {
    await noLeaks(async () => {
      const moe = { experts: 4, k: 2, intermediate_size: 12, router: softmax };
      const model = new DecoderModel({ ...TINY, moe });
      const other = await replaceRouter(model, router);
      const experts = (one: DecoderModel) => one.layers[1]!.moe!.experts.up.variable.data();
      expect(await experts(other)).toEqual(await experts(model));
      expect(other.architecture.moe!.router.kind).toBe('spectra');
      model.dispose();
      other.dispose();
    });
  });
});

it('a model of a family of one’s own is converted in its family', async () => {
  const own = { ...FAMILIES.find(({ modelType }) => modelType === 'llama')!, modelType: 'mine' };
  await noLeaks(async () => {
    const config = {
      model_type: 'mine',
      vocab_size: 29,
      hidden_size: 16,
      intermediate_size: 24,
      num_hidden_layers: 1,
    };
    const described = describeModel(
      {
        ...config,
        num_attention_heads: 2,
        num_key_value_heads: 2,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
      },
      { families: [own] },
    );
    const dense = new DecoderModel(described, { seed: 1 });
    const sparse = await upcycle(dense, { mode: 'copy', experts: 4, router: softmax });
    const wide = await upcycle(sparse, { mode: 'expand' });
    expect(await difference(dense, wide)).toBeLessThan(1e-5);
    const replaced = await replaceRouter(wide, router);
    expect(replaced.description.family).toBe(own);
    for (const model of [dense, sparse, wide, replaced]) model.dispose();
  });
});
