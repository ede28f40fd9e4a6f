/**
 * The gradients of one optimizer step, computed by one thread or several.
 *
 * Micro-batch i goes to thread i mod n (thread 0 is this one). Gradients are added in the order of the micro-batches
 * whatever thread made them, so the number of threads does not change the result; each is added, and released, as soon
 * as those before it are.
 */
import { GradientAccumulator } from '@spectra/tensor';
import type { DecoderModel } from '@spectra/transformer';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { partition } from './freeze.ts';
import { releaseHostCopies } from './host-copies.ts';
import { exportParameters, importGradients, type Layout, layoutOf } from './layout.ts';
import { type MicroBatchJob, type MicroBatchResult, runMicroBatch } from './micro-batch.ts';
import { nextTurn } from './next-turn.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface StepGradients {
  readonly results: readonly MicroBatchResult[];
  /** Sums by parameter name; the caller owns them. */
  readonly grads: Map<string, Tensor>;
}

export class GradientSource {
  private readonly model: DecoderModel;
  private readonly pool: WorkerPool | undefined;
  private readonly threads: number;
  private readonly trained: Layout;
  private readonly frozen: Layout;
  /** Whether the threads have the parameters that never change. */
  private shared = false;
  /** Whether the weights have been used. */
  private begun = false;

  constructor(model: DecoderModel, pool: WorkerPool | undefined, threads: number) {
    this.model = model;
    this.pool = pool;
    this.threads = threads;
    const { trained, frozen } = partition(model.parameters());
    [this.trained, this.frozen] = [layoutOf(trained), layoutOf(frozen)];
  }

  async compute(jobs: readonly MicroBatchJob[]): Promise<StepGradients> {
    const threads = Math.min(this.threads, jobs.length);
    const remote = await this.startRemote(jobs, threads);
    const there = new Map<number, MicroBatchResult>();
    for (const [i, promise] of remote) promise.then(result => there.set(i, result)).catch(() => undefined);
    const sum = new GradientAccumulator();
    const waiting = new Map<number, Map<string, Tensor>>();
    const results: MicroBatchResult[] = [];
    let added = 0;
    const add = (grads: Map<string, Tensor>): void => {
      sum.add(grads);
      tf.dispose([...grads.values()]);
      added++;
    };
    const addRemote = (result: MicroBatchResult): void => {
      results[added] = result;
      add(importGradients(this.trained, this.pool!.gradientsOf(added)));
    };
    /** All whose turn it is. */
    const addWaiting = (): void => {
      for (;;) {
        const [grads, result] = [waiting.get(added), there.get(added)];
        if (grads !== undefined) {
          waiting.delete(added);
          add(grads);
        } else if (result !== undefined) addRemote(result);
        else return;
      }
    };
    try {
      for (let i = 0; i < jobs.length; i += threads) {
        const { grads, result } = await runMicroBatch(this.model, jobs[i]!);
        waiting.set(i, grads);
        results[i] = result;
        if (!this.begun) releaseHostCopies();
        this.begun = true;
        await nextTurn();
        addWaiting();
      }
      for (; added < jobs.length; addWaiting()) addRemote(await remote.get(added)!);
      return { results, grads: sum.take() };
    } catch (error) {
      for (const grads of waiting.values()) tf.dispose([...grads.values()]);
      sum.dispose();
      throw error;
    }
  }

  private async startRemote(
    jobs: readonly MicroBatchJob[],
    threads: number,
  ): Promise<Map<number, Promise<MicroBatchResult>>> {
    const pending = new Map<number, Promise<MicroBatchResult>>();
    const { pool } = this;
    if (pool === undefined) return pending;
    await exportParameters(this.trained, pool.parameters);
    if (!this.shared) await exportParameters(this.frozen, pool.parameters.subarray(this.trained.total));
    this.shared = true;
    const routerStates = this.model.routers.map(router => router.state());
    for (let thread = 1; thread < threads; thread++) {
      const own = jobs
        .map((job, index) => ({ index, job }))
        .filter(({ index }) => index % threads === thread);
      const promises = pool.run(thread - 1, { jobs: own, routerStates });
      own.forEach(({ index }, i) => {
        promises[i]!.catch(() => undefined); // reported where it is awaited
        pending.set(index, promises[i]!);
      });
    }
    return pending;
  }
}
