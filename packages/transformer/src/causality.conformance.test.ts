/**
 * What a token may depend on: itself and what came before it. Every router, recurrence and sharing, under both causal
 * rules; and the rule that is not causal must be seen to fail.
 */

import type { HostArray } from '@spectra/routing';
import { Rng, tidied } from '@spectra/tensor';
import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { disposeCache, emptyCache, type ModelCache } from './cache.ts';
import { DecoderModel } from './decoder-model.ts';
import { ids, largestDifference, randomRows, SPECTRA, tinyMoe } from './test-support.ts';

beforeAll(testBackend);

const RECURRENCES = ['grid', 'sequence', 'depth', 'none'] as const;
const SHARINGS = ['per-layer', 'global'] as const;
const ROUTERS = [
  ...RECURRENCES.flatMap(recurrence =>
    SHARINGS.map(
      sharing => [`spectra ${recurrence} ${sharing}`, { ...SPECTRA, recurrence, sharing }] as const,
    ),
  ),
  ...(
    [
      'softmax-topk',
      'deepseek-v3',
      'expert-choice',
      's-base',
      'quantile',
      'cosine',
      'hash',
      'random',
      'rmoe',
    ] as const
  ).map(kind => [kind, { kind }] as const),
  ...RECURRENCES.map(
    recurrence => [`gru-switch ${recurrence}`, { kind: 'gru-switch', state_size: 6, recurrence }] as const,
  ),
];
const [B, S] = [2, 12];

/** A model whose routers carry prices and averages as after some training. */
function trainedModel(router: Parameters<typeof tinyMoe>[0]): DecoderModel {
  const model = new DecoderModel(tinyMoe(router), { seed: 11 });
  const rng = new Rng(12);
  for (const found of model.routers) {
    const drawn = Object.entries(found.state()).map(([name, { shape, data }]): [string, HostArray] => {
      // counts tell a state that is in force
      const value = (): number =>
        name === 'counts' || name === 'steps' ? 5 : name === 'threshold' ? 0.25 : rng.normal(0, 0.1);
      return [name, { shape, data: Float32Array.from(data, value) }];
    });
    found.loadState(Object.fromEntries(drawn));
  }
  return model;
}

let live: DecoderModel | undefined;
afterEach(() => {
  live?.dispose();
  live = undefined;
});

function forward(model: DecoderModel, rows: number[][], balance: 'batch' | 'potentials' | 'none') {
  return tidied(() => {
    const { logits, routings } = model.forward({ inputIds: ids(rows), balance });
    return {
      logits,
      routings: routings.map(({ indices, weights, probabilities }) => ({ indices, weights, probabilities })),
    };
  });
}

/** The largest change of a logit at or before `position` when every later token is another. */
async function suffixChange(
  model: DecoderModel,
  balance: 'batch' | 'potentials' | 'none',
  position: number,
): Promise<{ change: number; largest: number }> {
  const rows = randomRows(1, B, S);
  const other = randomRows(2, B, S);
  const changed = rows.map((row, b) =>
    row.map((token, s) => (s <= position ? token : (token + 1 + (other[b]![s]! % 28)) % 29)),
  );
  const [a, b] = [forward(model, rows, balance), forward(model, changed, balance)];
  const head = (t: tf.Tensor3D) => tf.slice(t, [0, 0, 0], [B, position + 1, -1]);
  const [x, y] = [head(a.logits), head(b.logits)];
  const tail = [a, b].map(({ logits }) => tf.slice(logits, [0, position + 1, 0], [B, 1, -1]));
  expect(await largestDifference(tail[0]!, tail[1]!), 'the tokens after it did change').toBeGreaterThan(1e-3);
  const change = await largestDifference(x, y);
  const largest = await largestDifference(x, tf.zerosLike(x));
  tf.dispose([a, b, x, y, tail]);
  return { change, largest };
}

const BACKEND = process.env.SPECTRA_BACKEND ?? 'wasm';
const EXACT = BACKEND === 'cpu' || BACKEND === 'wasm';
/** A software GPU takes seconds per pass. */
const POSITIONS = BACKEND === 'webgpu' ? [5] : [0, 5, 10];

describe.each(ROUTERS)('%s', (_, router) => {
  it.each(['potentials', 'none'] as const)('is causal under balance %s', async balance => {
    live = trainedModel(router);
    for (const position of POSITIONS) {
      const { change, largest } = await suffixChange(live, balance, position);
      expect(change, `position ${position}`).toBeLessThanOrEqual(EXACT ? 1e-6 : 1e-5 * largest);
    }
  });

  it('decodes token by token as in one pass, by the same experts', async () => {
    live = trainedModel(router);
    const rows = randomRows(3, B, S);
    const whole = forward(live, rows, 'potentials');
    const chunks = [4, 1, 1, 3, 1, 1, 1];
    let cache: ModelCache = emptyCache();
    let from = 0;
    for (const length of chunks) {
      const past = cache;
      const model = live;
      const part = tidied(() => {
        const {
          logits,
          routings,
          cache: next,
        } = model.forward({ inputIds: ids(rows.map(row => row.slice(from, from + length))), cache: past });
        return { logits, next: next!, indices: routings.map(({ indices }) => indices) };
      });
      disposeCache(past);
      cache = part.next;
      const expected = tf.slice(whole.logits, [0, from, 0], [B, length, -1]);
      expect(await largestDifference(part.logits, expected), `positions from ${from}`).toBeLessThan(1e-4);
      for (const [layer, indices] of part.indices.entries()) {
        const slots = indices.shape[1];
        const all = tf.reshape(whole.routings[layer]!.indices, [B, S, slots]);
        const same = tf.slice(all, [0, from, 0], [B, length, slots]);
        await expectClose(indices, Array.from(await same.data()), { name: `layer ${layer}`, tolerance: 0 });
        tf.dispose([all, same]);
      }
      tf.dispose([part.logits, expected, part.indices]);
      from += length;
    }
    disposeCache(cache);
    tf.dispose(whole);
  });
});

describe('balance batch', () => {
  it.each([
    ['spectra', SPECTRA],
    ['expert-choice', { kind: 'expert-choice' }],
    ['s-base', { kind: 's-base' }],
  ] as const)('%s is not causal, and the test sees it', async (_, router) => {
    live = trainedModel(router);
    const { change } = await suffixChange(live, 'batch', 5);
    console.log(
      `${router.kind}: a later token moves earlier logits by up to ${change.toExponential(1)} under balance batch`,
    );
    expect(change).toBeGreaterThan(1e-3);
  });
});

it('has few decisions so close that rounding could turn them', async () => {
  live = trainedModel(SPECTRA);
  const k = live.architecture.moe!.k;
  let near = 0;
  let all = 0;
  const rows = randomRows(5, BACKEND === 'webgpu' ? 16 : 64, 32);
  for (const { probabilities } of forward(live, rows, 'potentials').routings) {
    for (const row of (await probabilities.array()) as number[][]) {
      const sorted = [...row].sort((a, b) => b - a);
      all++;
      if (sorted[k - 1]! - sorted[k]! < 1e-5) near++;
    }
  }
  console.log(
    `near ties (k-th and next probability within 1e-5): ${near} of ${all} decisions, ${((100 * near) / all).toFixed(3)} %`,
  );
  expect(near / all).toBeLessThan(0.001);
});
