/** A model in a folder: `config.json` and safetensors, as Hugging Face lays them out. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConversionDtype, convertedConfig, type WritableDtype } from '@spectra/checkpoint';
import { folderFiles, openModel, type WrittenFile, writeModel } from '@spectra/checkpoint/node';
import { SpectraError } from '@spectra/tensor';
import { DecoderModel } from '../decoder-model.ts';
import type { Family } from '../family.ts';
import { describeModel, type ModelDescription } from '../model-description.ts';
import { loadModelTensors, type ModelTensorOptions, modelTensorSpecs } from '../model-tensors.ts';

export interface LoadModelOptions {
  /** Families of one's own, looked up before the built-in ones. */
  readonly families?: readonly Family[];
}

/**
 * Reads and validates a folder's `config.json`. Errors: `FILE_MISSING`, `FILE_BROKEN`, `CONFIG_INVALID`, and
 * `CHECKPOINT_BROKEN` above 100 MB.
 */
export async function loadModelDescription(
  folder: string,
  options: LoadModelOptions = {},
): Promise<ModelDescription> {
  const path = join(folder, 'config.json');
  const text = await folderFiles(folder).text('config.json');
  if (text === undefined) {
    throw new SpectraError('FILE_MISSING', {
      message: 'there is no such file.',
      where: path,
      fix: 'Give the folder of a saved model.',
    });
  }
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (cause) {
    throw new SpectraError('FILE_BROKEN', { message: 'it is not JSON.', where: path, cause });
  }
  return describeModel(file, { where: path, families: options.families });
}

/**
 * Loads a folder made by `saveModel` or any family's checkpoint: one file or shards, experts one by one or stacked, F32,
 * F16, BF16, FP8 blocks or MXFP4, widened to float32. Memory: the weights and one tensor more. The caller disposes the
 * model. Errors: those of `loadModelDescription`; `CHECKPOINT_MISSING`, `_BROKEN`, `_MISMATCH`.
 */
export async function loadModel(folder: string, options: LoadModelOptions = {}): Promise<DecoderModel> {
  const description = await loadModelDescription(folder, options);
  const store = await openModel(folder);
  try {
    const model = new DecoderModel(description, { uninitialised: true });
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

/** Dtypes that a `config.json` has names for. */
const FLOATS: Partial<Record<WritableDtype, ConversionDtype>> = { F32: 'f32', BF16: 'bf16', F16: 'f16' };

export interface SaveModelOptions extends ModelTensorOptions {
  /** Tensor bytes per file; 5 GB by default. */
  readonly maxShardBytes?: number;
}

/**
 * Writes `config.json`, which says what dtype the weights now have, and the weights with the routers' states into `folder`,
 * which is made if need be; existing files are an error, and what was written until then is removed (`FILE_EXISTS`). Returns size and hash of each file.
 */
export async function saveModel(
  model: DecoderModel,
  folder: string,
  options: SaveModelOptions = {},
): Promise<Record<string, WrittenFile>> {
  await mkdir(folder, { recursive: true });
  const { maxShardBytes } = options;
  const stored = convertedConfig(model.description.config, FLOATS[options.dtype ?? 'F32']);
  return writeModel(folder, modelTensorSpecs(model, options), {
    // Hugging Face's loader refuses a file that does not say so
    metadata: { format: 'pt' },
    texts: { 'config.json': `${JSON.stringify(stored, null, 2)}\n` },
    ...(maxShardBytes === undefined ? {} : { maxShardBytes }),
  });
}
