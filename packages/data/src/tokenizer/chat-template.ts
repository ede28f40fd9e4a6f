/** Chat templates: the Jinja texts by which models write a conversation as one string. */
import { Template } from '@huggingface/jinja';
import { checkValue, SpectraError } from '@spectra/tensor';
import type { TextSpan } from '../document.ts';
import { readMarks, withMarks } from './generation-marks.ts';
import { strftime } from './strftime.ts';

export interface ChatMessage {
  /** `system`, `user`, `assistant`, or another that the template knows. */
  readonly role: string;
  /** May be missing where there are `tool_calls`. */
  readonly content?: string;
  /** What the assistant calls, in the form that the template knows. */
  readonly tool_calls?: readonly unknown[];
}

export interface RenderOptions {
  /** Ends with what an answer begins with; true by default. */
  readonly addGenerationPrompt?: boolean;
  /** Further variables of the template, e.g. `tools`. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** `YYYY-MM-DD`: midnight of that day is what `strftime_now` writes; the clock's time by default. */
  readonly date?: string;
  /** What the conversation is, for errors; by default these name the template only. */
  readonly where?: string;
}

export interface ChatTemplate {
  /** The conversation as one string, special tokens written out. Errors: `TOKENIZER_INVALID`. */
  render(messages: readonly ChatMessage[], options?: RenderOptions): string;
  /**
   * What the template's `{% generation %}` marks enclose, in the string that `render` gives; none for a template without
   * marks. `TOKENIZER_INVALID` if a mark changes what is written.
   */
  answers?(messages: readonly ChatMessage[], options?: RenderOptions): TextSpan[];
}

/**
 * From a parsed `tokenizer_config.json`, whose special tokens the template may name, and the text of a
 * `chat_template.jinja` where the template is in a file of its own. `TOKENIZER_INVALID` if there is no template or it
 * cannot be parsed.
 */
export function chatTemplate(config: object, text?: string, where = 'tokenizer_config.json'): ChatTemplate {
  const source = text ?? configTemplate(config);
  if (source === undefined) {
    throw new SpectraError('TOKENIZER_INVALID', {
      message: 'there is no chat template.',
      where,
      fix: "Take the tokenizer of a model made for conversations, give a chat corpus's `template`, or use plain text.",
    });
  }
  const tokens = specialTokens(config);
  const render = renderer(source, tokens, where);
  const marked = withMarks(source);
  if (marked === undefined) return { render };
  const renderMarked = renderer(marked, tokens, where);
  return {
    render,
    answers(messages, options) {
      const { text, spans } = readMarks(renderMarked(messages, options));
      if (spans !== undefined && text === render(messages, options)) return spans;
      throw new SpectraError('TOKENIZER_INVALID', {
        message: `the generation marks of the chat template of ${where} cannot be followed.`,
        where: options?.where ?? where,
        fix: 'Put {% generation %} and {% endgeneration %} around the text of the answers only.',
      });
    },
  };
}

/**
 * The first statement of every template, for the library's own `strftime_now` reads the clock and the machine's language.
 */
const OWN_DATES = new Template('{% set strftime_now = strftime_given %}').parsed.body;

function renderer(
  source: string,
  tokens: Readonly<Record<string, string>>,
  where: string,
): ChatTemplate['render'] {
  let template: Template;
  try {
    template = new Template(source);
  } catch (cause) {
    throw failed(cause, where);
  }
  template.parsed.body.unshift(...OWN_DATES);
  return (messages, { addGenerationPrompt = true, variables = {}, date, where: row } = {}) => {
    const time = date === undefined ? clock() : midnight(date);
    try {
      return template.render({
        ...tokens,
        strftime_given: (format: string) => strftime(time, format),
        messages,
        add_generation_prompt: addGenerationPrompt,
        ...variables,
      });
    } catch (cause) {
      throw failed(cause, where, row);
    }
  };
}

/** The local date and time, as if it were UTC. */
function clock(): Date {
  const now = new Date();
  return new Date(now.getTime() - 60_000 * now.getTimezoneOffset());
}

function midnight(date: string): Date {
  const time = new Date(`${date}T00:00:00Z`);
  checkValue(!Number.isNaN(time.getTime()), `the date is ${date}, must be YYYY-MM-DD.`, 'chatTemplate');
  return time;
}

function failed(cause: unknown, where: string, row?: string): SpectraError {
  const { message } = cause as Error;
  return new SpectraError('TOKENIZER_INVALID', {
    message:
      row === undefined
        ? `its chat template fails: ${message}`
        : `the chat template of ${where} fails on it: ${message}`,
    where: row ?? where,
    fix:
      row === undefined
        ? 'Give another chat template, or other messages.'
        : 'Change this conversation or leave it out, or give another chat template.',
    cause,
  });
}

/** `chat_template` of a `tokenizer_config.json`: a text, or a list of named ones of which `default` is meant. */
export function configTemplate(config: object): string | undefined {
  const { chat_template: found } = config as { chat_template?: unknown };
  if (typeof found === 'string') return found;
  if (!Array.isArray(found)) return undefined;
  const named = found as readonly { readonly name?: unknown; readonly template?: unknown }[];
  const chosen = named.find(({ name }) => name === 'default')?.template;
  return typeof chosen === 'string' ? chosen : undefined;
}

/** `bos_token` and the like, written as a text or as an object with one. */
function specialTokens(config: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config).flatMap(([key, value]) => {
      if (!key.endsWith('_token')) return [];
      const text =
        typeof value === 'object' && value !== null ? (value as { content?: unknown }).content : value;
      return typeof text === 'string' ? [[key, text]] : [];
    }),
  );
}
