/** The demo's language model: a step of its training as the trainer takes it, and one token of decoding. */

import { fileURLToPath } from 'node:url';
import type { TrainStream } from '@spectra/data';
import { freshModel, loadConfig, Trainer, type TrainerConfig } from '@spectra/trainer';
import { DecoderModel, disposeCache, emptyCache } from '@spectra/transformer';
import * as tf from '@tensorflow/tfjs-core';
import type { Arrays } from '../../arrays.ts';
import type { Params } from '../../protocol.ts';
import type { Work } from '../serve.ts';
import { tensorOf } from '../tape.ts';
import { fill } from './parameters.ts';

const DEMO = fileURLToPath(new URL('../../../configs/demo.yaml', import.meta.url));

/** Losses that are compared with the other sides: of the weights given, and after an update. */
const COMPARED_STEPS = 2;

function demoConfig(params: Params): TrainerConfig {
  const { recurrence, selection, batch, length, layers, microBatches, workers } = params;
  return loadConfig(DEMO, [
    `model.num_hidden_layers=${layers}`,
    `model.moe.router.recurrence=${recurrence}`,
    `model.moe.router.selection=${selection}`,
    `data.batch=${batch}`,
    `data.length=${length}`,
    `train.micro_batches=${microBatches}`,
    `train.workers=${workers ?? 1}`,
    'optim.schedule={kind: constant, warmup_steps: 0}',
  ]);
}

export async function trainStepWork(params: Params, inputs: Arrays): Promise<Work> {
  const [batch, length] = [params.batch as number, params.length as number];
  const size = batch * length;
  const microBatch = (i: number) => ({
    batch,
    length,
    inputIds: inputs.ids!.data.slice(i * size, (i + 1) * size) as Int32Array,
    targets: inputs.targets!.data.slice(i * size, (i + 1) * size) as Int32Array,
    weights: new Float32Array(size).fill(1),
    documents: new Int32Array(size),
  });
  const batches = Array.from({ length: params.microBatches as number }, (_, i) => microBatch(i));
  const stream = { take: () => Promise.resolve(batches) } as unknown as TrainStream;
  const trainer = await Trainer.create(demoConfig(params), stream);
  fill(trainer.model.parameters(), inputs);
  return {
    run: () => trainer.trainStep(),
    async outputs() {
      const losses = new Float32Array(COMPARED_STEPS);
      for (let i = 0; i < COMPARED_STEPS; i++) losses[i] = (await trainer.trainStep()).loss;
      return { losses: { shape: [COMPARED_STEPS], data: losses } };
    },
    dispose: () => trainer.dispose(),
  };
}

/** One token after `context` others, whose cache is kept: every run computes the same. */
export function decodeWork(params: Params, inputs: Arrays): Work {
  const model = new DecoderModel(freshModel(demoConfig(params)));
  fill(model.parameters(), inputs);
  for (const [i, router] of model.routers.entries()) {
    const { state_mean: mean, state_price: price } = layerState(inputs, i);
    const ones = { shape: [3], data: Float32Array.of(1, 1, 1) };
    router.loadState({ ...router.state(), counts: ones, mean: mean!, price_average: price! });
  }
  const prompt = tensorOf(inputs.prompt!) as tf.Tensor2D;
  const token = tensorOf(inputs.token!) as tf.Tensor2D;
  const filled = model.forward({ inputIds: prompt, cache: emptyCache(), logits: 'none' });
  const { cache, ...rest } = filled;
  tf.dispose([prompt, rest as unknown as tf.TensorContainer]);
  // the next cache goes with the tidy
  const next = async (): Promise<Float32Array> => {
    const logits = tf.tidy(
      () => model.forward({ inputIds: token, cache: cache!, logits: 'last' }).logits as tf.Tensor,
    );
    const values = await logits.data<'float32'>();
    logits.dispose();
    return values;
  };
  return {
    run: next,
    async outputs() {
      const values = await next();
      return { logits: { shape: [values.length], data: values } };
    },
    dispose: () => {
      disposeCache(cache!);
      token.dispose();
      model.dispose();
    },
  };
}

function layerState(inputs: Arrays, layer: number): Arrays {
  const prefix = `layers.${layer}.`;
  return Object.fromEntries(
    Object.entries(inputs)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, array]) => [name.slice(prefix.length), array]),
  );
}
