/** Every kind of router, and each of SPECTRA's ablations, in a model: by configuration alone. */

import type { HostStatistics } from '@spectra/routing';
import { AdamW, readTensors, valueAndGrads } from '@spectra/tensor';
import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ModelConfigInput, parseModelConfig } from './config.ts';
import { DecoderModel } from './decoder-model.ts';
import { languageModelLoss } from './loss.ts';
import { loadRouterStates, routerStates } from './model-tensors.ts';
import type { RouterKind } from './router-config.ts';
import { ids, largestDifference, randomRows, SPECTRA, tinyMoe } from './test-support.ts';

beforeAll(testBackend);

type RouterInput = Parameters<typeof tinyMoe>[0];

const KINDS: Readonly<Record<RouterKind, RouterInput>> = {
  spectra: SPECTRA,
  'softmax-topk': { kind: 'softmax-topk' },
  topk: { kind: 'topk' },
  'deepseek-v3': { kind: 'deepseek-v3', groups: 2, scale: 2.5 },
  simbal: { kind: 'simbal' },
  ernie: { kind: 'ernie' },
  'expert-choice': { kind: 'expert-choice' },
  's-base': { kind: 's-base' },
  quantile: { kind: 'quantile' },
  cosine: { kind: 'cosine' },
  rmoe: { kind: 'rmoe', state_size: 5 },
  'gru-switch': { kind: 'gru-switch', state_size: 5 },
  hash: { kind: 'hash' },
  random: { kind: 'random' },
};

const ABLATIONS = {
  '−GRU': { recurrence: 'none' },
  '−Expression': { expression: 'embedding' },
  '−Repulsion': { lambda: 0 },
  '−Hinge': { beta: 0 },
  '−Speciality': { loss_weights: { speciality: 0 } },
  '−Ortho': { loss_weights: { orthogonality: 0 } },
  '−Quota': { selection: 'top-k' },
  '−Sinkhorn': { iterations: 0 },
  '−All': {
    recurrence: 'none',
    expression: 'embedding',
    lambda: 0,
    beta: 0,
    loss_weights: { speciality: 0, orthogonality: 0 },
    selection: 'top-k',
    iterations: 0,
  },
} as const;

const ROUTERS: readonly (readonly [string, RouterInput])[] = [
  ...Object.entries(KINDS),
  ['switch top-1', { kind: 'softmax-topk' }] as const,
  ['gru-switch, shared', { kind: 'gru-switch', state_size: 5, sharing: 'global', recurrence: 'sequence' }],
  ...Object.entries(ABLATIONS).map(([name, change]) => [name, { ...SPECTRA, ...change }] as const),
];

const rows = randomRows(3, 4, 17);
const batch = () => ({
  inputIds: ids(rows.map(row => row.slice(0, -1))),
  targets: ids(rows.map(row => row.slice(1))),
});

function configOf(name: string, router: RouterInput): ModelConfigInput {
  const config = tinyMoe(router);
  return name === 'switch top-1' ? { ...config, moe: { ...config.moe, k: 1 } } : config;
}

/** Loss, gradients and what the routers are to commit. */
async function step(model: DecoderModel, at: number) {
  const kept: Record<string, tf.Tensor>[] = [];
  const { value, grads } = valueAndGrads(() => {
    const { loss, routings } = languageModelLoss(model, { ...batch(), step: at });
    for (const { statistics } of routings) {
      const clones = Object.entries(statistics).map(([name, t]) => [name, tf.keep(t.clone())] as const);
      kept.push(Object.fromEntries(clones));
    }
    return loss;
  }, model.parameters());
  const statistics = await Promise.all(
    kept.map(async (tensors): Promise<HostStatistics> => {
      const host = await readTensors(tensors);
      const entries = Object.entries(host).map(([name, data]) => [
        name,
        { shape: tensors[name]!.shape, data: Float32Array.from(data) },
      ]);
      return Object.fromEntries(entries);
    }),
  );
  const loss = (await value.data())[0]!;
  tf.dispose([value, kept]);
  return { loss, grads, statistics };
}

