/** The recurrence of every backend against its reference in plain ops: sizes that fit no vector, padding, documents. */
import { Rng } from '@spectra/tensor';
import { expectClose, gradientsOf, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { type GruInputs, gruOp } from './gru-op.ts';
import { gruBackwardReference, gruForwardReference } from './kernels/reference/gru.ts';

beforeAll(testBackend);

interface Case {
  /** B, S, G */
  readonly shape: readonly [number, number, number];
  /** Share of positions that are tokens, and of those where a document starts; neither is given by default. */
  readonly live?: number;
  readonly starts?: number;
}

const CASES: Readonly<Record<string, Case>> = {
  'one of everything': { shape: [1, 1, 1] },
  'no sequence': { shape: [0, 3, 4], live: 1 },
  'one token, state of a vector and one': { shape: [1, 1, 5] },
  'one position of many sequences': { shape: [67, 1, 16] },
  'one position, padding and documents': { shape: [9, 1, 7], live: 0.6, starts: 0.5 },
  'one position of padding': { shape: [1, 1, 6], live: 0 },
  'padding only': { shape: [2, 5, 9], live: 0 },
  'padding only, and documents': { shape: [2, 5, 9], live: 0, starts: 0.4 },
  'a document a token': { shape: [2, 6, 4], starts: 1 },
  'padding and documents': { shape: [3, 7, 5], live: 0.7, starts: 0.2 },
  'a state of a tile and two': { shape: [2, 9, 18], live: 0.7, starts: 0.2 },
  'a state of two tiles and one': { shape: [2, 4, 33], live: 0.7, starts: 0.2 },
  'gates past a workgroup': { shape: [2, 3, 131] },
  'one position, tiles of 32 and 64 rows': { shape: [577, 1, 130], live: 0.8, starts: 0.3 },
  ...Object.fromEntries(Array.from({ length: 6 }, (_, seed) => [`drawn ${seed}`, drawn(seed)])),
};

/** Sizes that nothing was made for. */
function drawn(seed: number): Case {
  const rng = new Rng(seed).split('gru');
  return {
    shape: [1 + rng.integer(5), 1 + rng.integer(12), 1 + rng.integer(40)],
    live: rng.uniform(),
    starts: 0.3 * rng.uniform(),
  };
}

describe.each(Object.entries(CASES))('%s', (_, { shape: [B, S, G], live, starts }) => {
  it('agrees with the reference, forward and gradient', async () => {
    const rng = new Rng(11);
    const normal = (...shape: number[]) => rng.normalTensor(shape);
    const flags = (share: number) =>
      tf.tensor2d(
        Array.from({ length: B * S }, () => Number(rng.uniform() < share)),
        [B, S],
      );
    const leaves = {
      projected: normal(B, S, 3 * G),
      weight: tf.mul(normal(3 * G, G), 1.5 / Math.sqrt(G)),
      bias: normal(3 * G),
      initial: normal(B, G),
    };
    const rest = {
      ...(live === undefined ? {} : { mask: flags(live) }),
      ...(starts === undefined ? {} : { documentStart: flags(starts) }),
    };
    const inputs: GruInputs = { ...leaves, ...rest };
    const dStates = normal(B, S, G);
    const [states] = gruOp(inputs, {});
    const [expected] = tf.tidy(() => gruForwardReference(inputs));
    await expectClose(states!, await expected!.data<'float32'>(), { name: 'states', tolerance: 2e-6 });
    const { gradients } = gradientsOf(
      values => tf.sum(tf.mul(gruOp({ ...values, ...rest } as GruInputs, {})[0]!, dStates)),
      leaves,
    );
    const slow = tf.tidy(() => gruBackwardReference({ ...inputs, states: expected!, dStates }));
    for (const [i, name] of (['projected', 'weight', 'bias', 'initial'] as const).entries()) {
      const wanted = await slow[i]!.data<'float32'>();
      const size = wanted.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
      await expectClose(gradients[name], wanted, { name, tolerance: 5e-6 * size });
    }
  });
});
