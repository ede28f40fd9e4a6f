/** A model for the commands that look at one: its weights, tokenizer and, if it has one, its run. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { byteTokenizer, loadTokenizer, openTokenizer, type Tokenizer } from '@spectra/data/node';
import { type BackendName, setBackend } from '@spectra/tensor';
import { type ModelPath, resolveModelPath } from '@spectra/trainer';
import type { DecoderModel } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';

export interface OpenedModel {
  readonly model: DecoderModel;
  readonly tokenizer: Tokenizer;
  readonly path: ModelPath;
  /** Backend and device. */
  readonly device: string;
}

/** A run, a checkpoint or a model folder; the caller disposes the model. */
export async function openModel(path: string, backend: BackendName | 'auto'): Promise<OpenedModel> {
  const found = await resolveModelPath(path);
  const { name, device } = await setBackend(backend);
  const tokenizer =
    found.run !== undefined
      ? await openTokenizer(found.run.config.data.tokenizer, found.model)
      : existsSync(join(found.model, 'tokenizer.json'))
        ? await loadTokenizer(found.model)
        : byteTokenizer();
  return { model: await loadModel(found.model), tokenizer, path: found, device: `${name}: ${device}` };
}
