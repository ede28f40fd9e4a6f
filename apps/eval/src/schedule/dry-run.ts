/** The plan in numbers before anything is trained: runs × tokens ÷ tokens per second. */
import { spawnSync } from 'node:child_process';
import { formatTable } from '@spectra/monitor/node';
import { SpectraError } from '@spectra/tensor';
import { formatCount, formatDuration, freshModel } from '@spectra/trainer';
import { readRow } from '../runs/row.ts';
import { median } from '../statistics/median.ts';
import { modelCost } from '../suite/cost.ts';
import type { PlannedRun } from '../suite/expand.ts';
import type { Program } from './program.ts';
import type { Schedule } from './schedule.ts';
import { speedKey } from './store.ts';

export interface PlanEstimate {
  readonly runs: number;
  readonly left: number;
  readonly tokensLeft: number;
  /** On `jobs` processes that do not slow each other down. */
  readonly secondsLeft: number;
  readonly text: string;
}

/** A backward pass costs twice the forward pass. */
const PASSES = 3;

/**
 * Speeds are those of rows of the same model, else measured now by a few steps each, else (a suite that names its
 * hardware) operations over operations per second.
 */
export function estimatePlan(schedule: Schedule, jobs: number): PlanEstimate {
  const { plan } = schedule;
  const left = new Set(schedule.left().map(({ id }) => id));
  const groups = new Map<string, PlannedRun[]>();
  for (const run of plan.runs) {
    if (run.kind === 'timing') continue;
    const key = `${run.label.replace(/, seed \d+$/, '')} ${run.tokens}`;
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  let [tokensLeft, secondsLeft] = [0, 0];
  const rows = [...groups.values()].map(runs => {
    const [run] = runs as [PlannedRun];
    const open = runs.filter(({ id }) => left.has(id));
    const speed = speedOf(schedule, run, open.length > 0);
    const tokens = open.reduce((sum, { tokens: own }) => sum + own, 0);
    tokensLeft += tokens;
    secondsLeft += speed === undefined ? 0 : tokens / speed.tokensPerSecond;
    const cost = modelCost(freshModel(run.config), run.config.data.length);
    return [
      run.label.replace(/, seed \d+$/, ''),
      formatCount(cost.parameters),
      formatCount(Math.round(cost.flops)),
      `${runs.length - open.length}/${runs.length}`,
      formatCount(run.tokens),
      speed === undefined ? '–' : Math.round(speed.tokensPerSecond),
      speed?.source ?? '–',
      speed === undefined ? '–' : formatDuration(tokens / speed.tokensPerSecond),
    ];
  });
  const timings = plan.runs.filter(({ kind }) => kind === 'timing').length;
  const table = formatTable(
    ['runs', 'parameters', 'FLOPs/token', 'done', 'tokens each', 'tokens/s', 'speed from', 'time left'],
    rows,
  );
  const where = plan.suite.hardware === undefined ? '' : ` on ${plan.suite.hardware.name}`;
  const text = [
    table,
    '',
    `${plan.runs.length} runs (${timings} of them timings), ${left.size} left: ${formatCount(tokensLeft)} tokens, ` +
      `${formatDuration(secondsLeft)} of training in one process${where}, about ${formatDuration(secondsLeft / jobs)} in ${jobs} that do not ` +
      'slow each other down; evaluation comes on top.',
    ...plan.entries
      .filter(({ reason }) => reason !== undefined)
      .map(({ table: id, arm, seed, reason }) => `not valid: ${id} ${arm} seed ${seed}: ${reason}`),
  ].join('\n');
  return { runs: plan.runs.length, left: left.size, tokensLeft, secondsLeft, text };
}

function speedOf(
  schedule: Schedule,
  run: PlannedRun,
  needed: boolean,
): { readonly tokensPerSecond: number; readonly source: string } | undefined {
  const { hardware } = schedule.plan.suite;
  if (hardware !== undefined) {
    const { flops } = modelCost(freshModel(run.config), run.config.data.length);
    return {
      tokensPerSecond: hardware.flops_per_second / (PASSES * flops),
      source: `${hardware.flops_per_second.toExponential(1)} FLOP/s`,
    };
  }
  const key = speedKey(run);
  const recorded = schedule.plan.runs
    .filter(other => speedKey(other) === key)
    .flatMap(({ id }) => readRow(schedule.rows, id)?.training?.tokens_per_second ?? []);
  if (recorded.length > 0) return { tokensPerSecond: median(recorded), source: 'rows' };
  const cached = schedule.store.speed(key);
  if (cached !== undefined) return { tokensPerSecond: cached, source: 'measured' };
  if (!needed) return undefined;
  const tokensPerSecond = measureInProcess(schedule.program, run);
  schedule.store.setSpeed(key, tokensPerSecond);
  return { tokensPerSecond, source: 'measured' };
}

/** In a process of its own, as the runs are. */
function measureInProcess({ file, arguments: before }: Program, run: PlannedRun): number {
  const { status, stdout, stderr } = spawnSync(file, [...before, 'speed'], {
    input: JSON.stringify(run.config),
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  const found = Number(stdout.trim().split('\n').at(-1));
  if (status === 0 && found > 0) return found;
  throw new SpectraError('WORKER_FAILED', {
    message: `the speed of ${run.label} could not be measured: ${stderr.trim().split('\n').at(-1)}`,
    where: 'spectra-eval speed',
  });
}
