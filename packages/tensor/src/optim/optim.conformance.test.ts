import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Parameter } from '../parameter.ts';
import { Rng } from '../rng.ts';
import { AdamW } from './adamw.ts';
import { clipByGlobalNorm, globalNorm } from './global-norm.ts';
import { GradientAccumulator } from './gradient-accumulator.ts';
import { valueAndGrads } from './gradients.ts';
import { noGrad, stopGradient } from './tape.ts';

beforeAll(testBackend);
let tensors = 0;
beforeEach(() => {
  tensors = tf.memory().numTensors;
});
afterEach(() => {
  expect(tf.memory().numTensors, 'tensors left behind').toBe(tensors);
});

const floats = async (t: tf.Tensor): Promise<number[]> => [...(await t.data())];

describe('valueAndGrads', () => {
  it('names the gradients and leaves out frozen and unreached parameters', async () => {
    const [a, b, c] = ['a', 'b', 'c'].map(name => new Parameter(name, tf.tensor1d([1, 2])));
    b!.trainable = false;
    const loss = () => tf.sum(tf.mul(tf.square(a!.variable), b!.variable)) as tf.Scalar;
    const { value, grads } = valueAndGrads(loss, [a!, b!, c!, a!]);
    expect([...grads.keys()]).toEqual(['a']);
    expect(await floats(value)).toEqual([9]);
    expect(await floats(grads.get('a')!)).toEqual([2, 8]);
    expect(() => valueAndGrads(loss, [a!, new Parameter('a', tf.scalar(0))])).toThrow(
      'two parameters are named a',
    );
    expect(() => valueAndGrads(() => tf.square(a!.variable) as unknown as tf.Scalar, [a!])).toThrow('scalar');
    tf.dispose([value, grads.get('a')!]);
    for (const p of [a!, b!, c!]) p.dispose();
    tf.engine().disposeVariables();
  });

  it('releases what was saved when the loss throws', () => {
    const a = new Parameter('a', tf.tensor1d([1, 2]));
    const bad = (): tf.Scalar => {
      tf.exp(tf.square(a.variable));
      throw new Error('no loss today');
    };
    const before = tf.memory().numTensors;
    expect(() => valueAndGrads(bad, [a])).toThrow('no loss today');
    expect(tf.memory().numTensors).toBe(before);
    a.dispose();
  });

  it('sees a constant behind noGrad and stopGradient', async () => {
    const a = new Parameter('a', tf.scalar(3));
    const { value, grads } = valueAndGrads(
      () =>
        tf.mul(
          tf.mul(a.variable, stopGradient(a.variable)),
          noGrad(() => tf.add(a.variable, 1)),
        ) as tf.Scalar,
      [a],
    );
    expect(await floats(grads.get('a')!)).toEqual([12]);
    tf.dispose([value, grads.get('a')!]);
    a.dispose();
  });
});

