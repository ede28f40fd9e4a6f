/** Runs a model on given ids and writes what it computes, for comparison with other implementations. */
import { rmSync } from 'node:fs';
import { type TensorSpec, tensorSpec, writeFileDurably, writeSafetensors } from '@spectra/checkpoint/node';
import type { Balance } from '@spectra/routing';
import { SpectraError, setBackend } from '@spectra/tensor';
import { type DecoderModel, type ForwardInput, generate } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { checkForwardFile, type ForwardBatch, readForwardFile } from '../run/forward-input.ts';
import { type BackendChoice, resolveModelPath } from '../run/model-path.ts';

interface ForwardOptions {
  readonly input: string;
  readonly out: string;
  readonly balance: Balance;
  readonly generate?: number;
  readonly backend?: BackendChoice;
}

export async function forwardCommand(path: string, options: ForwardOptions): Promise<void> {
  const input = readForwardFile(options.input);
  if (options.generate !== undefined && input.prompt_ids === undefined) {
    throw new SpectraError('USAGE', {
      message: '--generate needs prompt_ids.',
      where: options.input,
      fix: 'Add prompt_ids [B,P].',
    });
  }
  const { model: folder, run } = await resolveModelPath(path);
  await setBackend(options.backend ?? run?.config.backend ?? 'auto');
  const model = await loadModel(folder);
  checkForwardFile(input, model, options.input);
  const { balance } = options;
  const tensors: Record<string, Tensor> = tf.tidy(() => ({
    ...everything(model, input, balance),
    ...(input.padded === undefined ? {} : { 'padded.logits': logitsOf(model, input.padded, balance) }),
  }));
  if (options.generate !== undefined && input.prompt_ids !== undefined) {
    const rows = await generate(model, input.prompt_ids, { maxNewTokens: options.generate, temperature: 0 });
    tensors.generated = tf.tensor2d(
      rows.map(row => [...row.tokens]),
      undefined,
      'int32',
    );
  }
  const specs: TensorSpec[] = Object.entries(tensors).map(([name, tensor]) => tensorSpec(name, tensor));
  await writeWhole(options.out, specs);
  for (const [name, tensor] of Object.entries(tensors)) console.log(`${name} [${tensor.shape.join(', ')}]`);
  tf.dispose(tensors);
  model.dispose();
}

/** What the parts of the model compute, under the names that a reference implementation gives them. */
function everything(model: DecoderModel, batch: ForwardBatch, balance: Balance): Record<string, Tensor> {
  const input = forwardInput(batch, balance);
  const out = model.forward({ ...input, layerOutputs: true });
  const [rows, length] = input.inputIds.shape;
  const named: Record<string, Tensor> = { embeddings: out.embeddings! };
  const routings = [...out.routings];
  for (const [i, layer] of model.layers.entries()) {
    named[`layers.${i}.attn.output`] = out.traces[i]!.attention;
    named[`layers.${i}.mlp.output`] = out.traces[i]!.feedForward;
    named[`layers.${i}.output`] = out.layerOutputs[i]!;
    if (layer.moe === undefined) continue;
    const { indices, weights, probabilities } = routings.shift()!;
    for (const [name, tensor] of Object.entries({ indices, weights, probs: probabilities })) {
      named[`layers.${i}.router.${name}`] = tf.reshape(tensor, [rows, length, tensor.shape[1]]);
    }
  }
  return { ...named, final_norm: out.hidden, logits: masked(out.logits, input.mask) };
}

function logitsOf(model: DecoderModel, batch: ForwardBatch, balance: Balance): Tensor {
  const input = forwardInput(batch, balance);
  return tf.tidy(() => masked(model.forward(input).logits, input.mask));
}

/** Padding has no next token: its logits are written as 0. */
function masked(logits: Tensor3D, mask: Tensor2D | undefined): Tensor {
  return mask === undefined ? logits : tf.mul(logits, tf.expandDims(mask, 2));
}

function forwardInput(
  { input_ids, attention_mask, position_ids }: ForwardBatch,
  balance: Balance,
): ForwardInput {
  return {
    inputIds: tf.tensor2d(input_ids, undefined, 'int32'),
    mask: attention_mask && (tf.tensor2d(attention_mask.map(row => row.map(Number))) as Tensor2D),
    positions: position_ids && tf.tensor2d(position_ids, undefined, 'int32'),
    balance,
  };
}

/** Writes the file or, on a full disk, leaves none; one that is there already stays. */
async function writeWhole(path: string, specs: readonly TensorSpec[]): Promise<void> {
  try {
    await writeFileDurably(path, sink => writeSafetensors(sink, specs));
  } catch (error) {
    if (!(error instanceof SpectraError && error.code === 'FILE_EXISTS')) rmSync(path, { force: true });
    throw error;
  }
}
