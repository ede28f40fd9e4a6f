import { byteTokenizer } from '@spectra/data';
import { setBackend } from '@spectra/tensor';
import { DecoderModel } from '@spectra/transformer';
import { expect, it } from 'vitest';
import { checkPrompts } from './prompts.ts';

it('refuses a prompt that learned positions cannot hold', async () => {
  await setBackend('wasm');
  const model = (positions: 'learned' | 'rotary') =>
    new DecoderModel({
      vocab_size: 256,
      hidden_size: 16,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      max_position_embeddings: 4,
      positions,
    });
  const sample = { prompts: ['abcd', '', 'abcde'], tokens: 9, temperature: 1, top_p: 1 };
  const [learned, rotary] = [model('learned'), model('rotary')];
  expect(() => checkPrompts({ sample }, byteTokenizer(), learned)).toThrow(
    'it has 5 tokens, the model 4 positions',
  );
  checkPrompts({ sample: { ...sample, prompts: ['abcd', ''] } }, byteTokenizer(), learned);
  checkPrompts({ sample }, byteTokenizer(), rotary);
  learned.dispose();
  rotary.dispose();
});