describe('AdamW', () => {
  it('follows the published update in float64', async () => {
    const rng = new Rng(1);
    const start = rng.fillNormal(new Float32Array(6));
    const weight = new Parameter('w', tf.tensor(start, [2, 3]), { role: 'expert' });
    const bias = new Parameter('b', tf.tensor1d([0.5]));
    const frozen = new Parameter('f', tf.tensor1d([0.5]), { role: 'router' });
    const groups = [
      { role: 'expert' as const, learningRateRatio: 0.5, weightDecay: 0.2 },
      { match: /^f$/, learningRateRatio: 0 },
    ];
    const optimizer = new AdamW([weight, bias, frozen], { betas: [0.9, 0.99], epsilon: 1e-6, groups });
    const reference = { w: Array.from(start, Number), m: new Float64Array(6), v: new Float64Array(6) };
    for (let t = 1; t <= 5; t++) {
      const grad = rng.fillNormal(new Float32Array(6));
      const grads = new Map([
        ['w', tf.tensor(grad, [2, 3])],
        ['b', tf.tensor1d([0])],
        ['f', tf.tensor1d([1])],
      ]);
      optimizer.step(grads, 0.1, 0.25);
      tf.dispose([...grads.values()]);
      for (let i = 0; i < 6; i++) {
        const g = grad[i]! * 0.25;
        reference.m[i] = 0.9 * reference.m[i]! + 0.1 * g;
        reference.v[i] = 0.99 * reference.v[i]! + 0.01 * g * g;
        const step = reference.m[i]! / (1 - 0.9 ** t) / (Math.sqrt(reference.v[i]! / (1 - 0.99 ** t)) + 1e-6);
        reference.w[i] = reference.w[i]! * (1 - 0.05 * 0.2) - 0.05 * step;
      }
    }
    const got = await floats(weight.variable);
    const error = reference.w.map((w, i) => Math.abs(got[i]! - w));
    expect(Math.max(...error)).toBeLessThan(3e-6);
    expect(await floats(bias.variable)).toEqual([0.5]);
    expect(await floats(frozen.variable)).toEqual([0.5]);
    const state = optimizer.state();
    expect([...state.keys()].filter(name => name.startsWith('f.'))).toEqual([]);
    // an older program kept moments of what was frozen, too
    const older = new Map([
      ...state,
      ['f.m', tf.zeros([1])],
      ['f.v', tf.zeros([1])],
      ['f.steps', tf.scalar(0, 'int32')],
    ]);
    await optimizer.loadState(older);
    tf.dispose([...older.values()]);
    optimizer.dispose();
    for (const p of [weight, bias, frozen]) p.dispose();
  });

  it('keeps nothing for what is frozen, and leaves it as it is', async () => {
    const [frozen, weight] = ['f', 'w'].map(name => new Parameter(name, tf.tensor2d([[1, 2]])));
    frozen!.trainable = false;
    const before = tf.memory().numTensors;
    const optimizer = new AdamW([frozen!, weight!], { weightDecay: 0.5 });
    expect(tf.memory().numTensors).toBe(before + 2);
    const grads = new Map(['f', 'w'].map(name => [name, tf.ones([1, 2])] as const));
    optimizer.step(grads, 0.1);
    expect(await floats(frozen!.variable)).toEqual([1, 2]);
    expect(await floats(weight!.variable)).not.toEqual([1, 2]);
    const other = tf.ones([3]);
    expect(() => optimizer.step(new Map([['f', other]]), 0.1)).toThrow('shape');
    tf.dispose([other, ...grads.values()]);
    optimizer.dispose();
    frozen!.dispose();
    weight!.dispose();
  });

  it('resumes bit for bit from its state', async () => {
    const rng = new Rng(2);
    const make = (values: Float32Array) => {
      const parameter = new Parameter('w', tf.tensor1d(values));
      return { parameter, optimizer: new AdamW([parameter]) };
    };
    const grads = Array.from({ length: 4 }, () => rng.fillNormal(new Float32Array(5)));
    const first = make(rng.fillNormal(new Float32Array(5)));
    const step = ({ optimizer }: { optimizer: AdamW }, i: number) => {
      const grad = tf.tensor1d(grads[i]!);
      optimizer.step(new Map([['w', grad]]), 0.01);
      grad.dispose();
    };
    step(first, 0);
    step(first, 1);
    const state = first.optimizer.state();
    expect([...state.keys()]).toEqual(['w.m', 'w.v', 'w.steps']);
    const second = make(Float32Array.from(await floats(first.parameter.variable)));
    await second.optimizer.loadState(state);
    for (const i of [2, 3]) {
      step(first, i);
      step(second, i);
    }
    expect(await floats(second.parameter.variable)).toEqual(await floats(first.parameter.variable));
    const again = second.optimizer.state();
    await expect(second.optimizer.loadState(new Map([...again].slice(1)))).rejects.toThrow(
      "'w.m' is missing",
    );
    await expect(second.optimizer.loadState(new Map([...again, ['x.m', state.get('w.m')!]]))).rejects.toThrow(
      'no parameter',
    );
    tf.dispose([...state.values(), ...again.values()]);
    for (const { parameter, optimizer } of [first, second]) {
      optimizer.dispose();
      parameter.dispose();
    }
  });

  it('refuses unknown names and wrong shapes before it changes anything', async () => {
    const parameter = new Parameter('w', tf.tensor1d([1, 2]));
    const optimizer = new AdamW([parameter]);
    const good = tf.tensor1d([1, 1]);
    const bad = tf.tensor1d([1, 1, 1]);
    expect(() =>
      optimizer.step(
        new Map([
          ['w', good],
          ['u', good],
        ]),
        0.1,
      ),
    ).toThrow('no parameter is named u');
    expect(() => optimizer.step(new Map([['w', bad]]), 0.1)).toThrow('shape');
    expect(() => optimizer.step(new Map([['w', good]]), Number.NaN)).toThrow('learning rate');
    expect(await floats(parameter.variable)).toEqual([1, 2]);
    tf.dispose([good, bad]);
    optimizer.dispose();
    parameter.dispose();
  });
});

describe('globalNorm', () => {
  it('is the length of all gradients together, and safe at 0', async () => {
    const [a, b, zero] = [tf.tensor2d([[3, 0]]), tf.scalar(4), tf.zeros([3])];
    expect((await globalNorm([a, b])).norm).toBe(5);
    const named = await globalNorm(
      new Map<string, tf.Tensor>([
        ['a', a],
        ['b', b],
      ]),
    );
    expect([...named.norms]).toEqual([
      ['a', 3],
      ['b', 4],
    ]);
    expect(await clipByGlobalNorm([a, b], 2.5)).toMatchObject({ norm: 5, nonFinite: [], scale: 0.5 });
    expect(await clipByGlobalNorm([a, b], 10)).toMatchObject({ scale: 1 });
    expect(await clipByGlobalNorm([zero], 1)).toMatchObject({ norm: 0, nonFinite: [], scale: 1 });
    expect(await clipByGlobalNorm([], 1)).toMatchObject({ norm: 0, nonFinite: [], scale: 1 });
    tf.dispose([a, b, zero]);
  });

  it('names what is not finite', async () => {
    const grads = new Map([
      ['good', tf.ones([2])],
      ['bad', tf.tensor1d([1, Number.NaN])],
    ]);
    const { norm, nonFinite, scale } = await clipByGlobalNorm(grads, 1);
    expect([norm, nonFinite, scale]).toEqual([Number.NaN, ['bad'], 0]);
    tf.dispose([...grads.values()]);
  });
});

describe('GradientAccumulator', () => {
  it('adds in order, hands over sums or means, and counts a missing name as 0', async () => {
    const sums = new GradientAccumulator();
    for (const [a, b] of [
      [1e8, 1],
      [1, undefined],
      [-1e8, 3],
    ]) {
      const grads = new Map([['a', tf.scalar(a!)]]);
      if (b !== undefined) grads.set('b', tf.scalar(b));
      sums.add(grads);
      tf.dispose([...grads.values()]);
    }
    expect(sums.count).toBe(3);
    const taken = sums.takeMean();
    expect(await floats(taken.get('a')!)).toEqual([0]); // 1e8 + 1 − 1e8 in float32, in this order
    expect((await floats(taken.get('b')!))[0]).toBeCloseTo(4 / 3, 6);
    expect(sums.count).toBe(0);
    tf.dispose([...taken.values()]);
    sums.dispose();
  });
});
