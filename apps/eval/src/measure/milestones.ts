/** One fixed probe batch routed by the checkpoints of a training run: does the route settle? */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkpointName } from '@spectra/checkpoint/node';
import {
  checkpointConsistency,
  kendallTau,
  type RoutingObservation,
  type RoutingReport,
} from '@spectra/monitor';
import { SpectraError } from '@spectra/tensor';
import {
  buildModel,
  evaluate,
  type HeldOutBatch,
  maskOf,
  type RunFolder,
  type TrainerConfig,
  type TrainingData,
} from '@spectra/trainer';
import type { DecoderModel } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';
import type { MilestoneRow } from '../runs/row.ts';
import { MILESTONES } from '../runs/run-id.ts';

export interface MilestoneInput {
  readonly config: TrainerConfig;
  readonly folder: RunFolder;
  readonly data: TrainingData;
  /** After the last step. */
  readonly final: DecoderModel;
  readonly probeTokens: number;
}

/** Routes of the probe, per layer and batch. */
type Routes = readonly (readonly RoutingObservation[])[];

/** Empty for a dense model. */
export async function probeMilestones(input: MilestoneInput): Promise<MilestoneRow[]> {
  const { config, folder, data, final } = input;
  if (final.routers.length === 0) return [];
  const probe = probeBatches(data.heldOut, input.probeTokens);
  const rows: MilestoneRow[] = [];
  let before: { routes: Routes; report: RoutingReport } | undefined;
  for (const share of [0, ...MILESTONES, 1]) {
    const step = share === 0 ? 0 : Math.max(1, Math.round(share * config.train.steps));
    const model = share === 1 ? final : await modelAt(config, folder, step);
    try {
      const found = await route(model, probe, data.domains);
      rows.push({ share, step, ...summary(found), ...consistency(before, found, probe) });
      before = found;
    } finally {
      if (model !== final) model.dispose();
    }
  }
  return rows;
}

/** The first whole batches of each domain, at least one. */
export function probeBatches(heldOut: readonly HeldOutBatch[], tokens: number): HeldOutBatch[] {
  const taken = new Map<number, number>();
  return heldOut.filter(batch => {
    const before = taken.get(batch.domain) ?? 0;
    taken.set(batch.domain, before + batch.tokens.inputIds.length);
    return before === 0 || before + batch.tokens.inputIds.length <= tokens;
  });
}

async function modelAt(config: TrainerConfig, folder: RunFolder, step: number): Promise<DecoderModel> {
  if (step === 0) return buildModel(config);
  const path = join(folder.checkpoints, checkpointName(step));
  if (existsSync(path)) return loadModel(path);
  throw new SpectraError('CHECKPOINT_MISSING', {
    message: `the checkpoint of step ${step} is gone, so the run cannot be measured.`,
    where: path,
    fix: 'Remove the run folder; the run is then trained again.',
  });
}

interface Found {
  readonly loss: number;
  readonly report: RoutingReport;
  readonly routes: Routes;
}

async function route(
  model: DecoderModel,
  probe: readonly HeldOutBatch[],
  domains: readonly string[],
): Promise<Found> {
  const routes: RoutingObservation[][] = [];
  const { causal } = await evaluate(model, probe, {
    domains,
    trainingBalance: 'potentials',
    onCausalBatch: (_, decisions) => {
      for (const [layer, decision] of decisions.entries()) (routes[layer] ??= []).push(decision);
    },
  });
  return { loss: causal.loss, report: causal.routing!, routes };
}

function summary({ loss, report }: Found) {
  const { overall, layers } = report;
  return {
    loss,
    load_entropy: overall.loadEntropy,
    load_cv: overall.cv,
    routing_entropy: overall.routingEntropy,
    gram_orthogonality: overall.gramOrthogonality,
    usage: layers.map(({ loadByExpert }) => {
      const total = loadByExpert.reduce((sum, slots) => sum + slots, 0);
      return loadByExpert.map(slots => slots / total);
    }),
  };
}

function consistency(
  before: { readonly routes: Routes; readonly report: RoutingReport } | undefined,
  now: Found,
  probe: readonly HeldOutBatch[],
): Pick<MilestoneRow, 'top1_agreement' | 'jaccard' | 'kendall'> {
  if (before === undefined) return { top1_agreement: null, jaccard: null, kendall: null };
  const { experts } = now.report;
  const mask = Float32Array.from(probe.flatMap(({ tokens }) => [...maskOf(tokens)]));
  const perLayer = now.routes.map((batches, layer) =>
    checkpointConsistency({ ...joined(before.routes[layer]!), mask }, { ...joined(batches), mask }, experts),
  );
  const taus = now.report.layers.flatMap(({ loadByExpert }, layer) => {
    const tau = kendallTau(before.report.layers[layer]!.loadByExpert, loadByExpert);
    return tau === null ? [] : [tau];
  });
  const mean = (values: readonly number[]): number | null =>
    values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length;
  return {
    top1_agreement: mean(perLayer.map(({ top1Agreement }) => top1Agreement)),
    jaccard: mean(perLayer.map(({ meanJaccard }) => meanJaccard)),
    kendall: mean(taus),
  };
}

/** The decisions of several batches as one. */
export function joined(batches: readonly RoutingObservation[]): { indices: Int32Array; slots: number } {
  const indices = new Int32Array(batches.reduce((sum, batch) => sum + batch.indices.length, 0));
  let at = 0;
  for (const batch of batches) {
    indices.set(batch.indices, at);
    at += batch.indices.length;
  }
  return { indices, slots: batches[0]!.slots };
}
