/** Runs a model on given ids and writes what it computes, for comparison with other implementations. */
import { readFileSync } from 'node:fs';
import { type TensorSpec, tensorSpec, writeFileDurably, writeSafetensors } from '@spectra/checkpoint/node';
import type { Balance } from '@spectra/routing';
import { setBackend, SpectraError } from '@spectra/tensor';
import { generate } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { resolveModelPath } from '../run/model-path.ts';

interface ForwardOptions {
  readonly input: string;
  readonly out: string;
  readonly balance: Balance;
  readonly generate?: number;
  readonly backend?: 'auto' | 'wasm' | 'webgpu' | 'tensorflow' | 'cpu';
}

const ids = z.array(z.array(z.int().nonnegative()).min(1)).min(1);
const inputSchema = z.object({
  input_ids: ids,
  attention_mask: z.array(z.array(z.union([z.literal(0), z.literal(1), z.boolean()]))).optional(),
  position_ids: ids.optional(),
  prompt_ids: ids.optional(),
});

export async function forwardCommand(path: string, options: ForwardOptions): Promise<void> {
  const input = readInput(options.input);
  await setBackend(options.backend ?? 'auto');
  const { model: folder } = await resolveModelPath(path);
  const model = await loadModel(folder);
  const tensors: Record<string, Tensor> = tf.tidy(() => {
    const out = model.forward({
      inputIds: tf.tensor2d(input.input_ids, undefined, 'int32'),
      mask: input.attention_mask && (tf.tensor2d(input.attention_mask.map(row => row.map(Number))) as Tensor2D),
      positions: input.position_ids && tf.tensor2d(input.position_ids, undefined, 'int32'),
      balance: options.balance,
      layerOutputs: true,
    });
    const moeLayers = model.layers.flatMap((layer, i) => (layer.moe === undefined ? [] : [i]));
    return {
      logits: out.logits,
      ...Object.fromEntries(out.layerOutputs.map((tensor, i) => [`layers.${i}.output`, tensor])),
      ...Object.fromEntries(out.routings.flatMap(({ indices, weights, probabilities }, i) => {
        const prefix = `layers.${moeLayers[i]}.router`;
        return [[`${prefix}.indices`, indices], [`${prefix}.weights`, weights], [`${prefix}.probs`, probabilities]];
      })),
    };
  });
  if (options.generate !== undefined) {
    if (input.prompt_ids === undefined) {
      throw new SpectraError('USAGE', { message: '--generate needs prompt_ids.', where: options.input, fix: 'Add prompt_ids [B,P].' });
    }
    const rows = await generate(model, input.prompt_ids, { maxNewTokens: options.generate, temperature: 0 });
    tensors['generated'] = tf.tensor2d(rows.map(row => [...row.tokens]), undefined, 'int32');
  }
  const specs: TensorSpec[] = Object.entries(tensors).map(([name, tensor]) => tensorSpec(name, tensor));
  await writeFileDurably(options.out, sink => writeSafetensors(sink, specs));
  for (const [name, tensor] of Object.entries(tensors)) console.log(`${name} [${tensor.shape.join(', ')}]`);
  tf.dispose(tensors);
}

function readInput(path: string): z.infer<typeof inputSchema> {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new SpectraError('FILE_BROKEN', { message: `cannot read ${path} as JSON: ${(cause as Error).message}`, where: path, cause });
  }
  const parsed = inputSchema.safeParse(value);
  if (!parsed.success) throw new SpectraError('USAGE', { message: z.prettifyError(parsed.error), where: path });
  return parsed.data;
}
