/** The program of a worker thread: builds the same model, then computes micro-batches until it is terminated. */
import { parentPort, workerData } from 'node:worker_threads';
import { SpectraError, setBackend } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { buildModel } from './build-model.ts';
import { partition } from './freeze.ts';
import { exportGradients, importParameters, layoutOf } from './layout.ts';
import { runMicroBatch } from './micro-batch.ts';
import { describeExisting } from './model-source.ts';
import type { WorkerReply, WorkerRequest, WorkerSetup } from './worker-pool.ts';

const setup = workerData as WorkerSetup;
const reply = (message: WorkerReply): void => parentPort!.postMessage(message);

try {
  await setBackend(setup.backend as 'wasm');
  const model = buildModel(setup.config, setup.existing && describeExisting(setup.existing, setup.config));
  const { trained, frozen } = partition(model.parameters());
  const [layout, constant] = [layoutOf(trained), layoutOf(frozen)];
  const { trainable } = setup.sizes;
  const parameters = new Float32Array(setup.parameters);
  const gradients = new Float32Array(setup.gradients);

  /** Whether the parameters that never change are here. */
  let complete = false;
  let queue = Promise.resolve();
  parentPort!.on('message', (request: WorkerRequest) => {
    queue = queue.then(() => serve(request)).catch((error: unknown) => reply(failure(error)));
  });

  const serve = async ({ jobs, routerStates }: WorkerRequest): Promise<void> => {
    importParameters(layout, parameters);
    if (!complete) importParameters(constant, parameters.subarray(trainable));
    complete = true;
    for (const [i, router] of model.routers.entries()) router.loadState(routerStates[i]!);
    for (const { index, job } of jobs) {
      const { grads, result } = await runMicroBatch(model, job);
      await exportGradients(layout, grads, gradients.subarray(index * trainable, (index + 1) * trainable));
      tf.dispose([...grads.values()]);
      reply({ kind: 'done', index, result });
    }
  };
  reply({ kind: 'ready' });
} catch (error) {
  reply(failure(error));
}

function failure(error: unknown): WorkerReply {
  if (error instanceof SpectraError) return { kind: 'failed', code: error.code, message: error.message };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { kind: 'failed', code: 'WORKER_FAILED', message };
}
