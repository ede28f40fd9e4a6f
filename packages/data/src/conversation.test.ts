import { TINY_CHAT_TEMPLATE } from '@spectra/testing';
import { describe, expect, it, vi } from 'vitest';
import { readConversation, renderConversation } from './conversation.ts';
import { type ChatTemplate, chatTemplate } from './tokenizer/chat-template.ts';

const template = (source: string): ChatTemplate => chatTemplate({ chat_template: source });
const CHATML = template(TINY_CHAT_TEMPLATE);
const message = (role: string, content: string) => ({ role, content });
const MESSAGES = [
  message('system', 'Be brief.'),
  message('user', 'Hi'),
  message('assistant', 'Hello'),
  message('user', 'Hello'),
  message('assistant', 'Hi <|im_start|>'),
];
const answersOf = ({ text, answers }: { text: string; answers: readonly (readonly [number, number])[] }) =>
  answers.map(([begin, end]) => text.slice(begin, end));

describe('renderConversation', () => {
  it('finds each answer with what ends it', () => {
    const found = renderConversation(CHATML, MESSAGES);
    expect(found.text).toBe(CHATML.render(MESSAGES, { addGenerationPrompt: false }));
    expect(answersOf(found)).toEqual(['Hello<|im_end|>\n', 'Hi <|im_start|><|im_end|>\n']);
    expect(found.endMark).toBe(false);
    expect(answersOf(renderConversation(CHATML, MESSAGES, { from: 3 }))).toEqual([
      'Hi <|im_start|><|im_end|>\n',
    ]);
  });

  it('takes the whole turn where a template has no prompt for it', () => {
    const bare = template(
      "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}</s>{% endif %}{% endfor %}",
    );
    const found = renderConversation(bare, [message('user', 'a'), message('assistant', 'b')]);
    expect(found.text).toBe('[INST] a [/INST] b</s>');
    expect(answersOf(found)).toEqual([' b</s>']);
  });

  it('follows generation marks, also where a turn changes what stands before it', () => {
    // only the last answer keeps its thoughts
    const thoughtful = (begin: string, end: string): string =>
      `{% for m in messages %}<{{ m.role }}>${begin}{% if m.role == 'assistant' and loop.last %}hm {% endif %}{{ m.content }}${end}\n{% endfor %}`;
    const plain = template(thoughtful('', ''));
    const two = [message('user', 'a'), message('assistant', 'b'), message('assistant', 'c')];
    expect(() => renderConversation(plain, two)).toThrow(
      expect.objectContaining({
        code: 'TOKENIZER_INVALID',
        message: expect.stringContaining('before message 1'),
      }),
    );
    const marks = [
      "{% if m.role == 'assistant' %}{% generation %}{% endif %}",
      "{% if m.role == 'assistant' %}{% endgeneration %}{% endif %}",
    ] as const;
    const marked = template(thoughtful(...marks));
    const found = renderConversation(marked, two);
    expect(found.text).toBe(marked.render(two, { addGenerationPrompt: false }));
    expect(answersOf(found)).toEqual(['b', 'hm c']);
    expect(answersOf(renderConversation(marked, two, { from: 2 }))).toEqual(['hm c']);
  });

  it('writes what the library writes around marks on lines of their own', () => {
    const source = (begin: string, end: string): string =>
      [
        '{% for m in messages %}',
        "  {% if m.role == 'assistant' %}",
        `    ${begin}`,
        '    {{ m.content }}|',
        `    ${end}`,
        '',
        '  {% else %}',
        '    {{- m.content }}',
        '  {% endif %}',
        '{% endfor %}',
      ].join('\n');
    for (const [begin, end] of [
      ['{% generation %}', '{% endgeneration %}'],
      ['{%- generation -%}', '{%- endgeneration %}'],
      ['{% generation -%}', '{%- endgeneration -%}'],
    ] as const) {
      const marked = template(source(begin, end));
      const found = renderConversation(marked, MESSAGES);
      expect(found.text).toBe(marked.render(MESSAGES, { addGenerationPrompt: false }));
      expect(answersOf(found).map(text => text.trim())).toEqual(['Hello|', 'Hi <|im_start|>|']);
    }
  });

  it('writes the same day whenever it is called, or the one that is given', () => {
    const dated = template(
      "{{ strftime_now('%d %b %Y') }}{% for m in messages %}{{ m.content }}{% endfor %}",
    );
    const turns = [message('user', '?'), message('assistant', '!')];
    vi.useFakeTimers({ now: new Date(2031, 0, 1) });
    try {
      expect(renderConversation(dated, turns).text).toBe('26 Jul 2024?!');
      expect(renderConversation(dated, turns, { date: '2025-02-03' }).text).toBe('03 Feb 2025?!');
    } finally {
      vi.useRealTimers();
    }
  });

  it('refuses marks without a partner', () => {
    const broken = template('{% for m in messages %}{% generation %}{{ m.content }}{% endfor %}');
    expect(() => renderConversation(broken, MESSAGES)).toThrow(
      expect.objectContaining({ code: 'TOKENIZER_INVALID' }),
    );
  });
});

