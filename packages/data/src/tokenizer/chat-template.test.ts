import { describe, expect, it } from 'vitest';
import { chatTemplate } from './chat-template.ts';

const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + eos_token + '\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const MESSAGES = [
  { role: 'user', content: 'What is gravity?' },
  { role: 'assistant', content: 'A pull.' },
];
const RENDERED = '<|im_start|>user\nWhat is gravity?<|im_end|>\n<|im_start|>assistant\nA pull.<|im_end|>\n';

describe('chatTemplate', () => {
  it('writes a conversation with the special tokens of the config', () => {
    const template = chatTemplate({ chat_template: CHATML, eos_token: '<|im_end|>' });
    expect(template.render(MESSAGES)).toBe(`${RENDERED}<|im_start|>assistant\n`);
    expect(template.render(MESSAGES, { addGenerationPrompt: false })).toBe(RENDERED);
  });
  it('takes tokens written as objects, templates in a file of their own and the default of several', () => {
    const eos = { eos_token: { content: '<|im_end|>', lstrip: false } };
    const several = [
      { name: 'tool_use', template: 'no' },
      { name: 'default', template: CHATML },
    ];
    for (const template of [chatTemplate(eos, CHATML), chatTemplate({ ...eos, chat_template: several })]) {
      expect(template.render(MESSAGES, { addGenerationPrompt: false })).toBe(RENDERED);
    }
  });
  it('passes further variables on', () => {
    const template = chatTemplate({ chat_template: '{{ tools[0].name }}' });
    expect(template.render([], { variables: { tools: [{ name: 'search' }] } })).toBe('search');
  });
  it('names a template that is missing, broken or refuses', () => {
    const invalid = expect.objectContaining({ code: 'TOKENIZER_INVALID' });
    expect(() => chatTemplate({})).toThrow(invalid);
    expect(() => chatTemplate({ chat_template: '{% for' })).toThrow(invalid);
    const strict = chatTemplate({ chat_template: "{{ raise_exception('roles must alternate') }}" });
    expect(() => strict.render(MESSAGES)).toThrow('roles must alternate');
  });
});
