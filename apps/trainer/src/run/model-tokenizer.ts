/** The tokenizer that belongs to a model. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { byteTokenizer, loadTokenizer, openTokenizer, type Tokenizer } from '@spectra/data/node';
import type { ModelPath } from './model-path.ts';

/** That of its run, else the folder's own tokenizer.json, or bytes where there is none. */
export async function modelTokenizer({ model, run }: ModelPath): Promise<Tokenizer> {
  if (run !== undefined) return openTokenizer(run.config.data.tokenizer, model);
  return existsSync(join(model, 'tokenizer.json')) ? loadTokenizer(model) : byteTokenizer();
}
