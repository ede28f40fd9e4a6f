/** Gives a mixture of experts another router, drawn or fitted to the choices of the old one. */
import { encodePrompt } from '@spectra/data';
import { SpectraError, setBackend } from '@spectra/tensor';
import type { RouterConfig } from '@spectra/transformer';
import { loadModelDescription } from '@spectra/transformer/node';
import {
  type Calibration,
  defaultRouter,
  type LayerAgreement,
  planReplacementFolder,
  replaceRouterFolder,
} from '@spectra/upcycle/node';
import { formatBytes, formatCount } from '../run/format.ts';
import { readForwardFile } from '../run/forward-input.ts';
import { type BackendChoice, type ModelPath, resolveModelPath } from '../run/model-path.ts';
import { modelTokenizer } from '../run/model-tokenizer.ts';
import { planSummary, printDropped, printPlan } from '../run/print-plan.ts';
import { type RouterFlags, routerOf } from '../run/router-flags.ts';
import { keepHeapSmall } from '../run/small-heap.ts';
import { readTextFile } from '../run/text-file.ts';

export interface ReplaceFlags extends RouterFlags {
  readonly from: string;
  readonly to?: string;
  readonly seed: number;
  readonly rho?: number;
  readonly init: 'fresh' | 'distil';
  /** Of calibration: a text, or a JSON file with ids. */
  readonly text?: string;
  readonly input?: string;
  /** Tokens of a row of the text. */
  readonly length: number;
  readonly steps?: number;
  readonly lr?: number;
  readonly balanced: boolean;
  readonly plan: boolean;
  readonly json: boolean;
  readonly backend?: BackendChoice;
}

export async function replaceRouterCommand(flags: ReplaceFlags): Promise<void> {
  checkFlags(flags);
  keepHeapSmall();
  await setBackend(flags.backend ?? 'auto');
  const path = await resolveModelPath(flags.from);
  const calibration = await calibrationOf(flags, path);
  const options = {
    router: await wantedRouter(flags, path.model),
    seed: flags.seed,
    init: flags.init,
    balanced: flags.balanced,
    onLayer: printAgreement,
    ...(flags.rho === undefined ? {} : { rho: flags.rho }),
    ...(flags.steps === undefined ? {} : { steps: flags.steps }),
    ...(flags.lr === undefined ? {} : { learningRate: flags.lr }),
    ...(calibration === undefined ? {} : { calibration }),
  };
  if (flags.plan) {
    printPlan(await planReplacementFolder(path.model, options), flags.json);
    return;
  }
  const { plan, written } = await replaceRouterFolder(path.model, flags.to!, options);
  printDropped(plan);
  const bytes = Object.values(written).reduce((sum, { size }) => sum + size, 0);
  console.log(planSummary(plan));
  console.log(`${flags.to}: ${formatBytes(bytes)} written, all other shards are links`);
}

/** `USAGE` for what is missing, and for what would be ignored. */
function checkFlags({ to, plan, json, init, steps, lr, balanced, text, input }: ReplaceFlags): void {
  if (to === undefined && !plan) throw usage('--to names no folder to write.', 'Give one, or --plan.');
  if (json && !plan) throw usage('--json prints a plan.', 'Give --plan, too.');
  if (text !== undefined && input !== undefined) throw usage('--text and --input exclude each other.');
  const fitting = Object.entries({ steps, lr, balanced: balanced || undefined }).find(
    ([, value]) => value !== undefined,
  );
  if (init === 'fresh' && fitting !== undefined) {
    throw usage(`--${fitting[0]} is of a fit.`, 'Give --init distil, too.');
  }
}

/** The one that is named; SPECTRA without options is the one that suits the model's size, and says so. */
async function wantedRouter(flags: ReplaceFlags, folder: string): Promise<RouterConfig> {
  if (flags.router !== 'spectra' || flags.routerOptions !== undefined) return routerOf(flags);
  const { architecture } = await loadModelDescription(folder);
  if (architecture.moe === undefined) return routerOf(flags); // the plan says what is wrong
  const { router, projected } = defaultRouter(architecture);
  if (router.expression === 'embedding') {
    console.error(
      `router: a learned vector per expert and one set of weights for all layers; projections of the tokens would be ` +
        `${formatCount(projected)} weights, ${formatBytes(4 * projected)}, and take long to draw: ` +
        `--router-options '{"expression": "projector"}' asks for them`,
    );
  }
  return router;
}

async function calibrationOf(flags: ReplaceFlags, path: ModelPath): Promise<Calibration | undefined> {
  const { text, input, length } = flags;
  if (input !== undefined) {
    const { input_ids: ids, attention_mask: mask } = readForwardFile(input);
    if (mask?.flat().some(value => !value)) throw usage('--input has padding.', 'Give rows without it.');
    return ids;
  }
  if (text === undefined) return undefined;
  const ids = [...encodePrompt(await modelTokenizer(path), readTextFile(text, 'text'))];
  const rows = Math.floor(ids.length / length);
  if (rows === 0) {
    throw usage(
      `--text has ${ids.length} tokens, less than a row of ${length}.`,
      'Give more, or a smaller --length.',
    );
  }
  return Array.from({ length: rows }, (_, row) => ids.slice(row * length, (row + 1) * length));
}

function printAgreement({ layer, before, after, loadCv }: LayerAgreement): void {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  console.log(
    `layer ${layer}: agreement ${percent(before.overlap)} before, ${percent(after.overlap)} after; ` +
      `equal sets ${percent(after.equal)}, their gates differ by ${after.gateDistance.toFixed(4)}; ` +
      `load CV ${loadCv.old.toFixed(3)} of the old router, ${loadCv.new.toFixed(3)} of the new one`,
  );
}

function usage(message: string, fix?: string): SpectraError {
  return new SpectraError('USAGE', {
    message,
    where: 'replace-router',
    ...(fix === undefined ? {} : { fix }),
  });
}
