/** The tokenizer that belongs to a model. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { companionFiles, isTokenizerFile } from '@spectra/checkpoint/node';
import { byteTokenizer, loadTokenizer, openTokenizer, type Tokenizer } from '@spectra/data/node';
import { SpectraError } from '@spectra/tensor';
import { loadModelDescription } from '@spectra/transformer/node';
import type { ModelPath } from './model-path.ts';

/** Rows of a vocabulary of bytes beside those of the bytes: special tokens, and what rounds up to a multiple of 64. */
const MORE_ROWS = 64;

/**
 * That of its run, else the folder's own tokenizer.json, or bytes for a model of bytes: one with no file of a tokenizer and
 * a vocabulary of 256 to 320. `TOKENIZER_INVALID` for any other model without a tokenizer.json: its ids mean something else.
 */
export async function modelTokenizer({ model, run }: ModelPath): Promise<Tokenizer> {
  if (run !== undefined) {
    const { tokenizer } = run.config.data;
    // the checkpoint's copy: the file may have changed since, or be named from another folder
    const copied = tokenizer.kind === 'file' && existsSync(join(model, 'tokenizer.json'));
    return openTokenizer(copied ? { ...tokenizer, kind: 'model' } : tokenizer, model);
  }
  if (existsSync(join(model, 'tokenizer.json'))) return loadTokenizer(model);
  // a chat template writes texts, whatever their tokens are
  const others = Object.keys(await companionFiles(model)).filter(
    name => isTokenizerFile(name) && !/^chat_template\./i.test(name),
  );
  if (others.length > 0)
    throw noTokenizer(`it has ${others.sort().join(', ')}, but no tokenizer.json.`, model);
  const { vocabulary } = (await loadModelDescription(model)).architecture;
  const bytes = byteTokenizer();
  if (vocabulary >= bytes.vocabSize && vocabulary <= bytes.vocabSize + MORE_ROWS) return bytes;
  throw noTokenizer(
    `it has no tokenizer.json, and a vocabulary of ${vocabulary} is not one of bytes.`,
    model,
  );
}

function noTokenizer(message: string, where: string): SpectraError {
  return new SpectraError('TOKENIZER_INVALID', {
    message,
    where,
    fix: "Put the model's tokenizer.json there, made from its other files if it has none; `forward` and `--input` take token ids.",
  });
}
