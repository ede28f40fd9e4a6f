/** A made-up run for the tests and for looking at the page: synthetic routes, real metrics of them. */
import { Rng } from '@spectra/tensor';
import type { RoutingReport } from '../layer-report.ts';
import { RoutingMonitor } from '../routing-monitor.ts';
import type { RunReport, TokenSample } from './run-report.ts';

const DOMAINS = ['fiction', 'politics', 'geography', 'code', 'maths', 'news'];
const TEXT = `def mean(values):\n    return sum(values) / len(values)\n\nThe history of the republic begins with a <b>charter</b> & ends
with physics: energy is conserved, so the pendulum that falls must rise again, as Zoë's “clock” shows. `;

function routes(experts: number, layers: number, skew: number, seed: number): RoutingReport {
  const rng = new Rng(seed);
  const monitor = new RoutingMonitor({ experts, domains: DOMAINS, seed });
  const n = 512;
  for (let layer = 0; layer < layers; layer++) {
    const vectors = rng.fillNormal(new Float32Array(experts * 16));
    const indices = new Int32Array(n * 2);
    const weights = new Float32Array(n * 2);
    const probabilities = new Float32Array(n * experts);
    const data = rng.fillNormal(new Float32Array(n * 8));
    const domains = Int32Array.from({ length: n }, (_, t) => Math.floor(t / 64) % DOMAINS.length);
    const tokenIds = Int32Array.from({ length: n }, (_, t) => domains[t]! * 20 + rng.integer(60));
    for (let t = 0; t < n; t++) {
      const liking = Array.from({ length: experts }, (_, e) =>
        Math.exp(1.5 * rng.normal() + (e % DOMAINS.length === domains[t] ? 2 : 0) - skew * e),
      );
      const total = liking.reduce((a, b) => a + b, 0);
      const order = [...liking.keys()].sort((a, b) => liking[b]! - liking[a]!);
      indices.set(order.slice(0, 2), t * 2);
      const [a, b] = [liking[order[0]!]!, liking[order[1]!]!];
      weights.set([a / (a + b), b / (a + b)], t * 2);
      probabilities.set(
        liking.map(v => v / total),
        t * experts,
      );
      data[t * 8 + (order[0]! % 8)] = data[t * 8 + (order[0]! % 8)]! + 2;
    }
    monitor.observe({
      layer,
      sequenceLength: 64,
      slots: 2,
      indices,
      weights,
      probabilities,
      tokenIds,
      domains,
      expertVectors: vectors,
      hidden: { data, width: 8 },
    });
  }
  return monitor.report();
}

function sample(title: string, experts: number, layers: number, seed: number): TokenSample {
  const rng = new Rng(seed);
  const tokens = TEXT.match(/\s*[^\s]{1,4}|\s+/g) ?? [];
  return {
    title,
    tokens,
    promptTokens: 12,
    layers: Array.from({ length: layers }, (_, layer) => {
      let first = 0;
      const chosen = tokens.map(() => {
        if (rng.uniform() < 0.45) first = rng.integer(experts);
        return [first, (first + 1 + rng.integer(experts - 1)) % experts];
      });
      return {
        layer,
        experts: chosen,
        gates: chosen.map(() => {
          const gate = rng.uniform(0.5, 1);
          return [gate, 1 - gate];
        }),
      };
    }),
  };
}

/** The same for the same sizes. */
export function exampleReport(experts = 8, layers = 4): RunReport {
  const rng = new Rng(7);
  const steps = Array.from({ length: 600 }, (_, i) => i + 1);
  const evals = [0, 60, 150, 300, 450, 600];
  const causal = routes(experts, layers, 0.02, 1);
  return {
    title: 'SPECTRA, 4 layers, 8 experts: a made-up run',
    subtitle:
      'Byte-level language model on six domains, batch-balanced training and causal evaluation. All numbers are synthetic.',
    date: '1 January 2030, 12:00 UTC · 600 steps · 1.2 M tokens',
    summary: [
      { name: 'Held-out loss', value: 1.974, unit: 'nats/byte', note: 'mean of six domains' },
      {
        name: 'Load CV, largest layer',
        value: causal.overall.cv,
        bound: '< 0.1',
        status: 'missed',
        note: 'causal rule',
      },
      { name: 'Gram orthogonality', value: 0.951, bound: '> 0.94', status: 'met', note: 'smallest layer' },
      { name: 'Unused experts', value: 0, bound: '= 0', status: 'met' },
      { name: 'Rule agreement', value: 0.873, note: 'of the experts, training against causal rule' },
      { name: 'Throughput', value: 4310, unit: 'tokens/s', note: 'wasm, 1 core' },
    ],
    loss: {
      unit: 'nats per byte',
      train: [
        { name: 'train', steps, values: steps.map(s => 1.9 + 3.6 * Math.exp(-s / 90) + 0.12 * rng.normal()) },
      ],
      held: DOMAINS.map((name, d) => ({
        name,
        steps: evals,
        values: evals.map(s => 1.5 + 0.14 * d + (3.9 - 0.1 * d) * Math.exp(-s / (80 + 9 * d))),
      })),
    },
    rules: [
      {
        name: 'Training rule (batch)',
        note: 'Balanced over the batch, sees later tokens.',
        report: routes(experts, layers, 0, 2),
      },
      {
        name: 'Causal rule (potentials)',
        note: 'Prices of earlier batches, used for decoding.',
        report: causal,
      },
    ],
    load: Array.from({ length: layers }, (_, layer) => ({
      layer,
      steps,
      loads: steps.map(s =>
        Array.from(
          { length: experts },
          (_, e) => 1 + (e / 2) * Math.exp(-s / (60 + 40 * layer)) + 0.03 * rng.normal(),
        ),
      ),
    })),
    entropy: Array.from({ length: layers }, (_, layer) => ({
      name: `layer ${layer}`,
      steps,
      values: steps.map(s => 0.35 + 0.05 * layer + 0.6 * Math.exp(-s / 150) + 0.01 * rng.normal()),
    })),
    keywords: Array.from({ length: experts }, (_, expert) => ({
      layer: 1,
      expert,
      usage: 1 / experts,
      loss: 1.7 + 0.05 * expert,
      topDomain: DOMAINS[expert % DOMAINS.length]!,
      purity: causal.layers[1]!.domains!.purity[expert]!,
      words: ['whale', 'congress', 'population', 'return', 'equals', "captain's", 'union', 'harbour'].slice(
        expert % 3,
      ),
    })),
    samples: [
      sample('From code to history to physics', experts, layers, 3),
      sample('A second text', experts, layers, 4),
    ],
    tables: [
      {
        title: 'Compared with other routers',
        note: 'Same data, steps and initial weights; one seed.',
        columns: ['router', 'loss', 'CV', 'Gram', 'tokens/s'],
        rows: [
          ['SPECTRA', 1.974, 0.08, 0.951, 4310],
          ['Switch top-2', 2.357, 0.12, 0.864, 5120],
          ['hash', 2.51, 0.21, null, 6020],
        ],
      },
    ],
    notes: ['One seed: differences are directions, not results.', 'All numbers on this page are made up.'],
    config: {
      router: { kind: 'spectra', experts, k: 2, epsilon: 0.2, balance: 'batch' },
      optim: { lr: 0.002, steps: 600 },
    },
    environment: { backend: 'wasm', cores: 2, 'wall time': '4 min 12 s', 'relaxed SIMD': true },
    versions: { node: '24.21.0', '@tensorflow/tfjs-core': '4.22.0', '@spectra/monitor': '0.1.0' },
  };
}
