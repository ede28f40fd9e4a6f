import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reportScalars } from './layer-report.ts';
import { type Observation, RoutingMonitor } from './routing-monitor.ts';

const EXPERTS = 5;
const SLOTS = 2;
const WIDTH = 3;
const DOMAINS = ['prose', 'code', 'maths'];

/** `sequences` random sequences of length `length`, with padding, dropped slots, unlabelled tokens and packing. */
function observe(random: () => number, sequences: number, length: number, layer: number): Observation {
  const n = sequences * length;
  const below = (bound: number) => Math.floor(random() * bound);
  const indices = Int32Array.from({ length: n * SLOTS }, () => -1);
  for (let t = 0; t < n; t++) {
    const first = below(EXPERTS);
    indices[t * SLOTS] = first;
    if (random() < 0.9) indices[t * SLOTS + 1] = (first + 1 + below(EXPERTS - 1)) % EXPERTS;
  }
  return {
    layer,
    sequenceLength: length,
    slots: SLOTS,
    indices,
    weights: Float32Array.from({ length: n * SLOTS }, random),
    probabilities: Float32Array.from({ length: n * EXPERTS }, () => random() + 0.01),
    mask: Array.from({ length: n }, (_, t) => (t % length === 0 || random() < 0.8 ? 1 : 0)),
    tokenIds: Int32Array.from({ length: n }, () => below(12)),
    domains: Int32Array.from({ length: n }, () => below(4) - 1),
    documents: Int32Array.from({ length: n }, (_, t) => Math.floor(t / 3)),
    hidden: { data: Float32Array.from({ length: n * WIDTH }, () => random() - 0.5), width: WIDTH },
  };
}

/** The observation of sequences [from, to). */
function slice(o: Observation, from: number, to: number): Observation {
  const cut = <T extends ArrayLike<number>>(array: T, width: number): T =>
    Array.prototype.slice.call(
      array,
      from * o.sequenceLength * width,
      to * o.sequenceLength * width,
    ) as never;
  return {
    ...o,
    indices: Int32Array.from(cut(o.indices, SLOTS)),
    weights: cut(o.weights!, SLOTS),
    probabilities: cut(o.probabilities!, EXPERTS),
    mask: cut(o.mask!, 1),
    tokenIds: cut(o.tokenIds!, 1),
    domains: cut(o.domains!, 1),
    documents: cut(o.documents!, 1),
    hidden: { data: Float32Array.from(cut(o.hidden!.data, WIDTH)), width: WIDTH },
  };
}

function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const monitor = () =>
  new RoutingMonitor({ experts: EXPERTS, domains: DOMAINS, seed: 3, reservoir: 16, expertsPerToken: SLOTS });

describe('RoutingMonitor', () => {
  it('says the same however the sequences are cut into batches', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 2, max: 9 }),
        fc.array(fc.nat(6), { maxLength: 4 }),
        (seed, sequences, length, cuts) => {
          const random = generator(seed);
          const all = [0, 3].map(layer => observe(random, sequences, length, layer));
          const whole = monitor();
          for (const observation of all) whole.observe(observation);
          const parts = monitor();
          const edges = [...new Set([0, ...cuts.filter(c => c < sequences), sequences])].sort(
            (a, b) => a - b,
          );
          for (let i = 0; i + 1 < edges.length; i++) {
            for (const observation of all) parts.observe(slice(observation, edges[i]!, edges[i + 1]!));
          }
          expect(parts.report()).toEqual(whole.report());
        },
      ),
      { numRuns: 60 },
    );
  });

  it('weighs expert vectors by the tokens of their batch', () => {
    const monitor = new RoutingMonitor({ experts: 2 });
    const batch = (tokens: number, expertVectors: number[]) =>
      monitor.observe({
        layer: 0,
        sequenceLength: tokens,
        slots: 1,
        indices: Int32Array.from({ length: tokens }, (_, t) => t % 2),
        expertVectors,
      });
    batch(3, [1, 0, 0, 1]);
    batch(1, [-3, 0, 4, 1]);
    // means: [0, 0] and [1, 1]: the first has no direction
    expect(monitor.report().layers[0]!.gram!.orthogonality).toBeCloseTo(1 - 1 / Math.SQRT2, 12);
  });

  it('reports the worst layer, in plain data', () => {
    const random = generator(1);
    const m = monitor();
    for (const layer of [2, 0]) m.observe(observe(random, 3, 8, layer));
    const report = m.report();
    expect(report.layers.map(l => l.layer)).toEqual([0, 2]);
    expect(report.overall.cv).toBe(Math.max(...report.layers.map(l => l.load.cv)));
    expect(report.overall.centroidOrthogonality).toBe(
      Math.min(...report.layers.map(l => l.centroidOrthogonality!)),
    );
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    const scalars = reportScalars(report);
    expect(scalars['overall/cv']).toBe(report.overall.cv);
    expect(scalars['layer_2/load_max_violation']).toBe(report.layers[1]!.load.maxViolation);
    expect(scalars['layer_0/nmi']).toBe(report.layers[0]!.domains!.nmi);
    expect(scalars).not.toHaveProperty('layer_0/layer');
    expect(scalars).not.toHaveProperty('layer_0/gram_orthogonality');
  });

  it('has null where nothing was given', () => {
    const m = new RoutingMonitor({ experts: 3 });
    m.observe({ layer: 0, sequenceLength: 1, slots: 1, indices: Int32Array.of(0, 1, 2) });
    expect(m.report().layers[0]).toMatchObject({
      gram: null,
      centroidOrthogonality: null,
      expertOverlap: null,
      routingEntropy: null,
      confidence: null,
      sequentialOverlap: null,
      silhouette: null,
      domains: null,
    });
  });

  it('counts a batch of padding only as nothing', () => {
    const m = new RoutingMonitor({ experts: 2 });
    m.observe({ layer: 0, sequenceLength: 2, slots: 1, indices: Int32Array.of(-1, -1), mask: [0, 0] });
    expect(() => m.report()).toThrow(/no slot was dispatched/);
    m.observe({ layer: 0, sequenceLength: 2, slots: 1, indices: Int32Array.of(0, 1) });
    expect(m.report().layers[0]!.tokens).toBe(2);
  });

  it('does not go on after a half-counted observation until it is reset', () => {
    const m = new RoutingMonitor({ experts: 2 });
    const good = { layer: 0, sequenceLength: 2, slots: 1, indices: Int32Array.of(0, 1) };
    expect(() => m.report()).toThrow(/nothing was observed/);
    expect(() => m.observe({ ...good, domains: [0, 0] })).toThrow(/none are named/);
    expect(() => m.observe(good)).toThrow(/incomplete.*reset/);
    expect(() => m.report()).toThrow(/incomplete/);
    m.reset();
    m.observe(good);
    expect(m.report().overall.cv).toBe(0);
  });

  it('checks its options and the layer', () => {
    expect(() => new RoutingMonitor({ experts: 0 })).toThrow(/experts/);
    expect(() => new RoutingMonitor({ experts: 4, groups: 3 })).toThrow(/groups/);
    const m = new RoutingMonitor({ experts: 2 });
    expect(() => m.observe({ layer: -1, sequenceLength: 1, slots: 1, indices: Int32Array.of(0) })).toThrow(
      /layer/,
    );
  });
});
