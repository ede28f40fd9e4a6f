/** Dense models become mixtures of experts, mixtures grow, routers are replaced: plan, write, compare. */
import { SpectraError, setBackend } from '@spectra/tensor';
import { type RouterConfig, routerConfigSchema } from '@spectra/transformer';
import {
  type ConversionOptions,
  meanGateSum,
  planFolder,
  replaceRouterFolder,
  type SharedStart,
  tensorBytes,
  type UpcycleMode,
  type UpcyclePlan,
  upcycleFolder,
  verifyModels,
} from '@spectra/upcycle/node';
import { z } from 'zod';
import { formatBytes, formatCount } from '../run/format.ts';
import { readForwardFile } from '../run/forward-input.ts';
import { type BackendChoice, resolveModelPath } from '../run/model-path.ts';
import { keepHeapSmall } from '../run/small-heap.ts';

interface RouterFlags {
  readonly router: string;
  readonly routerOptions?: string;
  readonly seed: number;
  readonly backend?: BackendChoice;
}

export interface UpcycleFlags extends RouterFlags {
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
  console.log(summary(plan));
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
  const { input_ids: ids } = readForwardFile(flags.input);
  const [from, to] = [await resolveModelPath(flags.from), await resolveModelPath(flags.to)];
  const result = await verifyModels(from.model, to.model, ids);
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

interface ReplaceFlags extends RouterFlags {
  readonly from: string;
  readonly to: string;
  readonly rho?: number;
  readonly input?: string;
}

export async function replaceRouterCommand(flags: ReplaceFlags): Promise<void> {
  keepHeapSmall();
  await setBackend(flags.backend ?? 'auto');
  const { model } = await resolveModelPath(flags.from);
  const rho =
    flags.rho ??
    (flags.input === undefined
      ? undefined
      : await meanGateSum(model, readForwardFile(flags.input).input_ids));
  const { plan, written } = await replaceRouterFolder(model, flags.to, {
    router: routerOf(flags),
    seed: flags.seed,
    ...(rho === undefined ? {} : { rho }),
  });
  for (const { name, reason } of plan.dropped) console.log(`dropped ${name}: ${reason}`);
  const bytes = Object.values(written).reduce((sum, { size }) => sum + size, 0);
  console.log(summary(plan));
  console.log(`${flags.to}: ${formatBytes(bytes)} written, all other shards are links`);
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

function routerOf({ router, routerOptions }: RouterFlags): RouterConfig {
  let options: unknown = {};
  try {
    options = JSON.parse(routerOptions ?? '{}');
  } catch (cause) {
    throw new SpectraError('USAGE', {
      message: '--router-options is not JSON.',
      fix: `Write e.g. --router-options '{"router_dim": 16}'.`,
      cause,
    });
  }
  const parsed = routerConfigSchema.safeParse({ ...(options as object), kind: router });
  if (parsed.success) return parsed.data;
  throw new SpectraError('USAGE', { message: z.prettifyError(parsed.error), where: '--router' });
}

function printPlan(plan: UpcyclePlan, json: boolean): void {
  const rows = plan.tensors.map(tensor => ({
    target: tensor.name,
    sources: tensor.sources,
    transform: tensor.transform,
    dtype: tensor.dtype,
    shape: tensor.shape,
    bytes: tensorBytes(tensor),
  }));
  if (json) {
    const { config, dropped, exact, totals } = plan;
    console.log(JSON.stringify({ tensors: rows, dropped, exact, totals, config }, null, 2));
    return;
  }
  for (const { target, sources, transform, dtype, shape, bytes } of rows) {
    const from = sources.length === 0 ? '' : ` of ${sources.join(', ')}`;
    console.log(`${target} ${dtype} [${shape.join(', ')}] ${formatBytes(bytes)}: ${transform}${from}`);
  }
  for (const { name, reason } of plan.dropped) console.log(`dropped ${name}: ${reason}`);
  console.log(summary(plan));
}

function summary({ totals, exact, inexactBecause, tensors }: UpcyclePlan): string {
  const { bytes, parameters, active } = totals;
  const size = `${tensors.length} tensors, ${formatBytes(bytes)}`;
  const same = exact ? 'computes the same as the source' : `differs from the source: ${inexactBecause}`;
  return `${size}, ${formatCount(parameters)} parameters, ${formatCount(active)} of them active per token; ${same}`;
}
