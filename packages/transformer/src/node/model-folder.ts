/** A model in a folder: `config.json` and safetensors, as Hugging Face lays them out. */
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openModel, type WrittenFile, writeFileDurably, writeModel } from '@spectra/checkpoint/node';
import { SpectraError } from '@spectra/tensor';
import type { ModelConfig } from '../config.ts';
import { DecoderModel } from '../decoder-model.ts';
import { fromHfConfig, toHfConfig } from '../hf-config.ts';
import { loadModelTensors, type ModelTensorOptions, modelTensorSpecs } from '../model-tensors.ts';

/** Reads and validates a folder's `config.json`. Errors: `FILE_MISSING`, `FILE_BROKEN`, `CONFIG_INVALID`. */
export async function loadModelConfig(folder: string): Promise<ModelConfig> {
  const path = join(folder, 'config.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new SpectraError('FILE_MISSING', {
      message: 'it cannot be read.',
      where: path,
      fix: 'Give the folder of a saved model.',
      cause,
    });
  }
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    throw new SpectraError('FILE_BROKEN', { message: 'it is not JSON.', where: path, cause });
  }
  return fromHfConfig(file, path);
}

/**
 * Loads a folder made by `saveModel` or a Llama checkpoint from Hugging Face (one file or shards; F32, F16, BF16).
 * The caller disposes the model. Errors: those of `loadModelConfig`; `CHECKPOINT_MISSING`, `_BROKEN`, `_MISMATCH`.
 */
export async function loadModel(folder: string): Promise<DecoderModel> {
  const config = await loadModelConfig(folder);
  const store = await openModel(folder);
  try {
    const model = new DecoderModel(config, { uninitialised: true });
    try {
      await loadModelTensors(model, store);
      return model;
    } catch (error) {
      model.dispose();
      throw error;
    }
  } finally {
    await store.close();
  }
}

export interface SaveModelOptions extends ModelTensorOptions {
  /** Tensor bytes per file; 5 GB by default. */
  readonly maxShardBytes?: number;
}

/**
 * Writes `config.json` and the weights with the routers' states into `folder`, which is made if need be; existing
 * files are an error (`FILE_EXISTS`). Returns size and hash of each file.
 */
export async function saveModel(
  model: DecoderModel,
  folder: string,
  options: SaveModelOptions = {},
): Promise<Record<string, WrittenFile>> {
  await mkdir(folder, { recursive: true });
  const { maxShardBytes } = options;
  const json = new TextEncoder().encode(`${JSON.stringify(toHfConfig(model.config), null, 2)}\n`);
  const config = await writeFileDurably(join(folder, 'config.json'), sink => sink.write(json));
  const weights = await writeModel(folder, modelTensorSpecs(model, options), {
    // Hugging Face's loader refuses a file that does not say so
    metadata: { format: 'pt' },
    ...(maxShardBytes === undefined ? {} : { maxShardBytes }),
  });
  return { 'config.json': config, ...weights };
}
