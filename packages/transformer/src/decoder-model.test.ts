import { AdamW, tidied, valueAndGrads } from '@spectra/tensor';
import { expectClose, noLeaks, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { emptyCache } from './cache.ts';
import type { ModelConfigInput } from './config.ts';
import { DecoderModel } from './decoder-model.ts';
import { languageModelLoss } from './loss.ts';
import { ids, largestDifference, randomRows, SPECTRA, TINY, tinyMoe } from './test-support.ts';

beforeAll(testBackend);

const LEARNED: ModelConfigInput = { ...TINY, positions: 'learned' };
const MOE = tinyMoe(SPECTRA);

function logitsOf(model: DecoderModel, input: Parameters<DecoderModel['forward']>[0]): tf.Tensor3D {
  return tf.tidy(() => model.forward(input).logits);
}

describe('parameters', () => {
  it('have the names of a Llama, each once', () => {
    const names = new DecoderModel({ ...TINY, num_hidden_layers: 1, tie_word_embeddings: false })
      .parameters()
      .map(p => p.name);
    expect(names).toEqual([
      'model.embed_tokens.weight',
      'model.layers.0.input_layernorm.weight',
      ...['q', 'k', 'v', 'o'].map(part => `model.layers.0.self_attn.${part}_proj.weight`),
      'model.layers.0.post_attention_layernorm.weight',
      ...['gate', 'up', 'down'].map(part => `model.layers.0.mlp.${part}_proj.weight`),
      'model.norm.weight',
      'lm_head.weight',
    ]);
    const moe = new DecoderModel(MOE).parameters().map(p => p.name);
    expect(moe).toContain('model.layers.1.mlp.router.gru.weight_hh');
    expect(moe).toContain('model.layers.1.mlp.experts.gate_up_proj');
    const global = new DecoderModel(tinyMoe({ ...SPECTRA, sharing: 'global' })).parameters().map(p => p.name);
    expect(global).toContain('model.router.gru.weight_hh');
    expect(global.filter(name => name.includes('mlp.router'))).toEqual([]);
    for (const list of [names, moe, global]) expect(new Set(list).size).toBe(list.length);
  });
  it('are the same for models that differ in the router only', async () => {
    const ours = new DecoderModel(MOE, { seed: 5 });
    const theirs = new Map(
      new DecoderModel(tinyMoe({ kind: 'softmax-topk' }), { seed: 5 }).parameters().map(p => [p.name, p]),
    );
    for (const parameter of ours.parameters().filter(p => p.role !== 'router')) {
      await expectClose(parameter.variable, await theirs.get(parameter.name)!.variable.data(), {
        name: parameter.name,
        tolerance: 0,
      });
    }
    const other = new DecoderModel(MOE, { seed: 6 });
    expect(
      await largestDifference(ours.parameters()[0]!.variable, other.parameters()[0]!.variable),
    ).toBeGreaterThan(0.1);
  });
  it('are routers, experts or others', () => {
    const roles = new Map(new DecoderModel(MOE).parameters().map(p => [p.name, p.role]));
    expect(roles.get('model.layers.0.mlp.experts.down_proj')).toBe('expert');
    expect(roles.get('model.layers.0.mlp.router.projection.weight')).toBe('router');
    expect(roles.get('model.layers.0.self_attn.q_proj.weight')).toBe('other');
  });
});

describe.each([
  ['rotary', TINY],
  ['learned positions', LEARNED],
  ['mixture of experts', MOE],
  ['sliding window', { ...TINY, sliding_window: 3 }],
] as const)('documents and padding: %s', (_, config) => {
  const [a, b] = randomRows(1, 2, 5) as [number[], number[]];

  it('packs documents as if each were alone', async () => {
    await noLeaks(async () => {
      const model = new DecoderModel(config, { seed: 1 });
      const inputIds = ids([[...a, ...b]]);
      const documents = ids([[...a.map(() => 0), ...b.map(() => 1)]]);
      const packed = logitsOf(model, { inputIds, documents });
      for (const [i, row] of [a, b].entries()) {
        const alone = ids([row]);
        const expected = logitsOf(model, { inputIds: alone });
        const part = tf.slice(packed, [0, 5 * i, 0], [1, 5, -1]);
        expect(await largestDifference(part, expected)).toBeLessThan(2e-5);
        tf.dispose([alone, expected, part]);
      }
      model.dispose();
      return [inputIds, documents, packed];
    });
  });

  it('does not see padding on either side', async () => {
    await noLeaks(async () => {
      const model = new DecoderModel(config, { seed: 1 });
      const alone = ids([a]);
      const expected = logitsOf(model, { inputIds: alone });
      for (const [left, right] of [
        [3, 0],
        [0, 3],
        [2, 1],
      ] as const) {
        const fill = (n: number, value: number): number[] => new Array<number>(n).fill(value);
        const inputIds = ids([[...fill(left, 9), ...a, ...fill(right, 9)]]);
        const mask = tf.tensor2d([[...fill(left, 0), ...fill(5, 1), ...fill(right, 0)]]);
        const padded = logitsOf(model, { inputIds, mask });
        const part = tf.slice(padded, [0, left, 0], [1, 5, -1]);
        expect(await largestDifference(part, expected)).toBeLessThan(2e-5);
        tf.dispose([inputIds, mask, padded, part]);
      }
      model.dispose();
      return [alone, expected];
    });
  });
});

it('goes on with documents, and begins new ones, through a cache', async () => {
  await noLeaks(async () => {
    const model = new DecoderModel(MOE, { seed: 1 });
    const rows = randomRows(2, 2, 8);
    const documents = [
      [0, 0, 0, 0, 1, 1, 2, 2],
      [3, 3, 4, 4, 4, 4, 4, 4],
    ];
    const part = (from: number, to: number) => ({
      inputIds: ids(rows.map(row => row.slice(from, to))),
      documents: ids(documents.map(row => row.slice(from, to))),
    });
    const whole = tf.tidy(() => model.forward(part(0, 8)).logits);
    const pieces = tidied(() => {
      let cache = emptyCache();
      const logits = [
        [0, 3],
        [3, 4],
        [4, 5],
        [5, 8],
      ].map(([from, to]) => {
        const out = model.forward({ ...part(from!, to!), cache });
        cache = out.cache!;
        return out.logits;
      });
      return tf.concat(logits, 1);
    });
    expect(await largestDifference(pieces, whole)).toBeLessThan(2e-5);
    model.dispose();
    return [whole, pieces];
  });
});

describe('training', () => {
  const rows = randomRows(4, 4, 13);
  const batch = () => ({
    inputIds: ids(rows.map(r => r.slice(0, -1))),
    targets: ids(rows.map(r => r.slice(1))),
  });
  const gradients = (config: ModelConfigInput) => {
    const model = new DecoderModel(config, { seed: 2 });
    const { value, grads } = valueAndGrads(
      () => languageModelLoss(model, { ...batch(), step: 3 }).loss,
      model.parameters(),
    );
    return { model, value, grads };
  };

  it('reaches every parameter', () => {
    tf.tidy(() => {
      for (const config of [LEARNED, MOE, tinyMoe(SPECTRA, { tie_word_embeddings: false })]) {
        const { model, grads } = gradients(config);
        expect([...grads.keys()].sort()).toEqual(
          model
            .parameters()
            .map(p => p.name)
            .sort(),
        );
      }
    });
  });

  it.each([
    ['dense', TINY],
    ['spectra', MOE],
    ['global', tinyMoe({ ...SPECTRA, sharing: 'global' })],
  ] as const)('recomputes layers with the same gradients, bit for bit: %s', async (_, config) => {
    const plain = gradients(config);
    const again = gradients({ ...config, recompute: true });
    await expectClose(again.value, await plain.value.data(), { tolerance: 0 });
    expect([...again.grads.keys()].sort()).toEqual([...plain.grads.keys()].sort());
    for (const [name, grad] of plain.grads) {
      await expectClose(again.grads.get(name)!, await grad.data(), { name, tolerance: 0 });
    }
  });

  it('lowers the loss, with the same numbers each time and a constant number of tensors', async () => {
    const run = async (): Promise<{ losses: number[]; tensors: Set<number> }> => {
      const model = new DecoderModel(MOE, { seed: 7 });
      const optimizer = new AdamW(model.parameters());
      const data = batch();
      const losses: number[] = [];
      const tensors = new Set<number>();
      for (let step = 0; step < 12; step++) {
        const kept: tf.Tensor[] = [];
        const { value, grads } = valueAndGrads(() => {
          const { loss, routings } = languageModelLoss(model, { ...data, step });
          for (const { statistics } of routings)
            kept.push(...Object.values(statistics).map(t => tf.keep(t.clone())));
          return loss;
        }, model.parameters());
        losses.push((await value.data())[0]!);
        optimizer.step(grads, 0.02);
        tf.dispose([value, ...grads.values(), ...kept]);
        if (step > 0) tensors.add(tf.memory().numTensors);
      }
      return { losses, tensors };
    };
    const first = await run();
    expect(first.tensors.size).toBe(1);
    expect(first.losses.at(-1)!).toBeLessThan(0.7 * first.losses[0]!);
    expect((await run()).losses).toEqual(first.losses);
  });
});

describe('languageModelLoss', () => {
  it('is the weighted mean over targets', async () => {
    const model = new DecoderModel(TINY);
    const rows = randomRows(1, 2, 4);
    const [inputIds, targets] = [ids(rows), ids(randomRows(2, 2, 4))];
    const logits = (await model.forward({ inputIds }).logits.array()) as number[][][];
    const next = await targets.array();
    const weight = [
      [1, 0, 0.5, 0],
      [0, 0, 0, 1],
    ];
    const nats = logits.map((row, b) =>
      row.map((l, s) => Math.log(l.reduce((sum, x) => sum + Math.exp(x), 0)) - l[next[b]![s]!]!),
    );
    const weighted = nats.flatMap((row, b) => row.map((value, s) => value * weight[b]![s]!));
    const out = languageModelLoss(model, { inputIds, targets, weights: tf.tensor2d(weight) });
    await expectClose(out.tokenLosses, weighted, { tolerance: 1e-5 });
    await expectClose(out.taskLoss, weighted.reduce((a, b) => a + b, 0) / 2.5, { tolerance: 1e-5 });
    await expectClose(out.tokens, 2.5);
    await expectClose(out.loss, await out.taskLoss.data());
    const none = languageModelLoss(model, { inputIds, targets, weights: tf.zeros([2, 4]) });
    await expectClose(none.loss, 0);
  });
});

describe('bad input', () => {
  const model = () => new DecoderModel(LEARNED);
  it.each([
    ['a float inputIds', () => model().forward({ inputIds: tf.zeros([1, 2]) }), 'int32'],
    [
      'a mask of another shape',
      () => model().forward({ inputIds: ids([[1, 2]]), mask: tf.ones([2, 1]) }),
      'mask',
    ],
    [
      'more positions than learned',
      () => model().forward({ inputIds: ids([randomRows(1, 1, 65)[0]!]) }),
      '65 positions',
    ],
    ['no token', () => model().forward({ inputIds: tf.zeros([1, 0], 'int32') }), 'one token'],
  ])('%s is an error', (_, run, message) => expect(run).toThrow(message));
});
