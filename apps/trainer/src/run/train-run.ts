/** One run from its first step, or its newest checkpoint, to its summary and report. */
import { dirname } from 'node:path';
import { type Checkpoint, latestCheckpoint } from '@spectra/checkpoint/node';
import { JsonlSink, type MetricSink, readJsonl, TensorBoardSink, teeSink } from '@spectra/monitor/node';
import { type BackendReport, setBackend } from '@spectra/tensor';
import { formatConfig } from '../config/load.ts';
import type { TrainerConfig } from '../config/schema.ts';
import { openTrainingData, type TrainingData } from '../data/training-data.ts';
import { type EvaluateOptions, type Evaluation, evaluate } from '../evaluation/evaluate.ts';
import { openModelSource, resumedSource } from '../training/model-source.ts';
import { diverged, orDiverged, type PassResult, type StepResult, Trainer } from '../training/trainer.ts';
import {
  checkSameConfig,
  milestoneSteps,
  readTrainingState,
  restoreCheckpoint,
  saveCheckpoint,
  type TrainingState,
} from './checkpoint.ts';
import { type Companions, readCompanions } from './companions.ts';
import { formatCount } from './format.ts';
import type { Interrupt, StopSignal } from './interrupt.ts';
import { evaluationMetrics, stepMetrics } from './metrics.ts';
import { Progress } from './progress.ts';
import { checkPrompts } from './prompts.ts';
import { type RunFolder, startRunFolder, writeAtomically } from './run-folder.ts';

export interface RunOptions {
  readonly folder: RunFolder;
  /** Continue from the newest whole checkpoint (`CHECKPOINT_MISSING` without one); else begin, replacing what was there. */
  readonly resume: boolean;
  readonly interrupt: Interrupt;
  readonly progress?: Progress;
  /** Beyond loss and routes, what the last evaluation is to look at. */
  readonly observe?: Pick<EvaluateOptions, 'onCausalBatch' | 'onTrainingBatch'>;
}

/** A run that came to its last step or to its time limit: everything the summary and the report are made of. */
export interface RunOutcome {
  readonly trainer: Trainer;
  readonly data: TrainingData;
  readonly backend: BackendReport;
  readonly evaluation: Evaluation;
  readonly trainSeconds: number;
  readonly secondsTotal: number;
  readonly stopped?: 'max_seconds';
}

/** A run that a signal ended, after saving. */
export interface InterruptedRun {
  readonly trainer: Trainer;
  readonly signal: StopSignal;
}

/**
 * Trains, logs, evaluates and checkpoints; the caller disposes the trainer. The run folder is touched only once
 * backend, data and model stand, so a mistake in the configuration leaves nothing behind.
 */
export async function runTraining(
  config: TrainerConfig,
  options: RunOptions,
): Promise<RunOutcome | InterruptedRun> {
  const began = performance.now();
  const { folder, interrupt, progress = new Progress() } = options;
  const backend = await setBackend(config.backend);
  const found = options.resume ? await newestCheckpoint(config, folder, progress) : undefined;
  const source =
    found === undefined ? await openModelSource(config) : await resumedSource(config, found.checkpoint);
  const data = await openTrainingData(config, found?.state.cursor, source);
  const companions = await readCompanions(config, source);
  const trainer = await Trainer.create(config, data.stream, source);
  let sink: MetricSink | undefined;
  try {
    checkPrompts(config, data.tokenizer, trainer.model);
    if (found === undefined) startRunFolder(folder, config, source.folder);
    else {
      await restoreCheckpoint(trainer, found.checkpoint, found.state);
      writeAtomically(folder.config, formatConfig(config));
    }
    const { parameters, trainable } = trainer.size();
    if (trainable < parameters)
      progress.note(`training ${formatCount(trainable)} of ${formatCount(parameters)} parameters`);
    sink = openSinks(folder, trainer.step);
    const parts = { config, trainer, data, folder, sink, progress, companions };
    const loop = new Loop(parts, found?.state.train_seconds ?? 0);
    const stopped = await loop.run(interrupt);
    // the last step is saved, too: what comes after it can be made by resuming
    const signal = stopped ?? interrupt.requested;
    if (signal !== undefined && signal !== 'max_seconds') return { trainer, signal };
    const evaluation = await loop.finalEvaluation(options.observe);
    const secondsTotal = (performance.now() - began) / 1000;
    return {
      trainer,
      data,
      backend,
      evaluation,
      trainSeconds: loop.trainSeconds,
      secondsTotal,
      ...(stopped === 'max_seconds' ? { stopped } : {}),
    };
  } catch (error) {
    await trainer.dispose();
    throw error;
  } finally {
    await sink?.close();
  }
}

async function newestCheckpoint(
  config: TrainerConfig,
  folder: RunFolder,
  progress: Progress,
): Promise<{ checkpoint: Checkpoint; state: TrainingState }> {
  const { checkpoint, skipped } = await latestCheckpoint(folder.checkpoints);
  for (const { folder: path, problem } of skipped) progress.note(`passed over ${path}: ${problem?.message}`);
  const state = await readTrainingState(checkpoint);
  await checkSameConfig(config, checkpoint, state);
  progress.note(`resuming from ${checkpoint.folder}`);
  return { checkpoint, state };
}

