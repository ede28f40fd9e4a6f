import { fixture, type GoldenArray, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  checkpointConsistency,
  confidence,
  countDomains,
  countLoad,
  countTypes,
  domainMetrics,
  expertDiversity,
  expertOverlap,
  fromRouting,
  gramOrthogonality,
  kendallTau,
  type LoadMetrics,
  loadMetrics,
  overlapPairs,
  RoutingMonitor,
  routingEntropy,
  sequentialOverlap,
  silhouette,
  silhouetteSamples,
  tfidf,
} from './index.ts';

beforeAll(testBackend);

const f = fixture('metrics');

type Numbers = ArrayLike<number> | number | null;
const flat = (value: Numbers): (number | null)[] =>
  value === null || typeof value === 'number' ? [value] : Array.from(value);

/** Host float64 arithmetic: within 1e-9·max(1, max|golden|); what does not exist (null, NaN) must not exist here. */
function expectExact(actual: Numbers, golden: unknown, name: string): void {
  const want = flat(golden as Numbers).map(v => (v === null ? Number.NaN : v));
  const got = flat(actual).map(v => (v === null ? Number.NaN : v));
  expect(got.length, name).toBe(want.length);
  const tolerance = 1e-9 * Math.max(1, ...want.filter(Number.isFinite).map(Math.abs));
  for (const [i, value] of want.entries()) {
    if (Number.isNaN(value)) expect(got[i], `${name}[${i}]`).toBeNaN();
    else
      expect(Math.abs(got[i]! - value), `${name}[${i}]: ${got[i]} for ${value}`).toBeLessThanOrEqual(
        tolerance,
      );
  }
}

function expectLoad(actual: LoadMetrics, golden: Record<string, number>, name: string): void {
  const snake = (key: string) => key.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
  const byName = Object.fromEntries(Object.entries(actual).map(([key, value]) => [snake(key), value]));
  expect(Object.keys(byName).sort()).toEqual(Object.keys(golden).sort());
  for (const [key, value] of Object.entries(golden)) expectExact(byName[key]!, value, `${name}.${key}`);
}

type GoldenMetrics = Record<string, number | null> & { readonly load: Record<string, number> };

const ints = (array: GoldenArray) => Int32Array.from(array.data);
const dense = (counts: readonly ReadonlyMap<number, number>[], types: number) =>
  Int32Array.from(
    { length: counts.length * types },
    (_, i) => counts[Math.floor(i / types)]!.get(i % types) ?? 0,
  );

