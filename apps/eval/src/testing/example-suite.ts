/** A small suite in a temporary folder, and rows for it that no model made. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RoutingMonitor } from '@spectra/monitor';
import { Rng } from '@spectra/tensor';
import { freshModel } from '@spectra/trainer';
import { environment } from '../runs/environment.ts';
import { requestKey } from '../runs/measures.ts';
import type { RunRow } from '../runs/row.ts';
import { ROW_FORMAT } from '../runs/run-id.ts';
import { modelCost } from '../suite/cost.ts';
import type { PlannedRun } from '../suite/expand.ts';
import { scratchFolder } from './scratch-folder.ts';

export const BASE = `
name: tiny
backend: wasm
model:
  vocab_size: 256
  hidden_size: 32
  num_hidden_layers: 2
  num_attention_heads: 2
  max_position_embeddings: 64
  moe: { experts: 4, k: 2, intermediate_size: 16, router: { kind: spectra, router_dim: 8, state_size: 8 } }
data:
  corpora:
    - { domain: math, source: math, max_bytes: 60000 }
  length: 32
  batch: 2
  held_out: 0.1
train: { eval_tokens: 128 }
`;

export const SUITE = `
name: tiny
title: A tiny suite
base: base.yaml
seeds: [0, 1, 2]
tokens: 640
probe_tokens: 64
arms:
  spectra: { label: SPECTRA, causal: false }
  switch-2: { label: Switch-2, set: { model.moe.router: { kind: softmax-topk } } }
  dense: { label: dense, set: { model.moe: null }, match: { arm: spectra, quantity: active_parameters } }
  wide: { label: wide, set: { model.moe.router: { kind: softmax-topk } }, match: { arm: spectra, quantity: flops } }
  broken: { set: { model.moe.k: 9 } }
tables:
  T1: { arms: [spectra, switch-2, dense, wide, broken] }
  T7: { arms: [spectra, switch-2] }
  T9: { arms: [spectra] }
  T11: { arms: [spectra, switch-2], grids: [[{ name: E, key: model.moe.experts, values: [4, 8] }]] }
  T12: { arms: [spectra, switch-2] }
  T13: { arms: [spectra, switch-2, wide] }
  C.2: { arms: [spectra, switch-2] }
  C.3: { arms: [spectra], seeds: [0] }
  A: { arms: [spectra], seeds: [0], exploratory: true, grids: [[{ name: α, key: model.moe.router.alpha, values: [1, 2] }]] }
  E: { arms: [spectra, switch-2], seeds: [0], lengths: [32, 64] }
texts: [{ title: code, text: "let a = 1;" }]
tasks: [arithmetic]
`;

/** The suite's path. */
export function writeSuite(suite = SUITE, base = BASE): string {
  const folder = scratchFolder();
  writeFileSync(join(folder, 'base.yaml'), base);
  writeFileSync(join(folder, 'suite.yaml'), suite);
  return join(folder, 'suite.yaml');
}

/** A row of the form that `executeJob` writes, with the given held-out loss and seeded routes. */
export function exampleRow(run: PlannedRun, loss: number): RunRow {
  const { id, kind, label, config } = run;
  const head = {
    format: ROW_FORMAT,
    id,
    kind,
    label,
    status: 'done' as const,
    seed: config.seed,
    config,
    environment: environment('wasm: test'),
    started: '2026-01-01T00:00:00.000Z',
    finished: '2026-01-01T00:10:00.000Z',
    cost: modelCost(freshModel(config), config.data.length),
  };
  if (kind === 'timing') {
    const part = (name: string, milliseconds: number) => ({ part: name, milliseconds, flops: 1e6 });
    return { ...head, timing: [part('GRU', 1), part('experts', 2), part('layer', 4)] };
  }
  const { moe } = freshModel(config);
  const report = moe === undefined ? null : routes(moe.experts, config.seed);
  const rule = { loss, domains: { math: { loss, tokens: 128 } }, routing: report };
  const experts = moe?.experts ?? 0;
  const shares = [0, 0.1, 0.25, 0.5, 0.75, 1];
  const even = (): number[] => new Array<number>(experts).fill(1 / experts);
  return {
    ...head,
    training: {
      steps: 10,
      tokens: 640,
      seconds: 2,
      tokens_per_second: 320,
      curves: {
        step: [5, 10],
        loss: [loss + 1, loss],
        grad_norm_router: [0.2, 0.1],
        grad_norm_expert: [2, 1],
      },
    },
    evaluation: {
      causal: rule,
      training: { ...rule, loss: loss - 0.1 },
      agreement: 0.8,
      row_error: 0,
      column_error: 0.01,
    },
    milestones:
      report === null
        ? []
        : shares.map((share, i) => ({
            share,
            step: 10 * share,
            loss: loss + 1 - share,
            load_entropy: 0.9,
            load_cv: 0.1,
            routing_entropy: 1 - share / 2,
            gram_orthogonality: 0.9,
            usage: [even(), even()],
            top1_agreement: i === 0 ? null : share,
            jaccard: i === 0 ? null : share,
            kendall: i === 0 ? null : 0.5,
          })),
    ...(report === null
      ? {}
      : {
          experts: even().map((usage, expert) => ({
            expert,
            usage,
            loss,
            top_domain: 'math',
            purity: 1,
            keywords: ['<script>', 'sum'],
          })),
          positions: Array.from({ length: 32 }, even),
          vectors: [0, 1].map(layer =>
            even().map((_, e) => Array.from({ length: 8 }, (__, d) => (d === e + layer ? 1 : 0))),
          ),
        }),
    measures: Object.fromEntries(
      run.measures.map(request => [
        request.name,
        {
          key: requestKey(request),
          value:
            request.name === 'lengths'
              ? request.lengths.map(length => ({
                  length,
                  consistency: 0.9,
                  jaccard: 0.9,
                  sequential_overlap: 0.5,
                  load_cv: 0.1,
                  loss,
                }))
              : request.name === 'texts'
                ? request.texts.map(({ title }) => ({
                    title,
                    tokens: ['a', '<b>'],
                    experts: [
                      [[0], [1]],
                      [[1], [0]],
                    ],
                    gates: [
                      [[1], [1]],
                      [[1], [1]],
                    ],
                  }))
                : request.tasks.map(task => ({
                    task,
                    version: 1,
                    kind: 'generate_until' as const,
                    documents: 10,
                    metrics: { exact_match: { value: 0.1, stderr: 0.05 } },
                  })),
        },
      ]),
    ) as NonNullable<RunRow['measures']>,
  };
}

function routes(experts: number, seed: number) {
  const rng = new Rng(seed).split('routes');
  const tokens = 64;
  const monitor = new RoutingMonitor({ experts, domains: ['math'] });
  for (const layer of [0, 1]) {
    monitor.observe({
      layer,
      sequenceLength: 32,
      slots: 2,
      indices: Int32Array.from(
        Array.from({ length: tokens }, () => [...rng.permutation(experts)].slice(0, 2)).flat(),
      ),
      expertVectors: Float32Array.from({ length: experts * 8 }, () => rng.normal()),
      tokenIds: Int32Array.from({ length: tokens }, (_, t) => t % 7),
      domains: new Int32Array(tokens),
    });
  }
  return monitor.report();
}
