/**
 * A real pretrained model, SmolLM2-135M-Instruct, becomes a mixture of 8 experts that computes the same, and is trained on
 * the six domains of mixed text: perplexities before and after, loads, the curve.
 *
 * SPECTRA_SMOLLM2 names its folder, which tools/fixtures/fetch_smollm2.py makes; the native backend is needed. What is on
 * record in docs/results/upcycling is not trained again; a run that was stopped goes on.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadTokenizer } from '@spectra/data/node';
import { setBackend } from '@spectra/tensor';
import { workspaceRoot } from '@spectra/testing';
import { spectra } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';
import { upcycleFolder, type Verification, verifyModels } from '@spectra/upcycle/node';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from './config/load.ts';
import { openTrainingData } from './data/training-data.ts';
import { evaluate } from './evaluation/evaluate.ts';
import { type RecordedRun, recordedRun } from './testing/recorded-run.ts';

const root = workspaceRoot();
const record = join(root, 'docs', 'results', 'upcycling', 'smollm2-start.json');
/** Relative, since a run is known by its configuration. */
const sparse = join('runs', 'smollm2-granular');
// 1,024 tokens a step; the whole backward pass in memory
const overrides = [
  `model.from=${sparse}`,
  'model.recompute=false',
  'data.length=128',
  'data.batch=8',
  'train.steps=100',
  'train.settle_steps=150',
  'train.eval_every=0',
  'train.eval_tokens=6144',
  'train.checkpoint_every=50',
];

interface Start extends Omit<Verification, 'layers'> {
  /** Held-out nats per token. */
  readonly dense: Readonly<Record<string, number>>;
  readonly upcycled: Readonly<Record<string, number>>;
}

/** Under the causal rule, on the text that the training is judged by. */
async function losses(folder: string): Promise<Record<string, number>> {
  const config = loadConfig(join(root, 'configs', 'upcycled.yaml'), overrides);
  const model = await loadModel(folder);
  try {
    const data = await openTrainingData(config, undefined, { description: model.description, folder });
    const { causal } = await evaluate(model, data.heldOut, {
      domains: data.domains,
      trainingBalance: 'potentials',
    });
    return Object.fromEntries(causal.domains.map(({ domain, loss }) => [domain, loss]));
  } finally {
    model.dispose();
  }
}

async function start(): Promise<Start> {
  if (existsSync(record)) return JSON.parse(readFileSync(record, 'utf8')) as Start;
  const dense = process.env.SPECTRA_SMOLLM2;
  if (dense === undefined) {
    throw new Error('SPECTRA_SMOLLM2 names no folder: make one with tools/fixtures/fetch_smollm2.py.');
  }
  await setBackend('tensorflow');
  if (!existsSync(sparse)) {
    await upcycleFolder(dense, sparse, { mode: 'granular', parts: 2, replicas: 4, router: spectra() });
  }
  const text = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8');
  const ids = [...(await loadTokenizer(dense)).encode(text)].slice(0, 512);
  const { difference, range } = await verifyModels(dense, sparse, [ids.slice(0, 256), ids.slice(256)]);
  const found = { difference, range, dense: await losses(dense), upcycled: await losses(sparse) };
  mkdirSync(join(record, '..'), { recursive: true });
  writeFileSync(record, `${JSON.stringify(found, null, 1)}\n`);
  return found;
}

describe('SmolLM2-135M with 8 experts', () => {
  let before: Start;
  let run: RecordedRun;
  beforeAll(async () => {
    before = await start();
    run = await recordedRun('upcycled.yaml', 'upcycling/smollm2', overrides, { curve: true });
  }, 12 * 3_600_000);

  it('begins as the dense model', () => {
    expect(before.difference / before.range).toBeLessThanOrEqual(1e-5);
    expect(Object.keys(before.dense)).toHaveLength(6);
    for (const [domain, loss] of Object.entries(before.dense)) {
      expect(Math.abs(before.upcycled[domain]! - loss), domain).toBeLessThan(1e-4);
    }
  });

  it('trains on 100 steps of 1,024 tokens, and is better in every domain', () => {
    expect(run.steps).toBe(100);
    expect(run.train_tokens).toBeGreaterThanOrEqual(100 * 1000);
    for (const [domain, loss] of Object.entries(run.eval_loss_by_domain)) {
      expect(loss, domain).toBeLessThan(before.dense[domain]!);
    }
  });

  it('keeps its experts loaded evenly: CV < 0.1 in every layer under both rules', () => {
    expect(run.load_cv).toBeLessThan(0.1);
    expect(run.load_cv_causal).toBeLessThan(0.1);
  });

  it('trains all experts and routers', () => {
    expect(run.trainable_parameters / run.parameters).toBeGreaterThan(0.8);
  });
});
