import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setBackend } from '@spectra/tensor';
import { tinyChatFiles } from '@spectra/testing';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CommandSpace } from '../testing/command-space.ts';
import { evalCommand } from './eval.ts';

const space = new CommandSpace('eval-command-');
let folder = '';
beforeAll(() => setBackend('wasm'));
beforeEach(() => {
  folder = space.model('qwen3_moe');
});

/** Tokens of the held-out text of a configuration that says nothing of tokenizers. */
async function evaluated(): Promise<number> {
  const config = space.path('config.yaml');
  writeFileSync(
    config,
    [
      'name: other',
      'backend: wasm',
      'model: { vocab_size: 256, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2 }',
      'data: { corpora: [{ domain: math, source: math, max_bytes: 20000 }], length: 32, batch: 2, held_out: 0.3 }',
      'train: { eval_tokens: 100000 }',
    ].join('\n'),
  );
  space.clear();
  await evalCommand(folder, { config, backend: 'wasm', json: true, out: space.path('out') });
  const { domains } = JSON.parse(space.printed()) as { domains: { tokens: number }[] };
  return domains[0]!.tokens;
}

describe('eval', () => {
  it('reads text by the tokenizer of the model, not as bytes, which the configuration means by default', async () => {
    const bytes = await evaluated();
    for (const [name, text] of Object.entries(tinyChatFiles())) writeFileSync(join(folder, name), text);
    expect(await evaluated()).not.toBe(bytes);
  });

  it('refuses a model whose tokenizer is not there', async () => {
    writeFileSync(join(folder, 'tokenizer.model'), '');
    await expect(evaluated()).rejects.toMatchObject({ code: 'TOKENIZER_INVALID' });
  });
});
