/** New routers that choose as the old ones of a model did, fitted on a calibration text (Hinton et al. 2015). */
import { type Agreement, agreement, type HostSelection, variation } from '@spectra/gru-router';
import type { Router } from '@spectra/routing';
import { checkValue } from '@spectra/tensor';
import { type DecoderModel, sweepLayers } from '@spectra/transformer';
import { clearPrices, hasPrices } from './clear-prices.ts';
import { fitRouters } from './fit-routers.ts';
import { type Carry, newChoice, oldChoice, type TaughtLayer } from './taught-layer.ts';

/** Steps after the fit that bring prices to rest; their average forgets by a twentieth a step. */
const SETTLING = 100;

/** Rows [B,S] of token ids, each the beginning of a text. */
export type Calibration = readonly (readonly number[])[];

export interface DistilOptions {
  /** Optimizer steps per layer; by default so many that each token is met twenty times, but 50 to 300. */
  readonly steps?: number;
  /** The highest learning rate; 0.01 by default. */
  readonly learningRate?: number;
  /** Tokens of a step; 512 by default. */
  readonly batchTokens?: number;
  /**
   * Whether prices are those that balance the load on the calibration text. By default they begin at 0, where the new router
   * chooses as the old one did, and come with training.
   */
  readonly balanced?: boolean;
  /** Called for every layer once it is fitted, from below. */
  readonly onLayer?: (layer: LayerAgreement) => void;
}

/** How alike the old and the new router decide on the held-out rows, by the rule of decoding; gates summing to 1. */
export interface LayerAgreement {
  readonly layer: number;
  readonly before: Agreement;
  readonly after: Agreement;
  /** Coefficient of variation of the experts' loads there, of the old router and the fitted one. */
  readonly loadCv: { readonly old: number; readonly new: number };
}

/**
 * Fits `routers`, by layer, to the decisions of the model's own on the calibration text, of which the last eighth of the
 * rows, at least one, is held out. Layers are fitted from below, each with the context that
 * the fitted one below leaves; those that share parameters together. The model is not changed; its hidden states are those
 * that its old routers lead to. In memory: see `sweepLayers`; where layers share parameters, what all of them read.
 * Errors: `VALUE` for routers without parameters, other slots than the old ones', or too little text.
 */
export async function distil(
  model: DecoderModel,
  routers: ReadonlyMap<number, Router>,
  calibration: Calibration,
  options: DistilOptions & { readonly seed: number },
): Promise<void> {
  const { seed, learningRate = 0.01, batchTokens = 512, balanced = false, onLayer } = options;
  const tokens = calibration.length * (calibration[0]?.length ?? 0);
  const steps = options.steps ?? Math.round(Math.min(300, Math.max(50, (20 * tokens) / batchTokens)));
  const parameters = [...routers.values()].flatMap(router => router.parameters());
  checkValue(parameters.length > 0, 'this router learns nothing.', 'distil', 'Use init fresh.');
  checkValue(
    calibration.length >= 2,
    `${calibration.length} rows of calibration text are too few: one is held out.`,
    'distil',
    'Give a longer text, or shorter rows.',
  );
  checkValue(
    Number.isSafeInteger(steps) && steps >= 0,
    `steps is ${steps}, it must be a whole number.`,
    'distil',
  );
  const [first] = routers.values();
  checkValue(
    !balanced || hasPrices(first!),
    `a router '${first!.kind}' has no prices that could balance its load.`,
    'distil balanced',
    "Leave it out, or use 'spectra', 'deepseek-v3', 'ernie' or 'quantile'.",
  );
  const shared = new Set(parameters).size < parameters.length;
  const rows = [...calibration.keys()];
  const heldOut = Math.max(1, Math.round(rows.length / 8));
  const [taught, unseen] = [rows.slice(0, -heldOut), rows.slice(-heldOut)];
  let below: Carry | undefined;
  let group: TaughtLayer[] = [];
  for await (const swept of sweepLayers(model, calibration)) {
    const router = routers.get(swept.layer)!;
    checkValue(
      router.slots === swept.slots,
      `a router '${router.kind}' has ${router.slots} slots, the old one ${swept.slots}.`,
      'distil',
      'Use init fresh.',
    );
    group.push({ ...swept, router });
    if (shared && group.length < routers.size) continue;
    const before = await agreements(group, unseen, below);
    await fitRouters(group, taught, below, {
      steps,
      settling: balanced ? SETTLING : 0,
      learningRate,
      batchTokens,
      seed,
    });
    if (!balanced) for (const { router: fitted } of group) clearPrices(fitted);
    const after = await agreements(group, unseen, below);
    for (const [i, { layer }] of group.entries()) {
      onLayer?.({
        layer,
        before: before[i]!.agreement,
        after: after[i]!.agreement,
        loadCv: after[i]!.loadCv,
      });
    }
    below = (await newChoice(group.at(-1)!, rows, below)).carry; // only read where layers have groups of their own
    group = [];
  }
}

async function agreements(
  layers: readonly TaughtLayer[],
  rows: readonly number[],
  below: Carry | undefined,
): Promise<{ agreement: Agreement; loadCv: LayerAgreement['loadCv'] }[]> {
  const found: { agreement: Agreement; loadCv: LayerAgreement['loadCv'] }[] = [];
  let context = below;
  for (const layer of layers) {
    const { choice, carry } = await newChoice(layer, rows, context);
    const old = oldChoice(layer, rows);
    const { experts } = layer.router;
    const loadCv = { old: loadVariation(old, experts), new: loadVariation(choice, experts) };
    found.push({ agreement: agreement(old, choice), loadCv });
    context = carry;
  }
  return found;
}

function loadVariation({ indices }: HostSelection, experts: number): number {
  const load = new Float64Array(experts);
  for (const expert of indices) if (expert >= 0) load[expert]! += 1;
  return variation(load);
}
