/** The JSONL forms in which published tasks are distributed, with lm-evaluation-harness's prompts. */
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { SpectraError } from '@spectra/tensor';
import { z } from 'zod';
import {
  type GenerationTask,
  type MultipleChoiceTask,
  type PerplexityTask,
  TASK_VERSION,
  type Task,
} from './task.ts';

const text = z.string().min(1);
const LETTERS = 'ABCDEFGH';

const mmlu = z.object({
  question: text,
  subject: z.string().default(''),
  choices: z.array(text).min(2).max(8),
  answer: z.int().nonnegative(),
});
/** As in the data set on Hugging Face, or as first published. */
const arc = z.union([
  z.object({
    question: text,
    choices: z.object({ text: z.array(text), label: z.array(text) }),
    answerKey: text,
  }),
  z
    .object({
      question: z.object({ stem: text, choices: z.array(z.object({ text, label: text })) }),
      answerKey: text,
    })
    .transform(({ question, answerKey }) => ({
      question: question.stem,
      choices: {
        text: question.choices.map(choice => choice.text),
        label: question.choices.map(choice => choice.label),
      },
      answerKey,
    })),
]);
const hellaswag = z.object({
  activity_label: z.string(),
  ctx_a: z.string(),
  ctx_b: z.string().default(''),
  endings: z.array(z.string()).min(2),
  label: z.union([z.int(), z.string().regex(/^\d+$/).transform(Number)]),
});
const piqa = z.object({ goal: text, sol1: text, sol2: text, label: z.int().min(0).max(1) });
const gsm8k = z.object({ question: text, answer: text });
const wikitext = z.union([
  z.object({ page: text }),
  z.object({ text }).transform(({ text: page }) => ({ page })),
]);

