import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { byteTokenizer, jsonTokenizer } from '@spectra/data';
import { setBackend } from '@spectra/tensor';
import { tinyChatFiles } from '@spectra/testing';
import { generate } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Sample } from '../evaluation/sample.ts';
import { CommandSpace } from '../testing/command-space.ts';
import { generateCommand } from './generate.ts';

const space = new CommandSpace('generate-command-');
let folder = '';
beforeAll(() => setBackend('wasm'));
beforeEach(() => {
  folder = space.model('qwen3_moe');
  // of which the fixture's own would stop at other tokens
  rmSync(join(folder, 'generation_config.json'), { force: true });
});

const TOKENS = 24;
const flags = { tokens: TOKENS, temperature: 0, topP: 1, seed: 0, backend: 'wasm', json: true } as const;

/** How many tokens the command generates. */
async function generated(prompt: string, chat = false): Promise<number> {
  space.clear();
  await generateCommand(folder, { ...flags, prompt, chat });
  const { tokens } = JSON.parse(space.printed()) as Sample;
  return tokens.filter(token => !token.prompt).length;
}

/** What the model writes greedily after these ids, whatever ends texts. */
async function greedy(ids: readonly number[]): Promise<readonly number[]> {
  const model = await loadModel(folder);
  const [row] = await generate(model, [ids], { maxNewTokens: TOKENS, temperature: 0 });
  model.dispose();
  return row!.tokens;
}

const write = (name: string, value: unknown): void =>
  writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value));

describe('generate', () => {
  it('stops at what the model’s files declare', async () => {
    const tokens = await greedy(byteTokenizer().encode('moby'));
    const third = tokens[2]!;
    const unused = Array.from({ length: 256 }, (_, id) => id).find(id => !tokens.includes(id))!;
    expect(await generated('moby')).toBe(TOKENS);
    write('generation_config.json', { eos_token_id: [unused, third] });
    expect(await generated('moby')).toBe(tokens.indexOf(third) + 1);
    write('generation_config.json', { eos_token_id: unused });
    expect(await generated('moby')).toBe(TOKENS);
  });

  it('stops with --chat at the mark that the template writes behind an answer', async () => {
    const talk = (end: string): string =>
      `{% for m in messages %}<|im_start|>{{ m.content }}${end}{% endfor %}` +
      '{% if add_generation_prompt %}<|im_start|>{% endif %}';
    const json = (name: string, files = tinyChatFiles()) =>
      JSON.parse(files[name]!) as Record<string, unknown>;
    // a special token of its own for one that the model will write, not of the tokenizer's 101 and not its end token
    const tokenizer = jsonTokenizer(json('tokenizer.json'));
    const tokens = await greedy(tokenizer.encode('<|im_start|>Hi<|im_start|>'));
    const id = tokens.find(token => token >= tokenizer.vocabSize)!;
    expect(id).toBeDefined();
    const [mark, ...marks] = json('tokenizer.json').added_tokens as Record<string, unknown>[];
    const added = [mark, ...marks, { ...mark, id, content: '<|stop|>' }];
    write('tokenizer.json', { ...json('tokenizer.json'), added_tokens: added });
    const config = (template: string) => ({ ...json('tokenizer_config.json'), chat_template: template });
    // the same prompt by both: the user's message has no mark behind it
    const behindAnswer = talk("{% if m.role == 'assistant' %}<|stop|>{% endif %}");
    write('tokenizer_config.json', config(talk('')));
    expect(await generated('Hi', true)).toBe(TOKENS);
    write('tokenizer_config.json', config(behindAnswer));
    expect(await generated('Hi', true)).toBe(tokens.indexOf(id) + 1);
    expect(await generated('<|im_start|>Hi<|im_start|>')).toBe(TOKENS);
  });

  it('says what to give in the place of a layer that is not there', async () => {
    await expect(
      generateCommand(folder, { ...flags, prompt: 'a', chat: false, layer: 9 }),
    ).rejects.toMatchObject({
      code: 'USAGE',
      fix: expect.stringContaining('Give one of 0 to'),
    });
  });

  it('says which tokenizer fits where one has too many tokens', async () => {
    const files = tinyChatFiles();
    const tokenizer = JSON.parse(files['tokenizer.json']!) as { added_tokens: object[] };
    const added = [...tokenizer.added_tokens, { ...tokenizer.added_tokens[0], id: 999, content: '<|far|>' }];
    write('tokenizer.json', { ...tokenizer, added_tokens: added });
    await expect(generateCommand(folder, { ...flags, prompt: 'a', chat: false })).rejects.toMatchObject({
      code: 'TOKENIZER_INVALID',
      fix: expect.stringContaining('tokenizer.json'),
    });
  });
});
