/**
 * Threads that compute micro-batches. Parameters go out and gradients come back through shared memory, one slot of
 * gradients per micro-batch; everything else is small and goes by message. The threads keep no state of their own.
 */
import { Worker } from 'node:worker_threads';
import type { RouterState } from '@spectra/routing';
import { type ErrorCode, SpectraError } from '@spectra/tensor';
import type { Json } from '@spectra/transformer';
import type { TrainerConfig } from '../config/schema.ts';
import type { ParameterCount } from './freeze.ts';
import type { MicroBatchJob, MicroBatchResult } from './micro-batch.ts';

export interface WorkerSetup {
  readonly config: TrainerConfig;
  /** The `config.json` of a model that exists. */
  readonly existing: Json | undefined;
  readonly backend: string;
  readonly sizes: ParameterCount;
  /** Those that train come first. */
  readonly parameters: SharedArrayBuffer;
  /** Of those that train. */
  readonly gradients: SharedArrayBuffer;
}

export interface PoolOptions extends Pick<WorkerSetup, 'config' | 'existing' | 'backend' | 'sizes'> {
  /** Micro-batches of a step. */
  readonly slots: number;
}

export interface WorkerRequest {
  readonly jobs: readonly { readonly index: number; readonly job: MicroBatchJob }[];
  readonly routerStates: readonly RouterState[];
}

export type WorkerReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly index: number; readonly result: MicroBatchResult }
  | { readonly kind: 'failed'; readonly code: ErrorCode; readonly message: string };

export class WorkerPool {
  readonly parameters: Float32Array;
  private readonly gradients: Float32Array;
  private readonly trainable: number;
  private readonly threads: readonly Worker[];
  private readonly waiting = new Map<
    number,
    { resolve: (result: MicroBatchResult) => void; reject: (error: Error) => void }
  >();
  private failure: Error | undefined;
  private stopping = false;

  private constructor(setup: WorkerSetup, threads: readonly Worker[]) {
    this.parameters = new Float32Array(setup.parameters);
    this.gradients = new Float32Array(setup.gradients);
    this.trainable = setup.sizes.trainable;
    this.threads = threads;
  }

  /** Starts `count` threads and waits until each has built its model. */
  static async start(count: number, { slots, ...options }: PoolOptions): Promise<WorkerPool> {
    const { parameters, trainable } = options.sizes;
    const setup: WorkerSetup = {
      ...options,
      parameters: new SharedArrayBuffer(parameters * 4),
      gradients: new SharedArrayBuffer(slots * trainable * 4),
    };
    const threads = Array.from({ length: count }, () => spawnWorker(setup));
    const pool = new WorkerPool(setup, threads);
    try {
      await Promise.all(threads.map(thread => pool.attach(thread)));
    } catch (error) {
      await pool.stop();
      throw error;
    }
    return pool;
  }

  /** Sends jobs to a thread; each promise resolves when that micro-batch's gradients are in its slot. */
  run(thread: number, request: WorkerRequest): Promise<MicroBatchResult>[] {
    if (this.failure !== undefined) return request.jobs.map(() => Promise.reject(this.failure));
    const results = request.jobs.map(
      ({ index }) =>
        new Promise<MicroBatchResult>((resolve, reject) => this.waiting.set(index, { resolve, reject })),
    );
    this.threads[thread]!.postMessage(request);
    return results;
  }

  /** The gradients of a finished micro-batch, in the layout's order; valid until that slot is used again. */
  gradientsOf(index: number): Float32Array {
    return this.gradients.subarray(index * this.trainable, (index + 1) * this.trainable);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.threads.map(thread => thread.terminate()));
  }

  private attach(thread: Worker): Promise<void> {
    return new Promise((ready, refuse) => {
      const fail = (message: string, code: ErrorCode = 'WORKER_FAILED', cause?: unknown): void => {
        this.failure ??= new SpectraError(code, {
          message,
          where: `thread ${thread.threadId}`,
          cause,
        });
        refuse(this.failure);
        for (const { reject } of this.waiting.values()) reject(this.failure);
        this.waiting.clear();
      };
      thread.on('message', (reply: WorkerReply) => {
        if (reply.kind === 'ready') ready();
        else if (reply.kind === 'failed') fail(reply.message, reply.code);
        else {
          this.waiting.get(reply.index)?.resolve(reply.result);
          this.waiting.delete(reply.index);
        }
      });
      thread.on('error', error => fail(String(error), 'WORKER_FAILED', error));
      thread.on('exit', code => {
        if (!this.stopping) fail(`a worker thread ended with code ${code}.`);
      });
    });
  }
}

/** From source Node strips the types and needs the workspace's condition; built, the file stands beside this one. */
function spawnWorker(workerData: WorkerSetup): Worker {
  const fromSource = import.meta.url.endsWith('.ts');
  return fromSource
    ? new Worker(new URL('./worker.ts', import.meta.url), {
        workerData,
        execArgv: ['--conditions=@spectra/source', '--disable-warning=ExperimentalWarning'],
      })
    : new Worker(new URL('./worker.js', import.meta.url), { workerData });
}
