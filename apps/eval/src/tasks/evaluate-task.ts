/** A model's answers to a task, scored as lm-evaluation-harness scores them. */
import { encodePrompt, type Tokenizer } from '@spectra/data';
import { SpectraError } from '@spectra/tensor';
import { type DecoderModel, generate } from '@spectra/transformer';
import { scorePairs } from './log-likelihood.ts';
import { meanMetric, ratioMetric } from './standard-error.ts';
import type {
  GenerationTask,
  MultipleChoiceTask,
  PerplexityTask,
  Task,
  TaskResult,
  TaskSample,
} from './task.ts';

export interface TaskEvaluation {
  readonly result: TaskResult;
  readonly samples: readonly TaskSample[];
}

/**
 * Under the causal rule; greedy where text is generated, after prompts that lose their beginning where prompt and answer are
 * longer than the context. Changes no state of the model. `VALUE` where the answer alone would fill the context.
 */
export async function evaluateTask(
  model: DecoderModel,
  tokenizer: Tokenizer,
  task: Task,
): Promise<TaskEvaluation> {
  const { metrics, samples } =
    task.kind === 'multiple_choice'
      ? await multipleChoice(model, tokenizer, task)
      : task.kind === 'generate_until'
        ? await exactMatch(model, tokenizer, task)
        : await perplexity(model, tokenizer, task);
  const { name, version, kind, documents } = task;
  return { result: { task: name, version, kind, documents: documents.length, metrics }, samples };
}

/** Prompts that are continued in one batch. */
const GENERATED_TOGETHER = 8;

type Scored = Pick<TaskEvaluation, 'samples'> & Pick<TaskResult, 'metrics'>;

/** What stands before a text of which nothing is given: what begins or ends documents, or a line feed. */
const startId = (tokenizer: Tokenizer): number =>
  tokenizer.bos ?? tokenizer.eos ?? tokenizer.encode('\n')[0]!;

/** A context's ids, begun as the tokenizer begins texts, with no other mark in front; of an empty one what begins texts. */
function contextIds(tokenizer: Tokenizer, context: string): number[] {
  const ids = encodePrompt(tokenizer, context);
  return ids.length === 0 ? [startId(tokenizer)] : ids;
}

/** acc: the most probable choice is right. acc_norm: the most probable per character. */
async function multipleChoice(
  model: DecoderModel,
  tokenizer: Tokenizer,
  { documents, delimiter }: MultipleChoiceTask,
): Promise<Scored> {
  const pairs = documents.flatMap(({ context, choices }) =>
    choices.map(choice => split(tokenizer, context, delimiter + choice)),
  );
  const scores = await scorePairs(model, pairs);
  let at = 0;
  const samples = documents.map((doc, doc_id) => {
    const own = scores.slice(at, (at += doc.choices.length));
    const logs = own.map(({ logLikelihood }) => logLikelihood);
    const perCharacter = logs.map((log, i) => log / [...doc.choices[i]!].length);
    return {
      doc_id,
      doc,
      target: String(doc.answer),
      resps: own.map(({ logLikelihood, greedy }) => [logLikelihood, greedy]),
      acc: largest(logs) === doc.answer ? 1 : 0,
      acc_norm: largest(perCharacter) === doc.answer ? 1 : 0,
    };
  });
  return {
    samples,
    metrics: {
      acc: meanMetric(samples.map(({ acc }) => acc)),
      acc_norm: meanMetric(samples.map(({ acc_norm: value }) => value)),
    },
  };
}

/** Spaces at the end of the context belong to the continuation, as most tokenizers learn them. */
function split(tokenizer: Tokenizer, context: string, continuation: string) {
  const trimmed = context.trimEnd();
  const before = encodePrompt(tokenizer, trimmed);
  const whole = encodePrompt(tokenizer, context + continuation);
  return { context: contextIds(tokenizer, trimmed), continuation: whole.slice(before.length) };
}

