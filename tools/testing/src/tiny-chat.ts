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

/** `tokenizer.json` and `tokenizer_config.json` as texts, to be written beside a model. */
export function tinyChatFiles(template = TINY_CHAT_TEMPLATE): Record<string, string> {
  const vocab = Object.fromEntries([...MARKS, ...TOKENS].map((token, id) => [token, id]));
  const added = MARKS.map((content, id) => ({
    id,
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
    post_processor: null,
    decoder: byteLevel,
    model: { type: 'BPE', vocab, merges: [['t', 'h']], unk_token: null },
  };
  const config = { eos_token: '<|end|>', chat_template: template };
  return { 'tokenizer.json': JSON.stringify(tokenizer), 'tokenizer_config.json': JSON.stringify(config) };
}
