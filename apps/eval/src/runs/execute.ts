/** Makes one run from its job to its row: training with resuming, evaluation, probes, measures. */
import { existsSync, rmSync } from 'node:fs';
import { checkpointSteps } from '@spectra/checkpoint/node';
import { openTokenizer } from '@spectra/data/node';
import { readJsonl } from '@spectra/monitor/node';
import { SpectraError, setBackend } from '@spectra/tensor';
import {
  freshModel,
  type Interrupt,
  type InterruptedRun,
  type RunFolder,
  type RunOutcome,
  runFolderAt,
  runTraining,
} from '@spectra/trainer';
import { expertGroups } from '@spectra/transformer';
import { thinCurves } from '../measure/curves.ts';
import { ExpertTally } from '../measure/expert-tally.ts';
import { measureLengths } from '../measure/lengths.ts';
import { probeMilestones } from '../measure/milestones.ts';
import { measureTexts } from '../measure/texts.ts';
import { timeParts } from '../measure/time-parts.ts';
import { trainingSpeed } from '../measure/training-speed.ts';
import { modelCost } from '../suite/cost.ts';
import type { PlannedRun } from '../suite/expand.ts';
import { evaluateTask } from '../tasks/evaluate-task.ts';
import { checkTaskFiles, resolveTask } from '../tasks/registry.ts';
import { environment } from './environment.ts';
import { evaluationRow, expertRows, positionShares } from './evaluation-row.ts';
import type { Failure, Job } from './job.ts';
import { type Answered, type MeasureName, type MeasureRequest, requestKey, withOthers } from './measures.ts';
import { type RunRow, readRow, writeRow } from './row.ts';
import { ROW_FORMAT } from './run-id.ts';

/** Writes the row. False when a signal ended training, after saving. Errors are the trainer's. */
export async function executeJob(job: Job, folder: string, interrupt: Interrupt): Promise<boolean> {
  const { run, rows } = job;
  const started = new Date().toISOString();
  if (run.kind === 'timing') {
    const { name, device } = await setBackend(run.config.backend);
    const timing = await timeParts(run.config);
    const cost = modelCost(freshModel(run.config), run.config.data.length);
    writeRow(rows, { ...head(run, `${name}: ${device}`, started), cost, timing });
    return true;
  }
  for (const request of run.measures) if (request.name === 'tasks') checkTaskFiles(request.tasks);
  const runs = runFolderAt(folder);
  const { moe } = freshModel(run.config);
  const tally =
    moe === undefined
      ? undefined
      : new ExpertTally(moe.experts, expertGroups(moe.router), {
          tokenizer: await openTokenizer(run.config.data.tokenizer),
        });
  const outcome = await train(run, runs, interrupt, tally);
  try {
    if ('signal' in outcome) return false;
    const { name, device } = outcome.backend;
    const found = await measured(run, runs, outcome, tally);
    const row = { ...head(run, `${name}: ${device}`, started), ...found };
    const before = readRow(rows, run.id);
    // another program's model may have been another
    const same = before !== undefined && before.environment.source === row.environment.source;
    writeRow(rows, { ...row, measures: withOthers(found.measures, same ? (before.measures ?? {}) : {}) });
    if (!run.keepModel) rmSync(runs.checkpoints, { recursive: true, force: true });
    return true;
  } finally {
    await outcome.trainer.dispose();
  }
}

/** From the newest whole checkpoint, or from the start where there is none. */
async function train(
  run: PlannedRun,
  folder: RunFolder,
  interrupt: Interrupt,
  tally: ExpertTally | undefined,
): Promise<RunOutcome | InterruptedRun> {
  const observe =
    tally === undefined
      ? {}
      : {
          onCausalBatch: tally.addCausal.bind(tally),
          onTrainingBatch: tally.addTraining.bind(tally),
        };
  const options = { folder, interrupt, observe };
  const resume = existsSync(folder.config) && (await checkpointSteps(folder.checkpoints)).length > 0;
  try {
    return await runTraining(run.config, { ...options, resume });
  } catch (error) {
    // one that was being written when the run was killed is no checkpoint
    const begun = resume && error instanceof SpectraError && error.code === 'CHECKPOINT_MISSING';
    if (!begun) throw error;
    return runTraining(run.config, { ...options, resume: false });
  }
}

/** Of a run that has no result but its failure. */
export function failedRow(run: PlannedRun, failure: Failure, started: string): RunRow {
  return { ...head(run, run.config.backend, started), status: 'failed', failure };
}

function head(run: PlannedRun, backend: string, started: string) {
  const { id, kind, label, config } = run;
  return {
    format: ROW_FORMAT,
    id,
    kind,
    label,
    status: 'done' as const,
    seed: config.seed,
    config,
    environment: environment(backend),
    started,
    finished: new Date().toISOString(),
  };
}

async function measured(
  run: PlannedRun,
  folder: RunFolder,
  outcome: RunOutcome,
  tally: ExpertTally | undefined,
): Promise<Partial<RunRow> & { readonly measures: NonNullable<RunRow['measures']> }> {
  const { trainer, data, evaluation, trainSeconds } = outcome;
  const { config } = run;
  const records = readJsonl(folder.metrics);
  const routed =
    tally === undefined
      ? {}
      : {
          experts: expertRows(tally, evaluation.causal.routing!),
          positions: positionShares(tally),
          vectors: tally.vectors(),
        };
  return {
    training: {
      steps: trainer.step,
      tokens: trainer.tokensSeen,
      seconds: trainSeconds,
      tokens_per_second: trainingSpeed(records),
      curves: thinCurves(records),
    },
    cost: modelCost(freshModel(config), config.data.length),
    evaluation: evaluationRow(evaluation, tally),
    milestones: await probeMilestones({
      config,
      folder,
      data,
      final: trainer.model,
      probeTokens: run.probeTokens,
    }),
    ...routed,
    measures: await answers(run, outcome),
  };
}

async function answers(run: PlannedRun, outcome: RunOutcome): Promise<NonNullable<RunRow['measures']>> {
  const found: Partial<Record<MeasureName, Answered<unknown>>> = {};
  for (const request of run.measures) found[request.name] = await answer(request, run, outcome);
  return found as NonNullable<RunRow['measures']>;
}

async function answer(
  request: MeasureRequest,
  { config }: PlannedRun,
  { trainer: { model }, data }: RunOutcome,
): Promise<Answered<unknown>> {
  const key = requestKey(request);
  switch (request.name) {
    case 'lengths':
      // a dense model has no route to follow
      return {
        key,
        value: model.routers.length === 0 ? [] : await measureLengths(model, config, request.lengths),
      };
    case 'texts':
      return {
        key,
        value: model.routers.length === 0 ? [] : await measureTexts(model, data.tokenizer, request.texts),
      };
    case 'tasks': {
      const value = [];
      for (const name of request.tasks) {
        const { result } = await evaluateTask(model, data.tokenizer, await resolveTask(name, config.data));
        value.push(result);
      }
      return { key, value };
    }
  }
}