const largest = (values: readonly number[]): number =>
  values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);

async function exactMatch(model: DecoderModel, tokenizer: Tokenizer, task: GenerationTask): Promise<Scored> {
  const { maxPositions } = model.architecture;
  const room = maxPositions - task.maxTokens;
  if (room < 1) {
    throw new SpectraError('VALUE', {
      message: `${task.name} has answers of up to ${task.maxTokens} tokens, the model reads ${maxPositions}: no prompt fits.`,
      where: 'evaluateTask',
      fix: 'Take a model with a longer context, or leave the task out.',
    });
  }
  const prompts = task.documents.map(({ prompt }) => contextIds(tokenizer, prompt).slice(-room));
  const texts: string[] = [];
  for (let from = 0; from < prompts.length; from += GENERATED_TOGETHER) {
    const rows = await generate(model, prompts.slice(from, from + GENERATED_TOGETHER), {
      maxNewTokens: task.maxTokens,
      temperature: 0,
      ...(tokenizer.eos === undefined ? {} : { stopTokens: [tokenizer.eos] }),
    });
    texts.push(...rows.map(({ tokens }) => tokenizer.decode([...tokens], { skipSpecial: true })));
  }
  const samples = task.documents.map((doc, doc_id) => {
    const answer = task.clean(cutAt(texts[doc_id]!, task.until));
    const exact = answer === doc.target ? 1 : 0;
    return {
      doc_id,
      doc,
      target: doc.target,
      resps: [texts[doc_id]],
      filtered_resps: [answer],
      exact_match: exact,
    };
  });
  return { samples, metrics: { exact_match: meanMetric(samples.map(sample => sample.exact_match)) } };
}

function cutAt(text: string, until: readonly string[]): string {
  const ends = until.map(stop => text.indexOf(stop)).filter(at => at >= 0);
  return ends.length === 0 ? text : text.slice(0, Math.min(...ends));
}

/** Of the whole texts, by words, bytes and bits: windows of the model's context, each token scored once. */
async function perplexity(
  model: DecoderModel,
  tokenizer: Tokenizer,
  { documents }: PerplexityTask,
): Promise<Scored> {
  const samples = [];
  for (const [doc_id, doc] of documents.entries()) {
    const pairs = windows(tokenizer.encode(doc.text), startId(tokenizer), model.architecture.maxPositions);
    const scores = await scorePairs(model, pairs);
    const logLikelihood = scores.reduce((sum, score) => sum + score.logLikelihood, 0);
    const words = doc.words ?? doc.text.split(/\s+/).length;
    const bytes = doc.bytes ?? Buffer.byteLength(doc.text);
    samples.push({
      doc_id,
      doc: { text: doc.text.slice(0, 200) },
      target: '',
      resps: [logLikelihood],
      words,
      bytes,
    });
  }
  const logs = samples.map(({ resps: [log] }) => log!);
  const words = samples.map(sample => sample.words);
  const bytes = samples.map(sample => sample.bytes);
  return {
    samples,
    metrics: {
      word_perplexity: ratioMetric(logs, words, ratio => Math.exp(-ratio)),
      byte_perplexity: ratioMetric(logs, bytes, ratio => Math.exp(-ratio)),
      bits_per_byte: ratioMetric(logs, bytes, ratio => -ratio / Math.LN2),
    },
  };
}

/**
 * Windows that score each token once, as many as the model reads; the first follows the start token, each other one the token
 * before it. The last, which is shorter, reads as much before it as there is room for.
 */
function windows(ids: readonly number[], start: number, length: number) {
  const pairs = [];
  for (let from = 0; from < ids.length; from += length) {
    const continuation = ids.slice(from, from + length);
    const before = ids.slice(Math.max(0, from + continuation.length - length - 1), from);
    pairs.push({ context: from === 0 ? [start] : before, continuation });
  }
  return pairs;
}