/** Rows of later steps, left by a run that went on after its last checkpoint, are removed. */
function openSinks(folder: RunFolder, step: number): MetricSink {
  const resume = step === 0 ? {} : { resumeAfter: step };
  return teeSink([
    new JsonlSink(folder.metrics, resume),
    new TensorBoardSink(dirname(folder.metrics), resume),
  ]);
}

interface LoopParts {
  readonly config: TrainerConfig;
  readonly trainer: Trainer;
  readonly data: TrainingData;
  readonly folder: RunFolder;
  readonly sink: MetricSink;
  readonly progress: Progress;
  readonly companions: Companions;
}

class Loop {
  trainSeconds: number;
  private readonly parts: LoopParts;
  private evaluated: { readonly step: number; readonly evaluation: Evaluation } | undefined;
  /** Step of the newest checkpoint. */
  private saved: number;

  constructor(parts: LoopParts, trainSeconds: number) {
    this.parts = parts;
    this.trainSeconds = trainSeconds;
    this.saved = parts.trainer.step;
  }

  /** Steps until the end, a signal or the time limit; the last state is saved in each case. */
  async run(interrupt: Interrupt): Promise<StopSignal | 'max_seconds' | undefined> {
    const {
      trainer,
      config: { train },
    } = this.parts;
    const milestones = milestoneSteps(train);
    while (trainer.step < trainer.lastStep) {
      const started = performance.now();
      const training = trainer.step < train.steps;
      const result = training ? await trainer.trainStep() : await trainer.settleStep();
      const seconds = (performance.now() - started) / 1000;
      if (training) this.trainSeconds += seconds;
      this.log(result, seconds);
      const { step } = result;
      if (step === trainer.lastStep) break;
      // before saving, so that a resumed run has the same rows
      if (train.eval_every > 0 && step % train.eval_every === 0) await this.evaluate();
      const late = step < train.steps && this.trainSeconds >= (train.max_seconds ?? Number.POSITIVE_INFINITY);
      const stopped = interrupt.requested ?? (late ? ('max_seconds' as const) : undefined);
      const due = train.checkpoint_every > 0 && step % train.checkpoint_every === 0;
      if (stopped !== undefined || due || milestones.has(step)) await this.save();
      if (stopped !== undefined) return stopped;
    }
    await this.save();
    return undefined;
  }

  /** Of the state as it is; a row that a run before this one wrote is not written twice. */
  async finalEvaluation(observe?: RunOptions['observe']): Promise<Evaluation> {
    const { trainer, folder } = this.parts;
    if (observe === undefined && this.evaluated?.step === trainer.step) return this.evaluated.evaluation;
    const logged = readJsonl(folder.metrics).some(
      row => row.step === trainer.step && row.eval_loss !== undefined,
    );
    return this.evaluate(!logged, observe);
  }

  private async evaluate(log = true, observe: RunOptions['observe'] = {}): Promise<Evaluation> {
    const { trainer, data, config, sink, progress } = this.parts;
    const { step } = trainer;
    const evaluation = await evaluate(trainer.model, data.heldOut, {
      domains: data.domains,
      trainingBalance: config.train.balance,
      ...observe,
    }).catch((error: unknown) => {
      throw orDiverged(error, step);
    });
    if (!Number.isFinite(evaluation.causal.loss)) {
      throw diverged(step, `the held-out loss is ${evaluation.causal.loss}.`);
    }
    if (log) sink.write({ step, ...evaluationMetrics(evaluation) });
    this.evaluated = { step, evaluation };
    const routing = evaluation.causal.routing?.overall;
    const tail =
      routing === undefined
        ? ''
        : `, causal load CV ${routing.cv.toFixed(3)}, Gram ${routing.gramOrthogonality?.toFixed(3) ?? '-'}`;
    progress.note(`step ${step}: held-out loss ${evaluation.causal.loss.toFixed(4)} nats per token${tail}`);
    return evaluation;
  }

  private log(result: PassResult | StepResult, seconds: number): void {
    const {
      config: { train },
      trainer: { lastStep },
      data,
      sink,
      progress,
    } = this.parts;
    const { step, loss, tokens } = result;
    const metrics = stepMetrics(result, data.epoch());
    if (step % train.log_every === 0 || step === train.steps || step === lastStep) {
      sink.write({
        step,
        ...metrics,
        train_tokens_per_second: tokens / seconds,
        seconds: this.trainSeconds,
      });
    }
    const training = 'gradNorm' in result;
    const perStep = training ? this.trainSeconds / step : seconds;
    const budget =
      training && train.max_seconds !== undefined ? train.max_seconds - this.trainSeconds : undefined;
    const { load_cv: loadCv, routing_entropy: routingEntropy } = metrics;
    progress.update({
      step,
      steps: lastStep,
      loss,
      ...(training ? { learningRate: result.learningRate, gradNorm: result.gradNorm } : {}),
      tokensPerSecond: tokens / seconds,
      secondsLeft: Math.min(budget ?? Number.POSITIVE_INFINITY, perStep * (lastStep - step)),
      ...(loadCv === undefined ? {} : { loadCv }),
      ...(routingEntropy === undefined ? {} : { routingEntropy }),
    });
  }

  private async save(): Promise<void> {
    const { trainer, folder, companions } = this.parts;
    if (this.saved === trainer.step) return;
    await saveCheckpoint(trainer, folder, this.trainSeconds, companions);
    this.saved = trainer.step;
  }
}
