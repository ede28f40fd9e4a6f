/** Chat templates: the Jinja texts by which models write a conversation as one string. */
import { Template } from '@huggingface/jinja';
import { SpectraError } from '@spectra/tensor';
import type { TextSpan } from '../document.ts';
import { readMarks, withMarks } from './generation-marks.ts';

export interface ChatMessage {
  /** `system`, `user`, `assistant`, or another that the template knows. */
  readonly role: string;
  readonly content: string;
}

export interface RenderOptions {
  /** Ends with what an answer begins with; true by default. */
  readonly addGenerationPrompt?: boolean;
  /** Further variables of the template, e.g. `tools`. */
  readonly variables?: Readonly<Record<string, unknown>>;
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
  const source = text ?? templateOf(config);
  if (source === undefined) {
    throw new SpectraError('TOKENIZER_INVALID', {
      message: 'it has no chat_template.',
      where,
      fix: 'Use a model made for conversations, or give plain text.',
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
        message: 'the generation marks of its chat template cannot be followed.',
        where,
        fix: 'Put {% generation %} and {% endgeneration %} around the text of the answers only.',
      });
    },
  };
}

function renderer(
  source: string,
  tokens: Readonly<Record<string, string>>,
  where: string,
): ChatTemplate['render'] {
  const failed = (cause: unknown): SpectraError =>
    new SpectraError('TOKENIZER_INVALID', {
      message: `its chat template fails: ${(cause as Error).message}`,
      where,
      cause,
    });
  let template: Template;
  try {
    template = new Template(source);
  } catch (cause) {
    throw failed(cause);
  }
  return (messages, { addGenerationPrompt = true, variables = {} } = {}) => {
    try {
      return template.render({
        ...tokens,
        messages,
        add_generation_prompt: addGenerationPrompt,
        ...variables,
      });
    } catch (cause) {
      throw failed(cause);
    }
  };
}

/** `chat_template` is a text, or a list of named ones of which `default` is meant. */
function templateOf(config: object): string | undefined {
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
