/** The mark by which a model says that its answer is done. */
import { CONVERSATION_DATE } from './conversation.ts';
import type { ChatTemplate } from './tokenizer/chat-template.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

const ANSWER = 'Here is my answer';
const TALK = [
  { role: 'user', content: 'Hello' },
  { role: 'assistant', content: ANSWER },
];

/**
 * The first special token that the template writes behind an assistant's answer; undefined if it writes none, and so
 * leaves the end to the tokenizer's `eos`. `TOKENIZER_INVALID` if the template cannot write an answer.
 */
export function answerEnd(template: ChatTemplate, tokenizer: Tokenizer): number | undefined {
  const text = template.render(TALK, { addGenerationPrompt: false, date: CONVERSATION_DATE });
  const at = text.lastIndexOf(ANSWER);
  if (at < 0) return undefined;
  return tokenizer.encode(text.slice(at + ANSWER.length)).find(id => tokenizer.special?.has(id));
}
