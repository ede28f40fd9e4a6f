import type { Balance, RouteContext, Routing } from '@spectra/routing';
import { Rng } from '@spectra/tensor';
import { expectClose, noLeaks, testBackend } from '@spectra/testing';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SpectraRouter } from './spectra-router.ts';
import type { SpectraRoutersOptions } from './spectra-routers.ts';
import { testRouters, toHost } from './testing.ts';

const [H, E, K] = [12, 8, 2];
const rng = new Rng(5);
const hidden = (B: number, S: number) => rng.normalTensor([B, S, H]) as Tensor3D;

const EVALUATE = { balance: 'potentials', training: false, step: 0 } as const;
const TRAIN = { balance: 'batch', training: true, step: 50 } as const;

/** All layers on the same hidden states, bottom up. */
function routeStack(routers: readonly SpectraRouter[], x: Tensor3D, context: RouteContext): Routing[] {
  const found: Routing[] = [];
  for (const router of routers) {
    const below = found.at(-1)?.carry;
    found.push(router.route(x, below === undefined ? context : { ...context, below }));
  }
  return found;
}

/** Gives every state something to carry: a few committed training steps. */
async function warm(routers: readonly SpectraRouter[], steps = 3): Promise<void> {
  for (let i = 0; i < steps; i++) {
    for (const router of routers)
      router.commit([await toHost(router.route(hidden(4, 16), TRAIN).statistics)]);
  }
}

async function values(tensor: Tensor): Promise<number[]> {
  return Array.from(await tensor.data(), v => v + 0);
}

async function expectSame(a: Routing, b: Routing, pick: (t: Tensor) => Tensor): Promise<void> {
  for (const name of ['indices', 'weights', 'probabilities'] as const) {
    await expectClose(pick(a[name]), await values(b[name]), { name, tolerance: 2e-6 });
  }
}

beforeAll(testBackend);

describe('causality', () => {
  const moved = async (recurrence: 'grid' | 'sequence' | 'depth' | 'none', balance: Balance) => {
    const routers = testRouters({ layers: 2, recurrence });
    await warm(routers);
    const [S, keep] = [10, 6];
    const x = hidden(1, S);
    const changed = tf.concat([tf.slice(x, [0, 0, 0], [-1, keep, -1]), hidden(1, S - keep)], 1) as Tensor3D;
    const context = { ...EVALUATE, balance };
    let differ = 0;
    const other = routeStack(routers, changed, context);
    for (const [layer, routing] of routeStack(routers, x, context).entries()) {
      const head = (t: Tensor) => tf.slice(t, [0, 0], [keep, -1]);
      for (const name of ['indices', 'weights', 'probabilities'] as const) {
        const [a, b] = [await values(head(routing[name])), await values(head(other[layer]![name]))];
        if (String(a) !== String(b)) differ++;
      }
    }
    return differ;
  };

  for (const recurrence of ['grid', 'sequence', 'depth', 'none'] as const) {
    it(`${recurrence}: a changed suffix moves nothing before it, but does in batch mode`, async () => {
      expect(await moved(recurrence, 'potentials')).toBe(0);
      expect(await moved(recurrence, 'none')).toBe(0);
      expect(await moved(recurrence, 'batch')).toBeGreaterThan(0);
    });
  }
});

