/** How our time grows with one size: the exponent of a power law through its medians. */
import { rmSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { writeArrays } from './arrays.ts';
import { CASES } from './cases.ts';
import { inputsOf } from './inputs.ts';
import { oursCommand, type SidePool } from './peers.ts';
import type { Params } from './protocol.ts';
import type { ScalingRow } from './rows.ts';
import { exponent, median } from './statistics.ts';

export interface ScalingCase {
  readonly name: string;
  readonly kind: string;
  readonly params: Params;
  readonly variable: string;
  readonly values: readonly number[];
}

const SINKHORN = { N: 2048, E: 64, iterations: 5, epsilon: 0.05 };
const step = CASES.find(({ kind }) => kind === 'train-step')!.params;
const SHORT_STEP = { ...step, batch: 1, length: 128, layers: 1 };

const over = (
  what: string,
  symbol: string,
  kind: string,
  params: Params,
  variable: string,
  values: readonly number[],
): ScalingCase => ({ name: `${what} over ${symbol}`, kind, params, variable, values });

export const SCALING_CASES: readonly ScalingCase[] = [
  over('Sinkhorn', 'N', 'sinkhorn', SINKHORN, 'N', [1024, 2048, 4096, 8192]),
  over('Sinkhorn', 'E', 'sinkhorn', SINKHORN, 'E', [16, 32, 64, 128, 256]),
  over('Sinkhorn', 'T', 'sinkhorn', SINKHORN, 'iterations', [2, 4, 8, 16, 32]),
  over('GRU', 'S', 'gru', { S: 128, B: 2, H: 128, G: 32 }, 'S', [64, 128, 256, 512, 1024]),
  over('LM training step', 'S', 'train-step', SHORT_STEP, 'length', [64, 128, 256, 512, 1024]),
  over('LM training step', 'L', 'train-step', SHORT_STEP, 'layers', [1, 2, 4, 8]),
];

const RUNS = 7;

export async function scalingCase(
  { name, kind, params, variable, values }: ScalingCase,
  backend: string,
  settings: {
    readonly pool: SidePool;
    readonly folder: string;
    readonly quick: boolean;
    readonly machine: string;
  },
): Promise<ScalingRow> {
  const side = settings.pool.get(oursCommand(backend), 'ours');
  const used = settings.quick ? values.slice(0, 2) : values;
  const times: number[] = [];
  for (const value of used) {
    const given = { ...params, [variable]: value };
    const inputs = writeArrays(join(settings.folder, 'scaling.bin'), inputsOf(kind, given));
    await side.ask({ op: 'prepare', kind, params: given, inputs, outputs: null });
    rmSync(inputs.path);
    await side.run(3);
    const runs: number[] = [];
    while (runs.length < RUNS) runs.push(await side.run(1));
    await side.ask({ op: 'release' });
    times.push(median(runs));
  }
  return {
    measure: 'scaling',
    case: name,
    backend,
    quick: settings.quick,
    machine: settings.machine,
    load: loadavg()[0]!,
    variable,
    values: used,
    ours_ms: times,
    exponent: exponent(used, times),
  };
}
