/** Runs a model on given ids and writes what it computes, for comparison with other implementations. */
import { readFileSync, rmSync } from 'node:fs';
import { type TensorSpec, tensorSpec, writeFileDurably, writeSafetensors } from '@spectra/checkpoint/node';
import type { Balance } from '@spectra/routing';
import { SpectraError, setBackend } from '@spectra/tensor';
import { generate } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { z } from 'zod';
import { type BackendChoice, resolveModelPath } from '../run/model-path.ts';

interface ForwardOptions {
  readonly input: string;
  readonly out: string;
  readonly balance: Balance;
  readonly generate?: number;
  readonly backend?: BackendChoice;
}

const rows = z.array(z.array(z.int().nonnegative()).min(1)).min(1);
const inputSchema = z
  .object({
    input_ids: rows,
    attention_mask: z.array(z.array(z.union([z.literal(0), z.literal(1), z.boolean()]))).optional(),
    position_ids: rows.optional(),
    prompt_ids: rows.optional(),
  })
  .superRefine((input, context) => {
    const width = input.input_ids[0]!.length;
    for (const key of ['input_ids', 'attention_mask', 'position_ids'] as const) {
      const given = input[key];
      if (
        given !== undefined &&
        (given.length !== input.input_ids.length || given.some(row => row.length !== width))
      ) {
        context.addIssue({
          code: 'custom',
          path: [key],
          message: `must be ${input.input_ids.length} rows of ${width}, as the first of input_ids`,
        });
      }
    }
  });

export async function forwardCommand(path: string, options: ForwardOptions): Promise<void> {
  const input = readInput(options.input);
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
  checkRange(input.input_ids, model.config.vocab_size, 'input_ids', options.input);
  checkRange(input.prompt_ids ?? [], model.config.vocab_size, 'prompt_ids', options.input);
  checkRange(input.position_ids ?? [], model.config.max_position_embeddings, 'position_ids', options.input);
  const tensors: Record<string, Tensor> = tf.tidy(() => {
    const out = model.forward({
      inputIds: tf.tensor2d(input.input_ids, undefined, 'int32'),
      mask:
        input.attention_mask && (tf.tensor2d(input.attention_mask.map(row => row.map(Number))) as Tensor2D),
      positions: input.position_ids && tf.tensor2d(input.position_ids, undefined, 'int32'),
      balance: options.balance,
      layerOutputs: true,
    });
    const moeLayers = model.layers.flatMap((layer, i) => (layer.moe === undefined ? [] : [i]));
    return {
      logits: out.logits,
      ...Object.fromEntries(out.layerOutputs.map((tensor, i) => [`layers.${i}.output`, tensor])),
      ...Object.fromEntries(
        out.routings.flatMap(({ indices, weights, probabilities }, i) => {
          const prefix = `layers.${moeLayers[i]}.router`;
          return [
            [`${prefix}.indices`, indices],
            [`${prefix}.weights`, weights],
            [`${prefix}.probs`, probabilities],
          ];
        }),
      ),
    };
  });
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

/** Writes the file or, on a full disk, leaves none; one that is there already stays. */
async function writeWhole(path: string, specs: readonly TensorSpec[]): Promise<void> {
  try {
    await writeFileDurably(path, sink => writeSafetensors(sink, specs));
  } catch (error) {
    if (!(error instanceof SpectraError && error.code === 'FILE_EXISTS')) rmSync(path, { force: true });
    throw error;
  }
}

/** tfjs's backends differ in what they make of an index out of range. */
function checkRange(rows: readonly (readonly number[])[], limit: number, key: string, where: string): void {
  const wrong = rows.flat().find(value => value >= limit);
  if (wrong !== undefined)
    throw new SpectraError('USAGE', { message: `${key} holds ${wrong}, it must be below ${limit}.`, where });
}

function readInput(path: string): z.infer<typeof inputSchema> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SpectraError('FILE_MISSING', {
      message: 'the input cannot be read.',
      where: path,
      fix: 'Check the path.',
      cause,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SpectraError('FILE_BROKEN', {
      message: `it is not JSON: ${(cause as Error).message}`,
      where: path,
      cause,
    });
  }
  const parsed = inputSchema.safeParse(value);
  if (!parsed.success)
    throw new SpectraError('USAGE', {
      message: parsed.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`).join('; '),
      where: path,
    });
  return parsed.data;
}