describe('sequences', () => {
  it.each(['grid', 'sequence', 'depth', 'none'] as const)(
    '%s: decoding token by token is the whole',
    async recurrence => {
      const routers = testRouters({ layers: 2, recurrence });
      await warm(routers);
      const [B, S] = [2, 6];
      const x = hidden(B, S);
      const whole = routeStack(routers, x, EVALUATE);
      const caches: (Tensor2D | undefined)[] = [undefined, undefined];
      for (let s = 0; s < S; s++) {
        let below: Tensor3D | undefined;
        for (const [layer, router] of routers.entries()) {
          const cache = caches[layer];
          const step = router.route(tf.slice(x, [0, s, 0], [-1, 1, -1]), {
            ...EVALUATE,
            ...(below === undefined ? {} : { below }),
            ...(cache === undefined ? {} : { cache }),
          });
          below = step.carry;
          caches[layer] = step.cache;
          const rows = tf.tensor1d([s, S + s], 'int32');
          for (const name of ['indices', 'weights', 'probabilities'] as const) {
            const expected = await values(tf.gather(whole[layer]![name], rows));
            await expectClose(step[name], expected, { name: `${name} at ${s}`, tolerance: 1e-6 });
          }
        }
      }
    },
  );

  it('packed documents route as each alone', async () => {
    const routers = testRouters({ layers: 2 });
    await warm(routers);
    const parts = [hidden(1, 3), hidden(1, 1), hidden(1, 4)];
    const documentStart = tf.tensor2d([[1, 0, 0, 1, 1, 0, 0, 0]]);
    const packed = routeStack(routers, tf.concat(parts, 1), { ...EVALUATE, documentStart });
    let from = 0;
    for (const part of parts) {
      const length = part.shape[1];
      const alone = routeStack(routers, part, EVALUATE);
      for (const [layer, routing] of alone.entries()) {
        const begin = from;
        await expectSame(packed[layer]!, routing, t => tf.slice(t, [begin, 0], [length, -1]));
      }
      from += length;
    }
  });

  it.each(['batch', 'potentials', 'none'] as const)(
    '%s: padding anywhere changes no token',
    async balance => {
      const routers = testRouters({ layers: 2 });
      await warm(routers);
      const kept = [1, 2, 4, 5, 6];
      const dense = hidden(1, kept.length);
      const mask = tf.tensor2d([Array.from({ length: 9 }, (_, s) => (kept.includes(s) ? 1 : 0))]);
      const rows = tf.tensor1d(kept, 'int32');
      const spread = tf.scatterND(tf.expandDims(rows, 1), tf.squeeze(dense, [0]), [9, H]);
      const x = tf.expandDims(
        tf.add(spread, tf.mul(hidden(1, 9).squeeze([0]), tf.sub(1, mask.transpose()))),
        0,
      );
      for (const training of [false, true]) {
        const context = { balance, training, step: 50 };
        const padded = routeStack(routers, x as Tensor3D, { ...context, mask });
        for (const [layer, alone] of routeStack(routers, dense, context).entries()) {
          const found = padded[layer]!;
          for (const name of ['indices', 'weights', 'probabilities'] as const) {
            const expected = await values(alone[name]);
            await expectClose(tf.gather(found[name], rows), expected, { name, tolerance: 2e-6 });
          }
          const padding = tf.tensor1d([0, 3, 7, 8], 'int32');
          expect(await values(tf.gather(found.indices, padding))).toEqual(new Array(4 * K).fill(-1));
          expect(await values(tf.gather(found.weights, padding))).toEqual(new Array(4 * K).fill(0));
          expect(await values(tf.gather(found.probabilities, padding))).toEqual(new Array(4 * E).fill(0));
          expect(await values(found.load)).toEqual(await values(alone.load));
          await expectClose(found.loss, await values(alone.loss), { name: 'loss', tolerance: 1e-5 });
        }
      }
    },
  );
});

