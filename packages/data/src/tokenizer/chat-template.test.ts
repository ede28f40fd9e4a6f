import { afterEach, describe, expect, it, vi } from 'vitest';
import { chatTemplate } from './chat-template.ts';

const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + eos_token + '\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const MESSAGES = [
  { role: 'user', content: 'What is gravity?' },
  { role: 'assistant', content: 'A pull.' },
];
const RENDERED = '<|im_start|>user\nWhat is gravity?<|im_end|>\n<|im_start|>assistant\nA pull.<|im_end|>\n';

afterEach(() => vi.useRealTimers());

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
    expect(() => strict.render(MESSAGES)).toThrow(
      expect.objectContaining({ where: 'tokenizer_config.json', fix: expect.any(String) }),
    );
    expect(() => strict.render(MESSAGES, { where: 'talk.jsonl:7' })).toThrow(
      expect.objectContaining({
        where: 'talk.jsonl:7',
        message: expect.stringContaining('tokenizer_config.json fails on it: roles must alternate'),
        fix: expect.stringContaining('leave it out'),
      }),
    );
  });

  it('writes the date that it is given, else the local one, in English', () => {
    const source = "\n{% if strftime_now is defined %}{{ strftime_now('%A, %d %b %Y %H:%M:%S') }}{% endif %}";
    const dated = chatTemplate({ chat_template: source });
    expect(dated.render([], { date: '2024-07-26' })).toBe('\nFriday, 26 Jul 2024 00:00:00');
    vi.useFakeTimers({ now: new Date(2025, 2, 1, 23, 4, 5) });
    expect(dated.render([])).toBe('\nSaturday, 01 Mar 2025 23:04:05');
    expect(() => dated.render([], { date: 'today' })).toThrow(expect.objectContaining({ code: 'VALUE' }));
  });
});
