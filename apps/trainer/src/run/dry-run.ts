/** Builds everything, runs one forward and backward pass, writes nothing. */
import { setBackend } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { TrainerConfig } from '../config/schema.ts';
import { openTrainingData } from '../data/training-data.ts';
import { buildModel } from '../training/build-model.ts';
import { runMicroBatch } from '../training/micro-batch.ts';
import { formatBytes, formatCount } from './format.ts';

export async function dryRun(config: TrainerConfig): Promise<void> {
  const backend = await setBackend(config.backend);
  const data = await openTrainingData(config);
  const model = buildModel(config);
  const [tokens] = await data.stream.take(1);
  const weightSum = tokens!.weights.reduce((a, b) => a + b, 0);
  const job = { tokens: tokens!, step: 0, balance: config.train.balance, weightSum, share: 1 };
  let [seconds, loss] = [0, 0];
  for (let i = 0; i < 2; i++) {
    // the first pass also compiles
    const began = performance.now();
    const { grads, result } = await runMicroBatch(model, job);
    tf.dispose([...grads.values()]);
    seconds = (performance.now() - began) / 1000;
    loss = result.taskLoss;
  }
  const parameters = model.parameters().reduce((sum, p) => sum + p.variable.size, 0);
  const perStep = seconds * Math.ceil(config.train.micro_batches / config.train.workers);
  console.log(
    [
      `backend      ${backend.name}: ${[backend.device, ...backend.features].join(', ')}`,
      `parameters   ${formatCount(parameters)}, ${formatBytes(parameters * 16)} with gradients and AdamW moments`,
      `process      ${formatBytes(process.memoryUsage().rss)} resident`,
      `first loss   ${loss.toFixed(4)} nats per token`,
      `micro-batch  ${seconds.toFixed(2)} s; a step of ${config.train.micro_batches} about ${perStep.toFixed(2)} s with ${config.train.workers} workers`,
      `whole run    about ${((perStep * config.train.steps) / 60).toFixed(1)} min for ${config.train.steps} steps`,
    ].join('\n'),
  );
  model.dispose();
}
