/** Conversations as documents in which only the assistant's turns are to be learned. */
import { SpectraError } from '@spectra/tensor';
import type { TextDocument, TextSpan } from './document.ts';
import { templateValue } from './template-value.ts';
import type { ChatMessage, ChatTemplate } from './tokenizer/chat-template.ts';

/** A text and its answers, rising and apart from each other. */
export type AnsweredText = Required<Pick<TextDocument, 'text' | 'answers' | 'endMark'>>;

/**
 * The day that a template is told when it asks for today's, unless another is given: training text must not follow the
 * clock. It is the one that Llama's templates write by themselves where they cannot ask.
 */
export const CONVERSATION_DATE = '2024-07-26';

export interface RowOptions {
  /** The key of the messages. */
  readonly key: string;
  /** Called for rows of messages only. */
  readonly template: () => ChatTemplate;
  /** Where the row stands, for errors. */
  readonly where: string;
  /** As in `ConversationOptions`. */
  readonly date?: string;
}

/**
 * A row of a data set, in the forms that TRL takes: `messages` (under `key`); `prompt` and `completion`, both lists of
 * messages or both texts. Texts are taken as they are, without the template, and end with the tokenizer's end mark. Of a
 * completion, what stands in its prompt is not learned. Keys that are null count as missing, at any depth.
 * `CORPUS_INVALID` for another form or a row without an answer.
 */
export function readConversation(
  row: Readonly<Record<string, unknown>>,
  { key, template, where, date = CONVERSATION_DATE }: RowOptions,
): AnsweredText {
  const { [key]: messages, prompt, completion, tools } = row;
  const variables = tools === undefined || tools === null ? {} : { tools: templateValue(tools, where) };
  const options = { variables, date, where };
  if (messages !== undefined && messages !== null)
    return renderConversation(template(), messagesOf(messages, key, where), options);
  if (typeof prompt === 'string' && typeof completion === 'string') {
    if (completion === '') throw invalid('its completion is empty.', where);
    const text = prompt + completion;
    return { text, answers: [[prompt.length, text.length]], endMark: true };
  }
  if (prompt === undefined || prompt === null || completion === undefined || completion === null)
    throw invalid(`it has neither "${key}" nor "prompt" and "completion".`, where);
  const before = messagesOf(prompt, 'prompt', where);
  const all = [...before, ...messagesOf(completion, 'completion', where)];
  return renderConversation(template(), all, { from: before.length, ...options });
}

export interface ConversationOptions {
  /** The first message that may be learned; 0 by default. */
  readonly from?: number;
  readonly variables?: Readonly<Record<string, unknown>>;
  /** `YYYY-MM-DD`: the day that the template is told when it asks for today's; `CONVERSATION_DATE` by default. */
  readonly date?: string;
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
  { from = 0, variables = {}, date = CONVERSATION_DATE, where = 'a conversation' }: ConversationOptions = {},
): AnsweredText {
  const options = { addGenerationPrompt: false, variables, date, where };
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
    const prompt = template.render(messages.slice(0, i), { ...options, addGenerationPrompt: true });
    const turn = template.render(messages.slice(0, i + 1), options);
    if (!turn.startsWith(prompt) || !text.startsWith(turn)) throw rewrites(i, where);
    return [prompt.length, turn.length];
  });
  return { text, answers, endMark: false };
}

function messagesOf(value: unknown, key: string, where: string): ChatMessage[] {
  if (!Array.isArray(value) || value.length === 0)
    throw invalid(`its "${key}" is no list of messages.`, where);
  return (value as unknown[]).map((given, i) => {
    const message = templateValue(given ?? {}, where) as Partial<ChatMessage>;
    const { role, content, tool_calls: calls } = message;
    const silent = content === undefined && Array.isArray(calls) && calls.length > 0;
    if (typeof role !== 'string' || (typeof content !== 'string' && !silent))
      throw invalid(`message ${i} of its "${key}" has no text under "role" and "content".`, where);
    return message as ChatMessage;
  });
}

function invalid(message: string, where: string): SpectraError {
  return new SpectraError('CORPUS_INVALID', {
    message,
    where,
    fix: 'Give rows with messages: [{role, content}, …], tool_calls in the place of content where there are some, or with prompt and completion; or leave this one out.',
  });
}

function rewrites(message: number, where: string): SpectraError {
  return new SpectraError('TOKENIZER_INVALID', {
    message: `the chat template writes what comes before message ${message} otherwise once that is there, so its beginning or end is not known.`,
    where,
    fix: 'Put {% generation %} and {% endgeneration %} around the answer in the template, or give another one.',
  });
}