describe('readConversation', () => {
  const options = { key: 'messages', template: () => CHATML, where: 'x:1' };
  const read = (row: Record<string, unknown>) => readConversation(row, options);

  it('takes messages, prompts with completions, and texts', () => {
    expect(answersOf(read({ messages: MESSAGES, id: 3 }))).toHaveLength(2);
    const split = read({ prompt: MESSAGES.slice(0, 3), completion: MESSAGES.slice(3) });
    expect(answersOf(split)).toEqual(['Hi <|im_start|><|im_end|>\n']);
    expect(read({ prompt: 'The sky is', completion: ' blue.' })).toEqual({
      text: 'The sky is blue.',
      answers: [[10, 16]],
      endMark: true,
    });
  });

  it('hands tools to the template', () => {
    const tools = template('{{ tools[0].name }}: {% for m in messages %}{{ m.content }}{% endfor %}');
    const row = { messages: MESSAGES.slice(1, 3), tools: [{ name: 'search' }] };
    expect(readConversation(row, { ...options, template: () => tools }).text).toBe('search: HiHello');
  });

  it.each([
    [{ text: 'a' }, 'neither "messages" nor "prompt" and "completion"'],
    [{ messages: 'a' }, 'no list of messages'],
    [{ messages: [] }, 'no list of messages'],
    [{ messages: [{ role: 'user' }] }, 'message 0 of its "messages" has no text'],
    [{ messages: [{ role: 'user', content: [{ type: 'image' }] }] }, 'message 0'],
    [{ messages: [message('user', 'a')] }, 'no message of the assistant'],
    [
      { prompt: [message('assistant', 'a')], completion: [message('user', 'b')] },
      'no message of the assistant',
    ],
    [{ prompt: 'a', completion: '' }, 'completion is empty'],
    [{ prompt: 'a', completion: [message('assistant', 'b')] }, 'no list of messages'],
    [{ messages: [{ role: 'assistant', content: null, tool_calls: [] }] }, 'message 0'],
    [{ messages: null, prompt: 'a', completion: null }, 'neither "messages"'],
  ])('refuses %j', (row, problem) => {
    expect(() => read(row)).toThrow(
      expect.objectContaining({
        code: 'CORPUS_INVALID',
        where: 'x:1',
        message: expect.stringContaining(problem),
      }),
    );
  });

  it('lets tool calls stand in the place of a text, and takes null for missing', () => {
    const calls = template(
      [
        "{% for m in messages %}<{{ m.role }}>{% if 'tool_calls' in m %}",
        '{% for call in m.tool_calls %}{{ call.function | tojson }}{% endfor %}',
        '{% else %}{{ m.content }}{% endif %}</>{% endfor %}',
        '{% if add_generation_prompt %}<assistant>{% endif %}',
      ].join(''),
    );
    const messages = [
      { ...message('user', 'How warm?'), tool_calls: null },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ type: 'function', function: { name: 'warmth', arguments: { days: 2n, unit: null } } }],
      },
      { ...message('tool', '21'), tool_calls: null },
      message('assistant', '21 °C'),
    ];
    const found = readConversation(
      { messages, tools: null, prompt: null, completion: null },
      { ...options, template: () => calls },
    );
    expect(answersOf(found)).toEqual(['{"name": "warmth", "arguments": {"days": 2}}</>', '21 °C</>']);
    expect(found.text).toContain('<user>How warm?</>');
    expect(read({ messages: null, prompt: 'a', completion: 'b' }).text).toBe('ab');
    const large = [{ role: 'user', content: 'x', n: 2n ** 60n }];
    expect(() => read({ messages: large })).toThrow(
      expect.objectContaining({
        code: 'CORPUS_INVALID',
        where: 'x:1',
        message: expect.stringContaining('2^53'),
      }),
    );
  });

  it('names the row that a template refuses', () => {
    const strict = template("{{ raise_exception('System role not supported') }}");
    expect(() => readConversation({ messages: MESSAGES }, { ...options, template: () => strict })).toThrow(
      expect.objectContaining({
        code: 'TOKENIZER_INVALID',
        where: 'x:1',
        message: expect.stringContaining('System role not supported'),
        fix: expect.stringContaining('leave it out'),
      }),
    );
  });
});