/** A form's name → how its lines become a task. */
export const FORMS = {
  mmlu: lines => choice(lines, mmlu, mmluDocument),
  arc: lines => choice(lines, arc, arcDocument),
  hellaswag: lines => choice(lines, hellaswag, hellaswagDocument),
  piqa: lines =>
    choice(lines, piqa, ({ goal, sol1, sol2, label }) => ({
      context: `Question: ${goal}\nAnswer:`,
      choices: [sol1, sol2],
      answer: label,
    })),
  gsm8k: lines => ({
    kind: 'generate_until',
    documents: lines.map(line => gsm8kDocument(line)),
    until: ['Question:', '</s>', '<|im_end|>'],
    maxTokens: 256,
    clean: answer => plainNumber(/#### (-?[0-9.,]+)/.exec(answer)?.[1] ?? '[invalid]'),
  }),
  wikitext: lines => ({
    kind: 'loglikelihood_rolling',
    documents: lines.map(line => {
      const { page } = parsed(line, wikitext);
      // by word and byte of the original, as the harness counts
      return {
        text: detokenise(page),
        words: page.split(/\s+/).length,
        bytes: Buffer.byteLength(page),
      };
    }),
  }),
} satisfies Record<string, (lines: readonly Line[]) => Form>;

export type FormName = keyof typeof FORMS;

type Form =
  | Omit<MultipleChoiceTask, 'name' | 'version' | 'source'>
  | Omit<GenerationTask, 'name' | 'version' | 'source'>
  | Omit<PerplexityTask, 'name' | 'version' | 'source'>;

interface Line {
  readonly value: unknown;
  /** File and line, for errors. */
  readonly where: string;
}

/** `mmlu_anatomy` of mmlu=anatomy.jsonl, `arc_easy` of arc=arc_easy.jsonl. */
export function taskName(form: FormName, path: string): string {
  const file = basename(path).replace(/\.jsonl?$/, '');
  return file.startsWith(form) ? file : `${form}_${file}`;
}

/** Reads a task file. `FILE_MISSING`; `CORPUS_INVALID` naming the line that is not of the form. */
export async function loadTask(
  form: FormName,
  path: string,
  limit = Number.POSITIVE_INFINITY,
): Promise<Task> {
  const lines: Line[] = [];
  try {
    let number = 0;
    for await (const line of createInterface({ input: createReadStream(path, 'utf8') })) {
      number++;
      if (line.trim() === '') continue;
      if (lines.length >= limit) break;
      lines.push({ value: parseJson(line, `${path}:${number}`), where: `${path}:${number}` });
    }
  } catch (cause) {
    if (cause instanceof SpectraError) throw cause;
    throw new SpectraError('FILE_MISSING', { message: 'the task file cannot be read.', where: path, cause });
  }
  if (lines.length === 0) throw notOfForm('the file has no line.', path);
  const made: Form = FORMS[form](lines);
  return { name: taskName(form, path), version: TASK_VERSION[made.kind], source: path, ...made };
}

function choice<T>(
  lines: readonly Line[],
  schema: z.ZodType<T>,
  make: (value: T) => MultipleChoiceTask['documents'][number],
): Form {
  const documents = lines.map(line => {
    const document = make(parsed(line, schema));
    if (document.answer < 0 || document.answer >= document.choices.length)
      throw notOfForm('the answer is none of the choices.', line.where);
    return document;
  });
  return { kind: 'multiple_choice', delimiter: ' ', documents };
}

function mmluDocument({ question, subject, choices, answer }: z.infer<typeof mmlu>) {
  const about = subject === '' ? '' : ` about ${subject.replaceAll('_', ' ')}`;
  const options = choices.map((option, i) => `${LETTERS[i]}. ${option}`).join('\n');
  return {
    context: `The following are multiple choice questions (with answers)${about}.\n\n${question.trim()}\n${options}\nAnswer:`,
    choices: [...LETTERS.slice(0, choices.length)],
    answer,
  };
}

function arcDocument({ question, choices, answerKey }: z.infer<typeof arc>) {
  const answer = choices.label.indexOf(answerKey);
  return { context: `Question: ${question}\nAnswer:`, choices: choices.text, answer };
}

function hellaswagDocument({ activity_label, ctx_a, ctx_b, endings, label }: z.infer<typeof hellaswag>) {
  const capital = ctx_b.slice(0, 1).toUpperCase() + ctx_b.slice(1).toLowerCase();
  return {
    context: withoutMarks(`${activity_label}: ${ctx_a} ${capital}`),
    choices: endings.map(withoutMarks),
    answer: label,
  };
}

/** WikiHow's section marks. */
function withoutMarks(raw: string): string {
  return raw
    .trim()
    .replaceAll(' [title]', '. ')
    .replace(/\[.*?\]/g, '')
    .replaceAll('  ', ' ');
}

function gsm8kDocument(line: Line) {
  const { question, answer } = parsed(line, gsm8k);
  const target = answer.split('####')[1];
  if (target === undefined) throw notOfForm('the answer has no "####".', line.where);
  return { prompt: `Question: ${question}\nAnswer:`, target: plainNumber(target.trim()) };
}

/** Without thousands separators and a full stop at the end. */
const plainNumber = (written: string): string => written.replaceAll(',', '').replace(/\.$/, '');

/** WikiText's spaces around punctuation taken back, as its perplexity by word is defined on the original text. */
export function detokenise(page: string): string {
  return page
    .replace(/s '/g, "s'")
    .replace(/\/' [0-9]\//g, match => match.replace("' ", "'"))
    .replaceAll(' @-@ ', '-')
    .replaceAll(' @,@ ', ',')
    .replaceAll(' @.@ ', '.')
    .replace(/ ([:;.!?,]) /g, '$1 ')
    .replace(/\(\s*([^)]*?)\s*\)/g, '($1)')
    .replace(/\[\s*([^\]]*?)\s*\]/g, '[$1]')
    .replace(/{\s*([^}]*?)\s*}/g, '{$1}')
    .replace(/"\s*([^"]*?)\s*"/g, '"$1"')
    .replace(/'\s*([^']*?)\s*'/g, "'$1'")
    .replaceAll('= = = =', '====')
    .replaceAll('= = =', '===')
    .replaceAll('= =', '==')
    .replaceAll(' ° ', '°')
    .replaceAll(' \n', '\n')
    .replaceAll('\n ', '\n')
    .replaceAll(' N ', ' 1 ')
    .replaceAll(" 's", "'s");
}

function parseJson(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw notOfForm('the line is not JSON.', where, cause);
  }
}

function parsed<T>({ value, where }: Line, schema: z.ZodType<T>): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw notOfForm(
    `the line is not of the form: ${result.error.issues.map(issue => `${issue.path.join('.')} ${issue.message}`).join('; ')}.`,
    where,
  );
}

function notOfForm(message: string, where: string, cause?: unknown): SpectraError {
  return new SpectraError('CORPUS_INVALID', {
    message,
    where,
    fix: 'docs/eval.md shows a line of every form.',
    cause,
  });
}
