/** Builds everything, runs one forward and backward pass, writes nothing. */
import { groupOf, type ParameterGroup, setBackend } from '@spectra/tensor';
import type { DecoderModel } from '@spectra/transformer';
import * as tf from '@tensorflow/tfjs-core';
import type { TrainerConfig } from '../config/schema.ts';
import { openTrainingData } from '../data/training-data.ts';
import { countParameters } from '../training/freeze.ts';
import { runMicroBatch } from '../training/micro-batch.ts';
import { makeModel, openModelSource } from '../training/model-source.ts';
import { optimizerGroups } from '../training/optimizer.ts';
import { formatBytes, formatCount } from './format.ts';
import { checkPrompts } from './prompts.ts';

export async function dryRun(config: TrainerConfig): Promise<void> {
  const backend = await setBackend(config.backend);
  const source = await openModelSource(config);
  const data = await openTrainingData(config, undefined, source);
  const model = await makeModel(config, source);
  checkPrompts(config, data.tokenizer, model);
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
  const { parameters, trainable } = countParameters(model.parameters());
  const perStep = seconds * Math.ceil(config.train.micro_batches / config.train.workers);
  console.log(
    [
      `backend      ${backend.name}: ${[backend.device, ...backend.features].join(', ')}`,
      `parameters   ${formatCount(parameters)}, ${formatCount(trainable)} of them trained: ${formatBytes(parameters * 4 + trainable * 12)} with gradients and AdamW moments`,
      ...groupLines(config, model),
      `process      ${formatBytes(process.memoryUsage().rss)} resident`,
      `first loss   ${loss.toFixed(4)} nats per token`,
      `micro-batch  ${seconds.toFixed(2)} s; a step of ${config.train.micro_batches} about ${perStep.toFixed(2)} s with ${config.train.workers} workers`,
      `whole run    about ${((perStep * config.train.steps) / 60).toFixed(1)} min for ${config.train.steps} steps`,
    ].join('\n'),
  );
  model.dispose();
}

/** What each group of the optimizer got, so that a pattern that misses is seen. */
function groupLines({ optim }: TrainerConfig, model: DecoderModel): string[] {
  const groups = optimizerGroups(optim);
  if (groups.length === 0) return [];
  const sizes = new Map<ParameterGroup | undefined, number>(groups.map(group => [group, 0]));
  for (const parameter of model.parameters()) {
    const group = groupOf(parameter, groups);
    sizes.set(group, (sizes.get(group) ?? 0) + parameter.variable.size);
  }
  return [...sizes].map(([group, size]) => {
    if (group === undefined) return `  no group   ${formatCount(size)}, learning rate × 1`;
    const { role = 'any role', match, learningRateRatio: ratio = 1 } = group;
    const which = match === undefined ? role : `${role}, ${match}`;
    return `  group ${groups.indexOf(group)}    ${formatCount(size)} (${which}), ${ratio === 0 ? 'frozen' : `learning rate × ${ratio}`}`;
  });
}