describe.each(Object.keys(f.cases))('%s', name => {
  const golden = f.cases[name]!.metrics as unknown as GoldenMetrics;
  const params = f.cases[name]!.params as Record<string, number>;
  const array = (key: string) => f.array(`${name}.${key}`);

  if (f.has(`${name}.expert_mean`)) {
    it('Gram orthogonality, the printed form and the ceiling', () => {
      const { data, shape } = array('expert_mean');
      const gram = gramOrthogonality(data, shape[0]!, shape[1]!);
      expectExact(gram.orthogonality, golden.gram_orthogonality, 'orthogonality');
      expectExact(gram.reference, golden.gram_orthogonality_reference, 'reference');
      expectExact(gram.ceiling, golden.limit, 'ceiling');
    });
  } else if (!f.has(`${name}.index`)) {
    it('load', () => expectLoad(loadMetrics(array('load').data), golden as Record<string, number>, name));
  } else {
    const { S = 0, E = 0, k = 0, token_types: types = 0, domains: domainCount = 0 } = params;
    const mask = array('mask').data;
    const tokens = mask.filter(v => v > 0).length;
    const assignment = { indices: ints(array('index')), slots: k, mask };
    const other = { indices: ints(array('index_other')), slots: k, mask };

    it('load', () => {
      const load = countLoad(assignment, E);
      expectExact(load, array('load').data, 'n');
      expectLoad(loadMetrics(load, tokens * k), golden.load, 'load');
    });

    it('sharpness and sequential overlap', () => {
      expectExact(routingEntropy(array('P').data, E, { mask }), golden.routing_entropy, 'entropy');
      expectExact(confidence(array('gates').data, k, { mask }), golden.confidence, 'confidence');
      const overlap = sequentialOverlap(assignment, E, { sequenceLength: S });
      expectExact(overlap, golden.sequential_overlap, 'sequential overlap');
    });

    it('consistency between two assignments', () => {
      const { top1Agreement, meanJaccard } = checkpointConsistency(assignment, other, E);
      expectExact(top1Agreement, golden.top1_agreement, 'top-1');
      expectExact(meanJaccard, golden.topk_jaccard, 'Jaccard');
      const otherLoad = countLoad(other, E);
      expectExact(otherLoad, array('load_other').data, 'other load');
      expectExact(kendallTau(countLoad(assignment, E), otherLoad), golden.kendall_tau, 'tau');
    });

    it('domains', () => {
      const domain = domainMetrics(countDomains(assignment, array('domain').data, domainCount, E), E);
      expectExact(domain.affinity, array('affinity').data, 'affinity');
      expectExact(domain.purity, array('purity').data, 'purity');
      expectExact(domain.mutualInformation, golden.mutual_information, 'mutual information');
      expectExact(domain.nmi, golden.nmi, 'NMI');
    });

    it('token types: overlap and TF-IDF', () => {
      const counts = countTypes(assignment, array('token_type').data, E);
      expectExact(dense(counts, types), array('token_counts').data, 'counts');
      expectExact(overlapPairs(counts), array('expert_overlap_pairs').data, 'pairs');
      expectExact(expertOverlap(counts), golden.expert_overlap, 'overlap');
      expectExact(tfidf(dense(counts, types), E), array('tfidf').data, 'TF-IDF');
    });

    it('diversity and silhouette', () => {
      expectExact(expertDiversity(assignment, E), golden.diversity, 'diversity');
      const { data, shape } = array('hidden');
      const width = shape[1]!;
      const rows = [...mask.keys()].filter(t => mask[t]! > 0);
      const points = Float64Array.from(
        rows.flatMap(t => Array.from(data.subarray(t * width, (t + 1) * width))),
      );
      const labels = rows.map(t => assignment.indices[t * k]!);
      expectExact(silhouetteSamples(points, width, labels)!, array('silhouette_samples').data, 'samples');
      expectExact(silhouette(points, width, labels), golden.silhouette, 'silhouette');
    });

    it('the monitor over a decision read back from the device', async () => {
      const decision = {
        indices: f.tensor(`${name}.index`) as tf.Tensor2D,
        weights: f.tensor(`${name}.gates`) as tf.Tensor2D,
        probabilities: f.tensor(`${name}.P`) as tf.Tensor2D,
        load: f.tensor(`${name}.load`) as tf.Tensor1D,
        loss: tf.scalar(0),
        losses: {},
        statistics: {},
      };
      const before = tf.memory().numTensors;
      const { data, shape } = array('hidden');
      const monitor = new RoutingMonitor({
        experts: E,
        domains: Array.from({ length: domainCount }, (_, d) => `d${d}`),
      });
      monitor.observe({
        layer: 0,
        sequenceLength: S,
        mask,
        tokenIds: array('token_type').data,
        domains: array('domain').data,
        hidden: { data: Float32Array.from(data), width: shape[1]! },
        ...(await fromRouting(decision)),
      });
      expect(tf.memory().numTensors).toBe(before);
      tf.dispose([decision.indices, decision.weights, decision.probabilities, decision.load, decision.loss]);
      const layer = monitor.report().layers[0]!;
      expect(layer.tokens).toBe(tokens);
      expectLoad(layer.load, golden.load, 'load');
      for (const key of [
        'routingEntropy',
        'confidence',
        'sequentialOverlap',
        'expertOverlap',
        'diversity',
      ] as const) {
        expectExact(layer[key], golden[key.replace(/[A-Z]/g, c => `_${c.toLowerCase()}`)], key);
      }
      // the fixture is smaller than the reservoir, so the sample is all tokens
      if (tokens <= 2048) expectExact(layer.silhouette, golden.silhouette, 'silhouette');
      expectExact(
        layer.domains!.affinity.flat().map(v => v ?? Number.NaN),
        array('affinity').data,
        'affinity',
      );
      expectExact(layer.domains!.nmi, golden.nmi, 'NMI');
    });
  }
});
