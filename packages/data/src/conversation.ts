/** Conversations as documents in which only the assistant's turns are to be learned. */
import { SpectraError } from '@spectra/tensor';
import type { TextDocument, TextSpan } from './document.ts';
import type { ChatMessage, ChatTemplate } from './tokenizer/chat-template.ts';

/** A text and its answers, rising and apart from each other. */
export type AnsweredText = Required<Pick<TextDocument, 'text' | 'answers' | 'endMark'>>;

/**
 * A row of a data set, in the forms that TRL takes: `messages` (under `key`); `prompt` and `completion`, both lists of
 * messages or both texts. Texts are taken as they are, without the template, and end with the tokenizer's end mark. Of a
 * completion, what stands in its prompt is not learned. `CORPUS_INVALID` for another form or a row without an answer.
 */
export async function readConversation(
  row: Readonly<Record<string, unknown>>,
  key: string,
  template: () => Promise<ChatTemplate>,
  where: string,
): Promise<AnsweredText> {
  const { prompt, completion } = row;
  const variables = row.tools === undefined || row.tools === null ? {} : { tools: row.tools };
  if (row[key] !== undefined)
    return renderConversation(await template(), messagesOf(row[key], key, where), { variables, where });
  if (typeof prompt === 'string' && typeof completion === 'string') {
    if (completion === '') throw invalid('its completion is empty.', where);
    const text = prompt + completion;
    return { text, answers: [[prompt.length, text.length]], endMark: true };
  }
  if (prompt === undefined || completion === undefined)
    throw invalid(`it has neither "${key}" nor "prompt" and "completion".`, where);
  const before = messagesOf(prompt, 'prompt', where);
  const messages = [...before, ...messagesOf(completion, 'completion', where)];
  return renderConversation(await template(), messages, { from: before.length, variables, where });
}

export interface ConversationOptions {
  /** The first message that may be learned; 0 by default. */
  readonly from?: number;
  readonly variables?: Readonly<Record<string, unknown>>;
  /** Where the messages come from, for errors. */
  readonly where?: string;
}

/**
 * Writes messages by a template and finds the assistant's turns in what it wrote: by the template's `{% generation %}`
 * marks where it has them, else as what each turn adds to the prompt before it. `TOKENIZER_INVALID` for a template that
 * writes a prompt otherwise once there is an answer; `CORPUS_INVALID` where there is nothing to learn.
 */
export function renderConversation(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  { from = 0, variables = {}, where = 'a conversation' }: ConversationOptions = {},
): AnsweredText {
  const options = { addGenerationPrompt: false, variables };
  const text = template.render(messages, options);
  const answered = messages.flatMap(({ role }, i) => (role === 'assistant' && i >= from ? [i] : []));
  if (answered.length === 0) throw invalid('it has no message of the assistant to learn.', where);
  const marked = template.answers?.(messages, options);
  if (marked !== undefined) {
    const earlier = from === 0 ? 0 : template.answers!(messages.slice(0, from), options).length;
    if (marked.length === earlier) throw invalid('the template marks no answer in it.', where);
    return { text, answers: marked.slice(earlier), endMark: false };
  }
  const answers = answered.map((i): TextSpan => {
    const prompt = template.render(messages.slice(0, i), { addGenerationPrompt: true, variables });
    const turn = template.render(messages.slice(0, i + 1), options);
    if (!turn.startsWith(prompt) || !text.startsWith(turn)) throw rewrites(i, where);
    return [prompt.length, turn.length];
  });
  return { text, answers, endMark: false };
}

function messagesOf(value: unknown, key: string, where: string): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0)
    throw invalid(`its "${key}" is no list of messages.`, where);
  for (const [i, message] of (value as unknown[]).entries()) {
    const { role, content } = (message ?? {}) as { role?: unknown; content?: unknown };
    if (typeof role !== 'string' || typeof content !== 'string')
      throw invalid(`message ${i} of its "${key}" has no text under "role" and "content".`, where);
  }
  return value as ChatMessage[];
}

function invalid(message: string, where: string): SpectraError {
  return new SpectraError('CORPUS_INVALID', {
    message,
    where,
    fix: 'Give rows with messages: [{role, content}, …], or with prompt and completion; or leave this one out.',
  });
}

function rewrites(message: number, where: string): SpectraError {
  return new SpectraError('TOKENIZER_INVALID', {
    message: `the chat template writes what comes before message ${message} otherwise once that is there, so its beginning or end is not known.`,
    where,
    fix: 'Put {% generation %} and {% endgeneration %} around the answer in the template, or give another one.',
  });
}
