/** One micro-batch: forward, backward, and everything the optimizer step needs to know of it. */
import type { Balance, HostStatistics } from '@spectra/routing';
import { readTensors, valueAndGrads } from '@spectra/tensor';
import { type DecoderModel, type LossInput, type LossOutput, languageModelLoss } from '@spectra/transformer';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { drawNoise, type EmbeddingNoise } from './embedding-noise.ts';

/** Token arrays of one micro-batch, row-major [batch, length]. */
export interface TokenArrays {
  readonly batch: number;
  readonly length: number;
  readonly inputIds: Int32Array;
  readonly targets: Int32Array;
  /** 1 where the target counts, 0 at padding and across documents. */
  readonly weights: Float32Array;
  /** Document of each token within its row; −1 at padding. */
  readonly documents: Int32Array;
}

export interface MicroBatchJob {
  readonly tokens: TokenArrays;
  /** Optimizer steps done so far. */
  readonly step: number;
  readonly balance: Balance;
  /** Sum of the weights over all micro-batches of the step: the task loss is a mean over it. */
  readonly weightSum: number;
  /** 1 / number of micro-batches: the share of the router losses. */
  readonly share: number;
  /** Of the embeddings; none by default. */
  readonly noise?: EmbeddingNoise | undefined;
}

export interface LayerResult {
  readonly statistics: HostStatistics;
  readonly load: Int32Array;
  /** Unweighted router losses by name. */
  readonly losses: Readonly<Record<string, number>>;
}

export interface MicroBatchResult {
  /** Task loss as its part of the step's mean, in nats. */
  readonly taskLoss: number;
  /** Weighted router losses as their part of the step's mean. */
  readonly routerLoss: number;
  /** One per mixture-of-experts layer. */
  readonly layers: readonly LayerResult[];
}

/** Gradients by parameter name (owned by the caller) and the result, read back. */
export async function runMicroBatch(
  model: DecoderModel,
  job: MicroBatchJob,
): Promise<{ grads: Map<string, Tensor>; result: MicroBatchResult }> {
  const kept: Record<string, Tensor> = {};
  const { grads, value } = valueAndGrads(() => totalLoss(model, job, kept), model.parameters());
  value.dispose();
  return { grads, result: await readBack(kept) };
}

/** The result alone: nothing is kept for a backward pass. */
export async function observeMicroBatch(model: DecoderModel, job: MicroBatchJob): Promise<MicroBatchResult> {
  const kept: Record<string, Tensor> = {};
  tf.tidy(() => totalLoss(model, job, kept)).dispose();
  return readBack(kept);
}

/** Task and router losses as their part of the step's; puts what `readBack` reads into `kept`. */
function totalLoss(model: DecoderModel, job: MicroBatchJob, kept: Record<string, Tensor>): Scalar {
  const keep = (name: string, tensor: Tensor): void => {
    kept[name] = tf.keep(tensor.clone());
  };
  const { tokenLosses, routerLoss, routings } = lossOf(model, job.tokens, {
    balance: job.balance,
    training: true,
    step: job.step,
    ...(job.noise === undefined ? {} : { embeddingNoise: noiseTensor(model, job.tokens, job.noise) }),
  });
  const task = tokenLosses.sum().div(job.weightSum);
  const router = routerLoss.mul(job.share);
  keep('task', task);
  keep('router', router);
  routings.forEach((routing, layer) => {
    keep(`${layer}/load`, routing.load);
    for (const [name, loss] of Object.entries(routing.losses)) keep(`${layer}/loss/${name}`, loss);
    for (const [name, tensor] of Object.entries(routing.statistics))
      keep(`${layer}/statistics/${name}`, tensor);
  });
  return task.add(router) as Scalar;
}

/** Disposes what it reads. */
async function readBack(kept: Record<string, Tensor>): Promise<MicroBatchResult> {
  const shapes = Object.fromEntries(Object.entries(kept).map(([name, tensor]) => [name, tensor.shape]));
  const host = await readTensors(kept);
  tf.dispose(kept);
  const layers = Object.keys(host).filter(name => /^\d+\/load$/.test(name)).length;
  return {
    taskLoss: host.task![0]!,
    routerLoss: host.router![0]!,
    layers: Array.from({ length: layers }, (_, layer) => layerResult(host, shapes, layer)),
  };
}

function noiseTensor(model: DecoderModel, tokens: TokenArrays, noise: EmbeddingNoise): tf.Tensor3D {
  const { hidden } = model.architecture;
  return tf.tensor3d(drawNoise(tokens, hidden, noise), [tokens.batch, tokens.length, hidden]);
}

/** Forward pass and loss of token arrays; call inside a `tidy` or on the tape. */
export function lossOf(
  model: DecoderModel,
  tokens: TokenArrays,
  options: Pick<LossInput, 'training' | 'step' | 'layerOutputs' | 'embeddingNoise'> & {
    readonly balance: Balance;
  },
): LossOutput {
  const shape: [number, number] = [tokens.batch, tokens.length];
  const padded = tokens.documents.some(d => d < 0);
  return languageModelLoss(model, {
    inputIds: tf.tensor2d(tokens.inputIds, shape, 'int32'),
    targets: tf.tensor2d(tokens.targets, shape, 'int32'),
    weights: tf.tensor2d(tokens.weights, shape),
    documents: tf.tensor2d(
      tokens.documents.map(d => Math.max(d, 0)),
      shape,
      'int32',
    ),
    ...(padded ? { mask: tf.tensor2d(maskOf(tokens), shape) } : {}),
    ...options,
  });
}

/** 1 for a token, 0 for padding. */
export function maskOf(tokens: TokenArrays): Float32Array {
  return Float32Array.from(tokens.documents, d => (d < 0 ? 0 : 1));
}

type Host = Awaited<ReturnType<typeof readTensors>>;

function layerResult(host: Host, shapes: Record<string, number[]>, layer: number): LayerResult {
  const under = (folder: string): [string, string][] =>
    Object.keys(host)
      .filter(key => key.startsWith(`${layer}/${folder}/`))
      .map(key => [key, key.slice(`${layer}/${folder}/`.length)]);
  return {
    load: host[`${layer}/load`] as Int32Array,
    losses: Object.fromEntries(under('loss').map(([key, name]) => [name, host[key]![0]!])),
    statistics: Object.fromEntries(
      under('statistics').map(([key, name]) => [
        name,
        { shape: shapes[key]!, data: host[key] as Float32Array | Int32Array },
      ]),
    ),
  };
}
