/** A tokenizer of 101 tokens with a chat template, for models of the fixtures' vocabulary of 256. */

const MARKS = ['<|end|>', '<|im_start|>', '<|im_end|>'];
/** Printable ASCII with GPT-2's stand-ins for blank and line break, and one merge. */
const TOKENS = ['Ċ', 'Ġ', ...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)), 'th'];

/** Writes `<|im_start|>role`, a line break, the text, `<|im_end|>` and a line break for each message. */
export const TINY_CHAT_TEMPLATE = [
  "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}",
  "{{ message.content + '<|im_end|>\n' }}{% endfor %}",
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
].join('');

/** What begins texts, after all other tokens; see `begins`. */
const BEGIN = '<|begin|>';

/**
 * `tokenizer.json` and `tokenizer_config.json` as texts, to be written beside a model. One that `begins` has a token more,
 * `<|begin|>`, which its post-processor puts in front of every text, as Llama's does.
 */
export function tinyChatFiles(
  template = TINY_CHAT_TEMPLATE,
  { begins = false }: { readonly begins?: boolean } = {},
): Record<string, string> {
  const tokens = [...MARKS, ...TOKENS, ...(begins ? [BEGIN] : [])];
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const added = [...MARKS, ...(begins ? [BEGIN] : [])].map(content => ({
    id: vocab[content],
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  }));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const tokenizer = {
    version: '1.0',
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: begins ? { type: 'Sequence', processors: [byteLevel, beginning(vocab[BEGIN]!)] } : null,
    decoder: byteLevel,
    model: { type: 'BPE', vocab, merges: [['t', 'h']], unk_token: null },
  };
  const config = {
    ...(begins ? { bos_token: BEGIN } : {}),
    eos_token: '<|end|>',
    chat_template: template,
  };
  return { 'tokenizer.json': JSON.stringify(tokenizer), 'tokenizer_config.json': JSON.stringify(config) };
}

function beginning(id: number): object {
  const begin = { SpecialToken: { id: BEGIN, type_id: 0 } };
  const text = (name: string) => ({ Sequence: { id: name, type_id: 0 } });
  return {
    type: 'TemplateProcessing',
    single: [begin, text('A')],
    pair: [begin, text('A'), begin, text('B')],
    special_tokens: { [BEGIN]: { id: BEGIN, ids: [id], tokens: [BEGIN] } },
  };
}
