/** Dense models become mixtures of experts, mixtures grow: plan, write, compare. */
import { SpectraError, setBackend } from '@spectra/tensor';
import {
  type ConversionOptions,
  planFolder,
  type SharedStart,
  type UpcycleMode,
  upcycleFolder,
  verifyModels,
} from '@spectra/upcycle/node';
import { formatBytes } from '../run/format.ts';
import { readForwardFile } from '../run/forward-input.ts';
import { type BackendChoice, resolveModelPath } from '../run/model-path.ts';
import { planSummary, printPlan } from '../run/print-plan.ts';
import { type RouterFlags, routerOf } from '../run/router-flags.ts';
import { keepHeapSmall } from '../run/small-heap.ts';

export interface UpcycleFlags extends RouterFlags {
  readonly seed: number;
  readonly backend?: BackendChoice;
  readonly from: string;
  readonly to: string;
  readonly mode: UpcycleMode | 'expand';
  readonly experts?: number;
  readonly parts?: number;
  readonly replicas?: number;
  readonly active?: number;
  readonly shared?: SharedStart;
  readonly layers?: number[];
  readonly firstDense?: number;
  readonly noise?: number;
  readonly drop?: number;
  /** In bytes. */
  readonly shardSize?: number;
  readonly json: boolean;
}

export async function upcyclePlanCommand(flags: UpcycleFlags): Promise<void> {
  keepHeapSmall();
  await setBackend(flags.backend ?? 'auto');
  const { model } = await resolveModelPath(flags.from);
  printPlan(await planFolder(model, upcycleOptions(flags)), flags.json);
}

export async function upcycleApplyCommand(flags: UpcycleFlags): Promise<void> {
  keepHeapSmall();
  await setBackend(flags.backend ?? 'auto');
  const { model } = await resolveModelPath(flags.from);
  const { plan, written } = await upcycleFolder(model, flags.to, upcycleOptions(flags), {
    ...(flags.shardSize === undefined ? {} : { maxShardBytes: flags.shardSize }),
    onShard: (file, { size }) => console.error(`${file}: ${formatBytes(size)}`),
  });
  console.log(planSummary(plan));
  console.log(`${flags.to}: ${Object.keys(written).length} files written`);
}

interface VerifyFlags {
  readonly from: string;
  readonly to: string;
  readonly input: string;
  readonly tolerance: number;
  readonly backend?: BackendChoice;
  readonly json: boolean;
}

/** Fails (exit code 1) where the logits differ by more than the tolerance times their range. */
export async function upcycleVerifyCommand(flags: VerifyFlags): Promise<void> {
  await setBackend(flags.backend ?? 'auto');
  const { input_ids: ids, attention_mask: mask, position_ids: positions } = readForwardFile(flags.input);
  const [from, to] = [await resolveModelPath(flags.from), await resolveModelPath(flags.to)];
  const result = await verifyModels(from.model, to.model, ids, {
    ...(mask === undefined ? {} : { mask: mask.map(row => row.map(Number)) }),
    ...(positions === undefined ? {} : { positions }),
  });
  const relative = result.difference / result.range;
  if (flags.json) console.log(JSON.stringify({ ...result, relative }, null, 2));
  else {
    for (const [i, layer] of result.layers.entries())
      console.log(`layer ${i}: max |Δ| ${layer.toExponential(2)}`);
    console.log(
      `logits: max |Δ| ${result.difference.toExponential(2)}, ${relative.toExponential(2)} of their range`,
    );
  }
  if (relative <= flags.tolerance) return;
  throw new SpectraError('CHECKPOINT_MISMATCH', {
    message: `the logits differ by ${relative.toExponential(2)} of their range, allowed is ${flags.tolerance}.`,
    where: flags.to,
    fix: 'Noise, dropped units and a replaced router change a model: give a larger --tolerance.',
  });
}

function upcycleOptions(flags: UpcycleFlags): ConversionOptions {
  const { mode, seed } = flags;
  if (mode === 'expand') return { mode };
  const router = flags.router === 'family' ? 'family' : routerOf(flags);
  const keys = [
    'experts',
    'parts',
    'replicas',
    'active',
    'shared',
    'layers',
    'firstDense',
    'noise',
    'drop',
  ] as const;
  const given = keys.flatMap(key => (flags[key] === undefined ? [] : [[key, flags[key]] as const]));
  return { mode, seed, router, ...Object.fromEntries(given) };
}
