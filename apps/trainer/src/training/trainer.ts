/**
 * The training loop's state: model, optimizer, data stream and step. A step is a pure function of that state, so a
 * checkpoint taken between two steps resumes exactly.
 */

import type { TrainStream } from '@spectra/data';
import type { Balance, Router } from '@spectra/routing';
import { AdamW, clipByGlobalNorm, learningRate, type ParameterRole, SpectraError } from '@spectra/tensor';
import type { DecoderModel } from '@spectra/transformer';
import * as tf from '@tensorflow/tfjs-core';
import type { TrainerConfig } from '../config/schema.ts';
import { countParameters, type ParameterCount } from './freeze.ts';
import { type MicroBatchJob, type MicroBatchResult, observeMicroBatch } from './micro-batch.ts';
import { freshSource, type ModelSource, makeModel } from './model-source.ts';
import { nextTurn } from './next-turn.ts';
import { optimizerGroups, scheduleOf } from './optimizer.ts';
import { GradientSource } from './step-gradients.ts';
import { WorkerPool } from './worker-pool.ts';

/** What one step's tokens came to. */
export interface PassResult {
  /** Steps done, this one included. */
  readonly step: number;
  /** Mean task loss of the step, nats per token. */
  readonly loss: number;
  /** Weighted router losses, mean over the micro-batches. */
  readonly routerLoss: number;
  /** Tokens of this step, padding left out. */
  readonly tokens: number;
  readonly microBatches: readonly MicroBatchResult[];
}

/** A step of the optimizer. */
export interface StepResult extends PassResult {
  readonly learningRate: number;
  /** Global gradient norm before clipping. */
  readonly gradNorm: number;
  /** The same by the parameters' role, before clipping. */
  readonly gradNormByRole: Readonly<Record<ParameterRole, number>>;
}

export class Trainer {
  readonly config: TrainerConfig;
  readonly model: DecoderModel;
  readonly optimizer: AdamW;
  readonly stream: TrainStream;
  /** Steps done: those of the optimizer, then those that settle the routers. */
  step = 0;
  /** Tokens trained on, padding left out. */
  tokensSeen = 0;
  private readonly gradients: GradientSource;
  private readonly pool: WorkerPool | undefined;

  private constructor(
    config: TrainerConfig,
    model: DecoderModel,
    stream: TrainStream,
    pool: WorkerPool | undefined,
  ) {
    this.config = config;
    this.model = model;
    this.stream = stream;
    this.pool = pool;
    this.gradients = new GradientSource(model, pool, config.train.workers);
    const { betas, eps, weight_decay: weightDecay } = config.optim;
    this.optimizer = new AdamW(model.parameters(), {
      betas,
      epsilon: eps,
      weightDecay,
      groups: optimizerGroups(config.optim),
    });
  }

  /**
   * Builds a trainer at step 0 on the current backend; `restore` of the checkpoint module moves it on. A model that
   * exists is given as what `openModelSource` found.
   */
  static async create(
    config: TrainerConfig,
    stream: TrainStream,
    source: ModelSource = freshSource(config),
  ): Promise<Trainer> {
    const { workers, micro_batches: slots } = config.train;
    const extra = Math.min(workers, slots) - 1;
    const backend = tf.getBackend();
    if (extra > 0 && backend !== 'wasm' && backend !== 'cpu') {
      throw new SpectraError('CONFIG_INVALID', {
        message: `train.workers ${workers} needs the wasm or cpu backend, this is ${backend}.`,
        where: 'train.workers',
        fix: 'Set train.workers to 1; these backends use all cores or the GPU by themselves.',
      });
    }
    const model = await makeModel(config, source);
    let pool: WorkerPool | undefined;
    try {
      const sizes = countParameters(model.parameters());
      const existing = source.folder === undefined ? undefined : source.description.config;
      if (extra > 0) pool = await WorkerPool.start(extra, { slots, sizes, config, existing, backend });
      return new Trainer(config, model, stream, pool);
    } catch (error) {
      await pool?.stop();
      model.dispose();
      throw error;
    }
  }

  /** The optimizer's steps and those that settle the routers, if there are any. */
  get lastStep(): number {
    const { steps, settle_steps: settle = 0 } = this.config.train;
    return this.model.routers.length === 0 ? steps : steps + settle;
  }

  /** Numbers in the parameters, in all and trained. */
  size(): ParameterCount {
    return countParameters(this.model.parameters());
  }

  /** One optimizer step. Throws `DIVERGED`, the parameters unchanged, when a loss, gradient or cost is not finite. */
  async trainStep(): Promise<StepResult> {
    try {
      return await this.attemptStep();
    } catch (error) {
      throw orDiverged(error, this.step + 1);
    }
  }

