import { tinyChatFiles } from '@spectra/testing';
import { expect, it } from 'vitest';
import { answerEnd } from './answer-end.ts';
import { chatTemplate } from './tokenizer/chat-template.ts';
import { jsonTokenizer } from './tokenizer/json-tokenizer.ts';

const files = tinyChatFiles();
const config = JSON.parse(files['tokenizer_config.json']!) as object;
const tokenizer = jsonTokenizer(JSON.parse(files['tokenizer.json']!) as object, config);
const endOf = (template: string): number | undefined =>
  answerEnd(chatTemplate({ ...config, chat_template: template }), tokenizer);

it('is what the template writes behind an answer, not the token that ends texts', () => {
  expect(answerEnd(chatTemplate(config), tokenizer)).toBe(tokenizer.idOf('<|im_end|>'));
  expect(tokenizer.eos).toBe(tokenizer.idOf('<|end|>'));
});

it('is found behind generation marks, other text and trimmed answers', () => {
  const answer = "{% generation %}{{ messages[-1]['content'] | trim }}{% endgeneration %}";
  expect(endOf(`${answer}{{ '\\n<|im_end|>\\n<|im_start|>' }}`)).toBe(tokenizer.idOf('<|im_end|>'));
  expect(endOf(`<|im_start|>${answer}{{ eos_token }}`)).toBe(tokenizer.eos);
});

it('is none where the template writes none, or no answer', () => {
  expect(endOf("<|im_start|>{{ messages[-1]['content'] }}")).toBeUndefined();
  expect(endOf('<|im_start|>{{ messages | length }}<|im_end|>')).toBeUndefined();
});
