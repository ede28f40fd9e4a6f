/** One run from its first step, or its newest checkpoint, to its summary and report. */
import { dirname } from 'node:path';
import { latestCheckpoint } from '@spectra/checkpoint/node';
import { JsonlSink, type MetricSink, TensorBoardSink, teeSink } from '@spectra/monitor/node';
import { type BackendReport, setBackend } from '@spectra/tensor';
import type { TrainerConfig } from '../config/schema.ts';
import { openTrainingData, type TrainingData } from '../data/training-data.ts';
import { type Evaluation, evaluate } from '../evaluation/evaluate.ts';
import { type StepResult, Trainer } from '../training/trainer.ts';
import { readTrainingState, restoreCheckpoint, saveCheckpoint } from './checkpoint.ts';
import type { Interrupt, StopSignal } from './interrupt.ts';
import { evaluationMetrics, stepMetrics } from './metrics.ts';
import { Progress } from './progress.ts';
import type { RunFolder } from './run-folder.ts';

export interface RunOptions {
  readonly folder: RunFolder;
  /** Continue from the newest complete checkpoint; without one, from the start. */
  readonly resume: boolean;
  readonly interrupt: Interrupt;
  readonly progress?: Progress;
}

/** Everything the summary and the report are made of. */
export interface RunOutcome {
  readonly trainer: Trainer;
  readonly data: TrainingData;
  readonly backend: BackendReport;
  readonly evaluation: Evaluation;
  readonly trainSeconds: number;
  readonly secondsTotal: number;
  /** Set when a signal or the time limit ended training before the last step. */
  readonly stopped?: StopSignal | 'max_seconds';
}

/** Trains, logs, evaluates and checkpoints; the caller disposes the trainer. */
export async function runTraining(config: TrainerConfig, options: RunOptions): Promise<RunOutcome> {
  const began = performance.now();
  const { folder, interrupt, progress = new Progress() } = options;
  const backend = await setBackend(config.backend);
  const found = options.resume ? await latestCheckpoint(folder.checkpoints) : undefined;
  const state = found && (await readTrainingState(found.checkpoint));
  for (const skipped of found?.skipped ?? []) progress.note(`passed over ${skipped.folder}: ${skipped.problem?.message}`);
  const data = await openTrainingData(config, state?.cursor);
  const trainer = await Trainer.create(config, data.stream);
  if (found !== undefined && state !== undefined) await restoreCheckpoint(trainer, found.checkpoint, state);
  const from = trainer.step;
  const sink = teeSink([
    new JsonlSink(folder.metrics, { resumeAfter: from }),
    new TensorBoardSink(dirname(folder.metrics), from === 0 ? {} : { resumeAfter: from }),
  ]);
  const loop = new Loop({ config, trainer, data, folder, sink, progress }, state?.train_seconds ?? 0);
  try {
    const stopped = await loop.run(interrupt);
    const evaluation = loop.lastEvaluation ?? (await loop.evaluateNow());
    const ended = stopped === undefined ? {} : { stopped };
    return { trainer, data, backend, evaluation, trainSeconds: loop.trainSeconds, secondsTotal: (performance.now() - began) / 1000, ...ended };
  } catch (error) {
    await trainer.dispose();
    throw error;
  } finally {
    await sink.close();
  }
}

interface LoopParts {
  readonly config: TrainerConfig;
  readonly trainer: Trainer;
  readonly data: TrainingData;
  readonly folder: RunFolder;
  readonly sink: MetricSink;
  readonly progress: Progress;
}

class Loop {
  trainSeconds: number;
  lastEvaluation: Evaluation | undefined;
  private saved = -1;

  private readonly parts: LoopParts;

  constructor(parts: LoopParts, trainSeconds: number) {
    this.parts = parts;
    this.trainSeconds = trainSeconds;
  }

  /** Steps until the end, a signal or the time limit; the last state is saved in each case. */
  async run(interrupt: Interrupt): Promise<StopSignal | 'max_seconds' | undefined> {
    const { trainer, config: { train } } = this.parts;
    while (trainer.step < train.steps) {
      const started = performance.now();
      const result = await trainer.trainStep();
      const seconds = (performance.now() - started) / 1000;
      this.trainSeconds += seconds;
      this.lastEvaluation = undefined;
      this.log(result, seconds);
      const { step } = result;
      const last = step === train.steps;
      if (interrupt.requested !== undefined && !last) return this.end(interrupt.requested);
      if (train.eval_every > 0 && step % train.eval_every === 0 && !last) await this.evaluateNow();
      if (train.checkpoint_every > 0 && step % train.checkpoint_every === 0) await this.save();
      if (train.max_seconds !== undefined && this.trainSeconds >= train.max_seconds && !last) return this.end('max_seconds');
    }
    return this.end(undefined);
  }

  async evaluateNow(): Promise<Evaluation> {
    const { trainer, data, config, sink, progress } = this.parts;
    const evaluation = await evaluate(trainer.model, data.heldOut, { domains: data.domains, trainingBalance: config.train.balance });
    sink.write({ step: trainer.step, ...evaluationMetrics(evaluation) });
    this.lastEvaluation = evaluation;
    const routing = evaluation.causal.routing?.overall;
    const tail = routing === undefined ? '' : `, causal load CV ${routing.cv.toFixed(3)}, Gram ${routing.gramOrthogonality?.toFixed(3) ?? '-'}`;
    progress.note(`step ${trainer.step}: held-out loss ${evaluation.causal.loss.toFixed(4)} nats per token${tail}`);
    return evaluation;
  }

  private log(result: StepResult, seconds: number): void {
    const { config: { train }, data, sink, progress } = this.parts;
    const metrics = stepMetrics(result, data.epoch());
    if (result.step % train.log_every === 0 || result.step === train.steps) {
      sink.write({ step: result.step, ...metrics, train_tokens_per_second: result.tokens / seconds, seconds: this.trainSeconds });
    }
    const perStep = this.trainSeconds / result.step;
    const budget = train.max_seconds === undefined ? Number.POSITIVE_INFINITY : train.max_seconds - this.trainSeconds;
    const { load_cv: loadCv, routing_entropy: routingEntropy } = metrics;
    progress.update({
      step: result.step,
      steps: train.steps,
      loss: result.loss,
      learningRate: result.learningRate,
      gradNorm: result.gradNorm,
      tokensPerSecond: result.tokens / seconds,
      secondsLeft: Math.min(budget, perStep * (train.steps - result.step)),
      ...(loadCv === undefined ? {} : { loadCv }),
      ...(routingEntropy === undefined ? {} : { routingEntropy }),
    });
  }

  private async save(): Promise<void> {
    const { trainer, folder } = this.parts;
    if (this.saved === trainer.step) return;
    await saveCheckpoint(trainer, folder, this.trainSeconds);
    this.saved = trainer.step;
  }

  private async end<T>(reason: T): Promise<T> {
    await this.save();
    return reason;
  }
}