describe('shapes', () => {
  it.each([
    ['groups', { groups: 2 }, 12],
    ['k = E', { k: E }, 12],
    ['one token', {}, 1],
    ['one expert', { experts: 1, k: 1 }, 5],
    ['gates of the cost', { gates: 'cost' }, 12],
    ['no expression projector', { expression: 'embedding' }, 12],
    ['Newton–Schulz', { orthogonalise: 'newton-schulz' }, 12],
    ['no transport', { iterations: 0 }, 12],
    ['small ε', { epsilon: 0.01 }, 12],
    ['implicit gradient', { sinkhornGradient: 'implicit', iterations: 20 }, 12],
  ] as const)('%s', async (_, options, tokens) => {
    const [router] = testRouters(options as Partial<SpectraRoutersOptions>) as [SpectraRouter];
    await warm([router], 1);
    const { experts, k, groups } = router.options;
    for (const balance of ['batch', 'potentials', 'none'] as const) {
      const out = router.route(hidden(1, tokens), { balance, training: true, step: 10 });
      const [indices, weights] = [await values(out.indices), await values(out.weights)];
      const width = experts / groups;
      for (let t = 0; t < tokens; t++) {
        const chosen = indices.slice(t * k, (t + 1) * k);
        expect(new Set(chosen).size).toBe(k);
        for (let g = 0; g < groups; g++) {
          const own = chosen.map((e, j) => (Math.floor(e / width) === g ? weights[t * k + j]! : 0));
          expect(chosen.filter(e => Math.floor(e / width) === g).length).toBe(k / groups);
          expect(own.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
        }
      }
      const load = await values(out.load);
      expect(load.reduce((a, b) => a + b, 0)).toBe(tokens * k);
      if (balance === 'batch')
        expect(Math.max(...load)).toBeLessThanOrEqual(Math.ceil((tokens * k) / experts));
      for (const loss of [out.loss, ...Object.values(out.losses)]) {
        expect(Number.isFinite((await values(loss))[0])).toBe(true);
      }
    }
  });

  it('names what does not fit', () => {
    const [router] = testRouters() as [SpectraRouter];
    expect(() => router.route(tf.zeros([1, 2, H + 1]), EVALUATE)).toThrow(/SpectraRouter.route x/);
    expect(() => testRouters({ k: E + 1 })).toThrow(/k is of 1/);
    expect(() => testRouters({ groups: 3 })).toThrow(/groups/);
  });
});

describe('parameters', () => {
  it('are named as in PyTorch and the same for the same seed', async () => {
    const [a, b] = [testRouters({ layers: 2 }), testRouters({ layers: 2 })];
    expect(a[1]!.parameters().map(p => p.name)).toEqual([
      'layers.1.router.gru.weight_ih',
      'layers.1.router.gru.weight_hh',
      'layers.1.router.gru.bias_ih',
      'layers.1.router.gru.bias_hh',
      'layers.1.router.projection.weight',
      'layers.1.router.expression.weight',
    ]);
    const all = async (routers: SpectraRouter[]) =>
      Promise.all(routers.flatMap(r => r.parameters()).map(p => values(p.variable)));
    expect(await all(a)).toEqual(await all(b));
    expect(String(await values(a[0]!.parameters()[0]!.variable))).not.toBe(
      String(await values(a[1]!.parameters()[0]!.variable)),
    );
  });

  it('shared by all layers tell them apart by the depth embedding', async () => {
    const routers = testRouters({ layers: 3, sharing: 'global', recurrence: 'sequence' });
    const names = routers[0]!.parameters().map(p => p.name);
    expect(names).toContain('router.depth_embedding');
    expect(new Set(routers.flatMap(r => r.parameters())).size).toBe(names.length);
    const x = hidden(1, 5);
    const [first, second] = routers.map(r => r.route(x, { ...EVALUATE, balance: 'none' }).probabilities);
    expect(await values(first!)).not.toEqual(await values(second!));
  });

  it('all get a gradient', async () => {
    for (const options of [
      {},
      { recurrence: 'none' },
      { sharing: 'global' },
      { expression: 'embedding' },
    ] as const) {
      const [router] = testRouters(options) as [SpectraRouter];
      const x = hidden(2, 6);
      const cotangent = rng.normalTensor([12, K]);
      const list = router.parameters().map(p => p.variable);
      const { value, grads } = tf.variableGrads(() => {
        const { weights, loss } = router.route(x, TRAIN);
        return tf.add(tf.sum(tf.mul(weights, cotangent)), loss) as tf.Scalar;
      }, list);
      for (const { name } of list) {
        const largest = Math.max(...(await values(tf.abs(grads[name]!))));
        expect(largest, name).toBeGreaterThan(0);
      }
      tf.dispose([value, grads]);
    }
  });
});

describe('memory', () => {
  it('does not grow', async () => {
    const routers = testRouters({ layers: 2, adaptiveTemperature: true, epsilon: 0.02 });
    await warm(routers, 1);
    const x = hidden(2, 6);
    for (const balance of ['batch', 'potentials', 'none'] as const) {
      const context = { balance, training: true, step: 10, mask: tf.ones([2, 6]) as Tensor2D };
      await noLeaks(() => routeStack(routers, x, context) as unknown as Tensor[]);
    }
  });
});