  /**
   * One step's tokens of the same stream through weights that no longer move: only what the routers average (prices, biases)
   * does. Averages trail what moves, and weights move to the last step; and the hidden states are those of the causal rule
   * here, which decoding has, where training in `batch` mode showed the routers those of its own. What is averaged becomes
   * the mean over these steps, the i-th with weight i (Lacoste-Julien et al. 2012): batches that follow one another are
   * alike, and the window of some twenty that training wants sees too little text. By this thread alone. Throws `DIVERGED`.
   */
  async settleStep(): Promise<PassResult> {
    try {
      const jobs = await this.nextJobs('potentials');
      const results: MicroBatchResult[] = [];
      for (const job of jobs) results.push(await nextTurn().then(() => observeMicroBatch(this.model, job)));
      const passed = passOf(this.step + 1, jobs, results);
      if (!Number.isFinite(passed.loss)) throw diverged(passed.step, `the loss is ${passed.loss}.`);
      const settled = passed.step - this.config.train.steps;
      this.commitRouters(results, (settled - 1) / (settled + 1));
      this.step++;
      return passed;
    } catch (error) {
      throw orDiverged(error, this.step + 1);
    }
  }

  /** The rule of the step to come: weights that end under the rule of decoding are made for it. */
  private get balance(): Balance {
    const { steps, balance, causal_steps: causal = 0 } = this.config.train;
    return this.step < steps - causal ? balance : 'potentials';
  }

  private async attemptStep(): Promise<StepResult> {
    const { optim, train, seed } = this.config;
    const { embedding_noise: alpha } = train;
    const jobs = (await this.nextJobs(this.balance)).map((job, microBatch) =>
      alpha === undefined ? job : { ...job, noise: { alpha, seed, step: this.step, microBatch } },
    );
    const { results, grads } = await this.gradients.compute(jobs);
    const passed = passOf(this.step + 1, jobs, results);
    const { norm, norms, scale } = await clipByGlobalNorm(grads, optim.clip);
    if (!Number.isFinite(passed.loss) || !Number.isFinite(norm)) {
      tf.dispose([...grads.values()]);
      throw diverged(passed.step, `the loss is ${passed.loss} and the gradient norm ${norm}.`);
    }
    const lr = learningRate(scheduleOf(optim, train.steps), this.step);
    try {
      // first the routers: they refuse a cost that is not finite, which a GPU reports only now
      this.commitRouters(results);
      this.optimizer.step(grads, lr, scale);
    } finally {
      tf.dispose([...grads.values()]);
    }
    this.step++;
    this.tokensSeen += passed.tokens;
    return { ...passed, learningRate: lr, gradNorm: norm, gradNormByRole: this.normsByRole(norms) };
  }

  private async nextJobs(balance: Balance): Promise<MicroBatchJob[]> {
    const { micro_batches: count } = this.config.train;
    const batches = await this.stream.take(count);
    const weightSum = batches.reduce((sum, batch) => sum + batch.weights.reduce((a, b) => a + b, 0), 0);
    return batches.map(tokens => ({ tokens, step: this.step, balance, weightSum, share: 1 / count }));
  }

  private commitRouters(results: readonly MicroBatchResult[], rho?: number): void {
    for (const [i, router] of this.model.routers.entries()) {
      if (isFrozen(router)) continue;
      const statistics = results.map(result => result.layers[i]!.statistics);
      router.commit(statistics, rho);
    }
  }

  async dispose(): Promise<void> {
    await this.pool?.stop();
    this.optimizer.dispose();
    this.model.dispose();
  }

  private normsByRole(norms: ReadonlyMap<string, number>): Record<ParameterRole, number> {
    const squares = { router: 0, expert: 0, other: 0 };
    for (const { name, role } of this.model.parameters()) squares[role] += (norms.get(name) ?? 0) ** 2;
    const { router, expert, other } = squares;
    return { router: Math.sqrt(router), expert: Math.sqrt(expert), other: Math.sqrt(other) };
  }
}

function passOf(
  step: number,
  jobs: readonly MicroBatchJob[],
  results: readonly MicroBatchResult[],
): PassResult {
  return {
    step,
    loss: results.reduce((sum, result) => sum + result.taskLoss, 0),
    routerLoss: results.reduce((sum, result) => sum + result.routerLoss, 0),
    tokens: jobs.reduce(
      (sum, job) => sum + job.tokens.documents.reduce((n, d) => n + (d >= 0 ? 1 : 0), 0),
      0,
    ),
    microBatches: results,
  };
}

/** Whether a router has weights and none of them trains: then its prices and biases stay, too. */
function isFrozen(router: Router): boolean {
  const parameters = router.parameters();
  return parameters.length > 0 && parameters.every(({ trainable }) => !trainable);
}

export function diverged(step: number, message: string, cause?: unknown): SpectraError {
  return new SpectraError('DIVERGED', {
    message,
    where: `step ${step}`,
    fix: 'Lower optim.lr, lengthen the warm-up, or resume from an earlier checkpoint.',
    cause,
  });
}

/** What a router or a sampler calls `NOT_FINITE` is, in training, a run that diverged. */
export function orDiverged(error: unknown, step: number): unknown {
  if (!(error instanceof SpectraError) || error.code !== 'NOT_FINITE') return error;
  const [what] = error.message.split(' (at '); // its advice is for the writer of an op
  return diverged(step, what!, error);
}
