/** Tasks made of the held-out documents of the run's own domains, so that something real can be answered here. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DataConfig, Dataset } from '@spectra/data';
import { openData } from '@spectra/data/node';
import { Rng, SpectraError } from '@spectra/tensor';
import { type GenerationDocument, type MultipleChoiceDocument, TASK_VERSION, type Task } from './task.ts';

/** Documents of a task; the same for every model of a data configuration. */
const QUESTIONS = 40;
const CHOICES = 4;
/** Characters before a gap. */
const CONTEXT = 160;
/** Characters of a text whose perplexity is taken. */
const LONGEST = 600;
/** Held-out documents of each domain that are read. */
const READ = 12;

type Maker = (texts: DomainTexts, rng: Rng) => Omit<Task, 'name' | 'version' | 'source'>;

/** Held-out texts by the kind of their source. */
interface DomainTexts {
  readonly prose: readonly string[];
  readonly code: readonly string[];
  readonly math: readonly string[];
}

/** Which word stood here; which line comes next; what the sum is; how well every held-out text is read. */
export const SHIPPED = {
  cloze: ({ prose }, rng) => choiceTask(prose, rng, gapsOf, ' '),
  code_completion: ({ code }, rng) => choiceTask(code, rng, lineGapsOf, '\n'),
  arithmetic: ({ math }, rng) => ({
    kind: 'generate_until',
    documents: picked(math.flatMap(sumsOf), rng),
    until: ['.', '\n', ':', ','],
    maxTokens: 10,
    clean: (answer: string) => answer.trim(),
  }),
  held_out: ({ prose, code, math }) => ({
    kind: 'loglikelihood_rolling',
    documents: [...prose, ...code, ...math.slice(0, READ)].map(text => ({ text: text.slice(0, LONGEST) })),
  }),
} satisfies Record<string, Maker>;

export type ShippedName = keyof typeof SHIPPED;

/** `CORPUS_INVALID` where the data has no held-out text of the kind. */
export async function shippedTask(name: ShippedName, config: DataConfig): Promise<Task> {
  const dataset = await openData(config, {
    seed: 0,
    resolveFrom: [dirname(fileURLToPath(import.meta.resolve('@spectra/trainer'))), process.cwd()],
  });
  const texts = await textsOf(dataset, config);
  const make: Maker = SHIPPED[name];
  const made = make(texts, new Rng(0).split(name));
  const task = { name, version: TASK_VERSION[made.kind], source: 'held-out documents', ...made };
  if ((task as Task).documents.length === 0) {
    throw new SpectraError('CORPUS_INVALID', {
      message: `the data has no held-out text that ${name} could be made of.`,
      where: 'data.corpora',
      fix: 'Hold out more, or leave the task out.',
    });
  }
  return task as Task;
}

async function textsOf(dataset: Dataset, config: DataConfig): Promise<DomainTexts> {
  const texts = { prose: [] as string[], code: [] as string[], math: [] as string[] };
  for (const { name } of dataset.domains) {
    const source = config.corpora.find(({ domain }) => domain === name)?.source;
    const kind = source === 'code' || source === 'math' ? source : 'prose';
    let read = 0;
    for await (const text of dataset.documents(name, 'heldOut')) {
      texts[kind].push(text);
      // problems of one kind fill a whole document
      if (++read === (kind === 'math' ? 4 * READ : READ)) break;
    }
  }
  return texts;
}

interface Gap {
  readonly context: string;
  readonly missing: string;
}

function choiceTask(
  texts: readonly string[],
  rng: Rng,
  gapsIn: (text: string) => Gap[],
  delimiter: string,
): Omit<Task, 'name' | 'version' | 'source'> {
  const all = texts.map(gapsIn);
  const others = [...new Set(all.flat().map(({ missing }) => missing))];
  const documents = picked(all.flat(), rng).flatMap(({ context, missing }): MultipleChoiceDocument[] => {
    const near = others
      .filter(other => other !== missing && Math.abs(other.length - missing.length) <= missing.length / 3)
      .map(other => ({ other, at: rng.uniform() }))
      .sort((a, b) => a.at - b.at)
      .slice(0, CHOICES - 1)
      .map(({ other }) => other);
    if (near.length < CHOICES - 1) return [];
    const choices = rng.shuffle([missing, ...near]);
    return [{ context, choices, answer: choices.indexOf(missing) }];
  });
  return { kind: 'multiple_choice', delimiter, documents } as Omit<Task, 'name' | 'version' | 'source'>;
}

/** Words of five letters and more with enough text before them. */
function gapsOf(text: string): Gap[] {
  return [...text.matchAll(/(?<= )[a-z]{5,}(?=[ .,;])/g)].flatMap(({ 0: missing, index }) =>
    index < CONTEXT ? [] : [{ context: text.slice(index - CONTEXT, index - 1), missing }],
  );
}

/** Lines of code with enough before them. */
function lineGapsOf(text: string): Gap[] {
  return [...text.matchAll(/(?<=\n)[ \t]*[^\s*/][^\n]{14,70}(?=\n)/g)].flatMap(({ 0: missing, index }) =>
    index < CONTEXT ? [] : [{ context: text.slice(index - CONTEXT, index - 1), missing }],
  );
}

/** `So 12 + 30 = 42.`, after the working. */
function sumsOf(text: string): GenerationDocument[] {
  return [...text.matchAll(/So [^\n=]+ =(?= (-?\d+)\.)/g)].map(match => {
    const end = match.index + match[0].length;
    return { prompt: text.slice(Math.max(0, end - CONTEXT), end), target: match[1]! };
  });
}

/** At most `QUESTIONS` of them, in a seeded order. */
function picked<T>(items: readonly T[], rng: Rng): T[] {
  return rng.shuffle([...items]).slice(0, QUESTIONS);
}
