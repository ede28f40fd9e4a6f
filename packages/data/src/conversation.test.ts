import { TINY_CHAT_TEMPLATE } from '@spectra/testing';
import { describe, expect, it } from 'vitest';
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

  it('refuses marks without a partner', () => {
    const broken = template('{% for m in messages %}{% generation %}{{ m.content }}{% endfor %}');
    expect(() => renderConversation(broken, MESSAGES)).toThrow(
      expect.objectContaining({ code: 'TOKENIZER_INVALID' }),
    );
  });
});

describe('readConversation', () => {
  const read = (row: Record<string, unknown>) => readConversation(row, 'messages', async () => CHATML, 'x:1');

  it('takes messages, prompts with completions, and texts', async () => {
    expect(answersOf(await read({ messages: MESSAGES, id: 3 }))).toHaveLength(2);
    const split = await read({ prompt: MESSAGES.slice(0, 3), completion: MESSAGES.slice(3) });
    expect(answersOf(split)).toEqual(['Hi <|im_start|><|im_end|>\n']);
    expect(await read({ prompt: 'The sky is', completion: ' blue.' })).toEqual({
      text: 'The sky is blue.',
      answers: [[10, 16]],
      endMark: true,
    });
  });

  it('hands tools to the template', async () => {
    const tools = template('{{ tools[0].name }}: {% for m in messages %}{{ m.content }}{% endfor %}');
    const found = await readConversation(
      { messages: MESSAGES.slice(1, 3), tools: [{ name: 'search' }] },
      'messages',
      async () => tools,
      'x:1',
    );
    expect(found.text).toBe('search: HiHello');
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
  ])('refuses %j', async (row, problem) => {
    await expect(read(row)).rejects.toMatchObject({
      code: 'CORPUS_INVALID',
      where: 'x:1',
      message: expect.stringContaining(problem),
    });
  });
});
