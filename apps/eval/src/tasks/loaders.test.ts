import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../testing/scratch-folder.ts';
import { detokenise, FORMS, type FormName, loadTask } from './loaders.ts';
import { checkTaskFiles, checkTaskNames, nameOfTask, resolveTask } from './registry.ts';
import type { GenerationTask } from './task.ts';

const folder = scratchFolder();

/** One line of each form, and what becomes of it. */
const LINES: Record<FormName, { line: object; document: object }> = {
  mmlu: {
    line: {
      question: ' What is 2 + 2? ',
      subject: 'abstract_algebra',
      choices: ['3', '4', '5', '6'],
      answer: 1,
    },
    document: {
      context:
        'The following are multiple choice questions (with answers) about abstract algebra.\n\nWhat is 2 + 2?\nA. 3\nB. 4\nC. 5\nD. 6\nAnswer:',
      choices: ['A', 'B', 'C', 'D'],
      answer: 1,
    },
  },
  arc: {
    line: {
      id: 'x',
      question: 'Which is a metal?',
      choices: { text: ['wood', 'iron'], label: ['A', 'B'] },
      answerKey: 'B',
    },
    document: { context: 'Question: Which is a metal?\nAnswer:', choices: ['wood', 'iron'], answer: 1 },
  },
  hellaswag: {
    line: {
      activity_label: 'Baking',
      ctx_a: 'A man stands. [header] He smiles.',
      ctx_b: 'he',
      endings: ['bakes  bread.', '[substeps] runs.'],
      label: '0',
    },
    document: {
      context: 'Baking: A man stands. He smiles. He',
      choices: ['bakes bread.', ' runs.'],
      answer: 0,
    },
  },
  piqa: {
    line: { goal: 'To open a jar', sol1: 'twist it', sol2: 'burn it', label: 0 },
    document: { context: 'Question: To open a jar\nAnswer:', choices: ['twist it', 'burn it'], answer: 0 },
  },
  gsm8k: {
    line: { question: 'How many?', answer: '3 * 400 = 1200\n#### 1,200' },
    document: { prompt: 'Question: How many?\nAnswer:', target: '1200' },
  },
  wikitext: {
    line: { page: ' = Whale = \n It weighs 1 @,@ 000 kg ; really . ' },
    document: { text: '= Whale =\nIt weighs 1,000 kg; really.', words: 14, bytes: 47 },
  },
};

describe('loadTask', () => {
  it.each(Object.keys(FORMS) as FormName[])('reads %s', async form => {
    const path = join(folder, `${form}.jsonl`);
    writeFileSync(path, `${JSON.stringify(LINES[form].line)}\n\n`);
    const task = await loadTask(form, path);
    expect(task.name).toBe(form);
    const { text, ...document } = task.documents[0] as { text?: string };
    expect({ ...document, ...(text === undefined ? {} : { text: text.trim() }) }).toEqual(
      LINES[form].document,
    );
  });

  it('reads ARC as first published', async () => {
    const path = join(folder, 'arc-raw.jsonl');
    const choices = [
      { text: 'wood', label: '1' },
      { text: 'iron', label: '2' },
    ];
    writeFileSync(path, JSON.stringify({ question: { stem: 'Which is a metal?', choices }, answerKey: '2' }));
    expect((await loadTask('arc', path)).documents[0]).toEqual(LINES.arc.document);
  });

  it.each([
    ['piqa', { goal: 'x', sol1: 'a' }, 'sol2'],
    [
      'arc',
      { question: 'x', choices: { text: ['a', 'b'], label: ['A', 'B'] }, answerKey: 'C' },
      'none of the choices',
    ],
    ['gsm8k', { question: 'x', answer: '4' }, '####'],
  ] as const)('names the line of %s that is not of the form', async (form, line, message) => {
    const path = join(folder, 'bad.jsonl');
    writeFileSync(path, `${JSON.stringify(LINES[form].line)}\n${JSON.stringify(line)}\n`);
    await expect(loadTask(form, path)).rejects.toThrow(message);
    await expect(loadTask(form, path)).rejects.toThrow('bad.jsonl:2');
    expect((await loadTask(form, path, 1)).documents).toHaveLength(1);
  });

  it('says that a file is missing or no JSON', async () => {
    await expect(loadTask('mmlu', join(folder, 'none.jsonl'))).rejects.toThrow('cannot be read');
    writeFileSync(join(folder, 'text.jsonl'), 'hello');
    await expect(loadTask('mmlu', join(folder, 'text.jsonl'))).rejects.toThrow('not JSON');
    await expect(resolveTask('chess', undefined)).rejects.toThrow('there is no task chess');
    await expect(resolveTask('cloze', undefined)).rejects.toThrow('belongs to no run');
  });

  it('names a task by its form and file, and refuses two of one name', () => {
    expect(['mmlu=a/anatomy.jsonl', 'arc=arc_easy.json', 'cloze'].map(nameOfTask)).toEqual([
      'mmlu_anatomy',
      'arc_easy',
      'cloze',
    ]);
    checkTaskNames(['arc=a/test.jsonl', 'gsm8k=b/test.jsonl', 'cloze']);
    expect(() => checkTaskNames(['arc=a/test.jsonl', 'cloze', 'arc=b/test.jsonl'])).toThrow(
      'both called arc_test',
    );
    expect(() => checkTaskNames(['clozee'])).toThrow('there is no task clozee');
    checkTaskFiles(['cloze']);
    expect(() => checkTaskFiles(['cloze', `arc=${join(folder, 'none.jsonl')}`])).toThrow('no such task file');
  });

  it("takes WikiText's spaces back", () => {
    expect(detokenise('the dog \'s " bone " ( old )')).toBe('the dog\'s "bone" (old)');
  });
});

describe('gsm8k', () => {
  it('takes the number after four hashes', async () => {
    const path = join(folder, 'gsm8k.jsonl');
    writeFileSync(path, JSON.stringify(LINES.gsm8k.line));
    const { clean } = (await loadTask('gsm8k', path)) as GenerationTask;
    expect(clean('so it is\n#### 1,200.')).toBe('1200');
    expect(clean('1200')).toBe('[invalid]');
  });
});