describe.each(ROUTERS)('%s', (name, router) => {
  const config = configOf(name, router);

  it('trains a step and is saved', async () => {
    const model = new DecoderModel(config, { seed: 2 });
    const optimizer = new AdamW(model.parameters());
    const states: string[] = [];
    let last = Number.POSITIVE_INFINITY;
    for (let at = 0; at < 3; at++) {
      const { loss, grads, statistics } = await step(model, at);
      expect([...grads.keys()].sort()).toEqual(
        model
          .parameters()
          .map(p => p.name)
          .sort(),
      );
      for (const [parameter, grad] of grads) {
        const largest = Math.max(...(await tf.abs(grad).data()));
        expect(Number.isFinite(largest), parameter).toBe(true);
        if (parameter.includes('router') && at > 0) expect(largest, parameter).toBeGreaterThan(0);
      }
      optimizer.step(grads, 0.01);
      tf.dispose([...grads.values()]);
      for (const [layer, one] of statistics.entries()) model.routers[layer]!.commit([one]);
      states.push(JSON.stringify(routerStates(model)));
      expect(loss, `step ${at}`).toBeLessThan(last + 0.05);
      last = loss;
    }
    if (Object.keys(routerStates(model)).length > 0) expect(states[0]).not.toBe(states[2]);

    const other = new DecoderModel(config, { seed: 99 });
    for (const [i, parameter] of other.parameters().entries()) {
      parameter.variable.assign(model.parameters()[i]!.variable);
    }
    loadRouterStates(other, routerStates(model));
    const [x, y] = [model, other].map(m => tf.tidy(() => m.forward({ inputIds: batch().inputIds }).logits));
    expect(await largestDifference(x!, y!), 'a loaded model routes alike').toBe(0);
    tf.dispose([x, y]);
    model.dispose();
    other.dispose();
  });

  it('has the same gradients where layers are recomputed', async () => {
    const found = [false, true].map(recompute => {
      const model = new DecoderModel({ ...config, recompute }, { seed: 2 });
      return valueAndGrads(() => languageModelLoss(model, batch()).loss, model.parameters());
    });
    const [plain, again] = found as [(typeof found)[0], (typeof found)[0]];
    for (const [parameter, grad] of plain.grads) {
      await expectClose(again.grads.get(parameter)!, await grad.data(), { name: parameter, tolerance: 0 });
    }
  });

  it('keeps packed documents and padding apart', async () => {
    const model = new DecoderModel(config, { seed: 2 });
    const [a, b] = randomRows(1, 2, 5) as [number[], number[]];
    const logits = (input: Parameters<DecoderModel['forward']>[0]) =>
      tf.tidy(() => model.forward(input).logits);
    const packed = logits({
      inputIds: ids([[...a, 9, 9, ...b]]),
      documents: ids([[0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1]]),
      mask: tf.tensor2d([[1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1]]),
    });
    for (const [row, from] of [
      [a, 0],
      [b, 7],
    ] as const) {
      const part = tf.slice(packed, [0, from, 0], [1, 5, -1]);
      expect(await largestDifference(part, logits({ inputIds: ids([row]) }))).toBeLessThan(2e-5);
    }
    model.dispose();
  });

  it('is written as it is read', () => {
    const parsed = parseModelConfig(config);
    expect(parseModelConfig(JSON.parse(JSON.stringify(parsed)))).toEqual(parsed);
  });
});

it('starts every router from the same other weights', async () => {
  const all = await Promise.all(
    ROUTERS.map(async ([name, router]) => {
      const model = new DecoderModel(configOf(name, router), { seed: 5 });
      const others = model.parameters().filter(({ role }) => role !== 'router');
      return Promise.all(others.map(async p => [p.name, String(await p.variable.data())] as const));
    }),
  );
  for (const one of all) expect(one).toEqual(all[0]);
});
