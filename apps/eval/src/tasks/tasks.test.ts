import { byteTokenizer, dataConfigSchema, type Tokenizer } from '@spectra/data';
import { setBackend } from '@spectra/tensor';
import { noLeaks } from '@spectra/testing';
import { DecoderModel, generate } from '@spectra/transformer';
import { beforeAll, describe, expect, it } from 'vitest';
import { evaluateTask } from './evaluate-task.ts';
import { scorePairs } from './log-likelihood.ts';
import { SHIPPED, type ShippedName, shippedTask } from './shipped.ts';
import { meanMetric, ratioMetric } from './standard-error.ts';
import type { GenerationTask, MultipleChoiceTask, PerplexityTask } from './task.ts';

beforeAll(() => setBackend('wasm'));

const tokenizer = byteTokenizer();
const TOY = { name: 'toy', version: 1, source: 'test' } as const;
const CHOICE = { ...TOY, kind: 'multiple_choice', delimiter: ' ' } as const;
const GENERATED = { ...TOY, kind: 'generate_until' } as const;
const ROLLING = { ...TOY, kind: 'loglikelihood_rolling' } as const;
const tiny = () =>
  new DecoderModel(
    {
      vocab_size: 256,
      hidden_size: 16,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      max_position_embeddings: 64,
      moe: { experts: 4, k: 2, intermediate_size: 8 },
    },
    { seed: 5 },
  );

describe('scorePairs', () => {
  it('adds up log-probabilities, whatever stands in the batch beside', async () => {
    const model = tiny();
    const pairs = ['the whale', 'a', 'one two three four'].map(text => ({
      context: [10],
      continuation: tokenizer.encode(text),
    }));
    await scorePairs(model, pairs); // makes the tables that the model keeps
    await noLeaks(async () => {
      const together = await scorePairs(model, pairs);
      for (const [i, pair] of pairs.entries()) {
        const [alone] = await scorePairs(model, [pair]);
        expect(together[i]!.logLikelihood).toBeCloseTo(alone!.logLikelihood, 3);
      }
      expect(together[0]!.logLikelihood / pairs[0]!.continuation.length).toBeGreaterThan(-10);
      expect(together[0]!.logLikelihood / pairs[0]!.continuation.length).toBeLessThan(-3);
    });
    model.dispose();
  });

  it('agrees with generation: a greedy continuation is greedy and has its probability', async () => {
    const model = tiny();
    const context = tokenizer.encode('Call me');
    const [row] = await generate(model, [context], { maxNewTokens: 6, temperature: 0 });
    const [score] = await scorePairs(model, [{ context, continuation: row!.tokens }]);
    expect(score!.greedy).toBe(true);
    expect(score!.logLikelihood).toBeCloseTo(
      row!.logProbabilities.reduce((a, b) => a + b, 0),
      3,
    );
    const wrong = row!.tokens.map(token => (token + 1) % 256);
    expect((await scorePairs(model, [{ context, continuation: wrong }]))[0]!.greedy).toBe(false);
    model.dispose();
  });

  it('cuts a context that is longer than the model reads', async () => {
    const model = tiny();
    const long = new Array<number>(200).fill(65);
    const continuation = [66, 67];
    const [cut] = await scorePairs(model, [{ context: long, continuation }]);
    const [short] = await scorePairs(model, [{ context: long.slice(0, 63), continuation }]);
    expect(cut!.logLikelihood).toBeCloseTo(short!.logLikelihood, 4);
    model.dispose();
  });
});

describe('evaluateTask', () => {
  it('a choice is right where it is the most probable, in all or per character', async () => {
    const model = tiny();
    const task: MultipleChoiceTask = {
      ...CHOICE,
      documents: [
        { context: 'a', choices: ['x', 'a much longer choice'], answer: 0 },
        { context: 'a', choices: ['x', 'a much longer choice'], answer: 1 },
      ],
    };
    const { result, samples } = await evaluateTask(model, tokenizer, task);
    // the shorter is more probable in all: one of two is right
    expect(result.metrics.acc).toEqual({ value: 0.5, stderr: 0.5 });
    expect(samples.map(({ acc }) => acc)).toEqual([1, 0]);
    expect(result.metrics.acc_norm!.value).toBe(0.5);
    expect(samples[0]!.resps).toHaveLength(2);
    model.dispose();
  });

  it('the perplexity of a text follows from its log-likelihood, across windows', async () => {
    const model = tiny();
    const text = 'It was a bright cold day in April, and the clocks were striking thirteen. '.repeat(3);
    const task: PerplexityTask = {
      ...ROLLING,
      documents: [{ text }],
    };
    const { result, samples } = await evaluateTask(model, tokenizer, task);
    const log = samples[0]!.resps[0] as number;
    const { bits_per_byte: bits, byte_perplexity: byte, word_perplexity: word } = result.metrics;
    expect(bits!.value).toBeCloseTo(-log / text.length / Math.LN2, 9);
    expect(byte!.value).toBeCloseTo(2 ** bits!.value, 6);
    expect(Math.log(word!.value)).toBeCloseTo(-log / text.split(/\s+/).length, 6);
    expect(byte!.value).toBeGreaterThan(100);
    expect(byte!.value).toBeLessThan(700);
    expect(bits!.stderr).toBeNull();
    model.dispose();
  });

  it('windows are as many tokens as the model reads, the last one with what fits before it', async () => {
    const model = tiny();
    const ids = tokenizer.encode(
      'It was a bright cold day in April, and the clocks were striking thirteen. '.repeat(2),
    );
    const task: PerplexityTask = {
      ...ROLLING,
      documents: [{ text: tokenizer.decode([...ids]), words: 5, bytes: 1000 }],
    };
    const { samples, result } = await evaluateTask(model, tokenizer, task);
    // 64, 64 and 20 of 148, after 1, 1 and 45 tokens
    const scores = await scorePairs(model, [
      { context: [10], continuation: ids.slice(0, 64) },
      { context: ids.slice(63, 64), continuation: ids.slice(64, 128) },
      { context: ids.slice(83, 128), continuation: ids.slice(128) },
    ]);
    const log = scores.reduce((sum, { logLikelihood }) => sum + logLikelihood, 0);
    expect(ids).toHaveLength(148);
    expect(samples[0]!.resps[0]).toBeCloseTo(log, 3);
    expect(result.metrics.bits_per_byte!.value).toBeCloseTo(-log / 1000 / Math.LN2, 6);
    model.dispose();
  });

  it('refuses answers that leave no room for a prompt', async () => {
    const model = tiny();
    const task: GenerationTask = {
      ...GENERATED,
      until: [],
      maxTokens: 64,
      clean: answer => answer,
      documents: [{ prompt: '2 + 2 =', target: '4' }],
    };
    await expect(evaluateTask(model, tokenizer, task)).rejects.toThrow('no prompt fits');
    model.dispose();
  });

  it('an answer counts where it is the target, after cutting and cleaning', async () => {
    const model = tiny();
    const [row] = await generate(model, [tokenizer.encode('2 + 2 =')], {
      maxNewTokens: 3,
      temperature: 0,
    });
    const written = tokenizer.decode([...row!.tokens]);
    const task: GenerationTask = {
      ...GENERATED,
      until: ['\n\n\n'],
      maxTokens: 3,
      clean: answer => `<${answer}>`,
      documents: [
        { prompt: '2 + 2 =', target: `<${written}>` },
        { prompt: '2 + 2 =', target: '4' },
      ],
    };
    const { result } = await evaluateTask(model, tokenizer, task);
    expect(result.metrics.exact_match).toEqual({ value: 0.5, stderr: 0.5 });
    model.dispose();
  });
});

describe('contexts', () => {
  const begun = { ...tokenizer, bos: 35 };
  const choices = (context: string): MultipleChoiceTask => ({
    ...CHOICE,
    documents: [{ context, choices: ['x', 'longer'], answer: 0 }],
  });

  it('begin as the tokenizer begins texts, once, and otherwise with nothing', async () => {
    const model = tiny();
    const scores = async (context: string, by: Tokenizer) =>
      (await evaluateTask(model, by, choices(context))).samples[0]!.resps.flat();
    const pair = (context: string) => ({
      context: tokenizer.encode(context),
      continuation: tokenizer.encode(' x'),
    });
    const [plain, marked] = await scorePairs(model, [pair('a'), pair('#a')]);
    expect((await scores('a', tokenizer))[0]).toBeCloseTo(plain!.logLikelihood, 4);
    expect((await scores('a', begun))[0]).toBeCloseTo(marked!.logLikelihood, 4);
    expect((await scores('#a', begun))[0]).toBeCloseTo(marked!.logLikelihood, 4);
    expect(Math.abs(plain!.logLikelihood - marked!.logLikelihood)).toBeGreaterThan(1e-3);
    // of an empty one that token, the one that ends documents, or a line feed
    const alone = await scorePairs(model, [pair('#'), pair('$'), pair('\n')]);
    for (const [i, by] of [begun, { ...tokenizer, eos: 36 }, tokenizer].entries())
      expect((await scores('', by))[0]).toBeCloseTo(alone[i]!.logLikelihood, 4);
    model.dispose();
  });

  it('of generation and of whole texts begin so, too', async () => {
    const model = tiny();
    const [row] = await generate(model, [tokenizer.encode('#2 + 2 =')], { maxNewTokens: 3, temperature: 0 });
    const generation: GenerationTask = {
      ...GENERATED,
      until: [],
      maxTokens: 3,
      clean: answer => answer,
      documents: [{ prompt: '2 + 2 =', target: tokenizer.decode(row!.tokens) }],
    };
    expect((await evaluateTask(model, begun, generation)).result.metrics.exact_match!.value).toBe(1);
    const text: PerplexityTask = {
      ...ROLLING,
      documents: [{ text: 'a whale' }],
    };
    const [score] = await scorePairs(model, [{ context: [35], continuation: tokenizer.encode('a whale') }]);
    const { samples } = await evaluateTask(model, begun, text);
    expect(samples[0]!.resps[0]).toBeCloseTo(score!.logLikelihood, 4);
    model.dispose();
  });
});

describe('shipped tasks', () => {
  const data = dataConfigSchema.parse({
    corpora: [
      { domain: 'fiction', source: 'moby-dick', max_bytes: 150_000 },
      { domain: 'code', source: 'code', packages: ['zod'], max_bytes: 150_000 },
      { domain: 'math', source: 'math', max_bytes: 60_000 },
    ],
    held_out: 0.2,
  });

  it.each(Object.keys(SHIPPED) as ShippedName[])(
    '%s is made of held-out text, the same each time',
    async name => {
      const task = await shippedTask(name, data);
      expect(task.documents.length).toBeGreaterThan(5);
      expect((await shippedTask(name, data)).documents).toEqual(task.documents);
      if (task.kind === 'multiple_choice') {
        for (const { choices, answer, context } of task.documents) {
          expect(new Set(choices).size).toBe(4);
          expect(choices[answer]).toBeDefined();
          expect(context.length).toBeGreaterThan(100);
        }
        const answers = new Set(task.documents.map(({ answer }) => answer));
        expect(answers.size).toBe(4);
      }
      if (task.kind === 'generate_until') {
        for (const { prompt, target } of task.documents) {
          expect(prompt).toMatch(/=$/);
          expect(target).toMatch(/^-?\d+$/);
        }
      }
    },
  );

  it('says when the data has no such text', async () => {
    const prose = dataConfigSchema.parse({
      corpora: [{ domain: 'fiction', source: 'moby-dick', max_bytes: 50_000 }],
    });
    await expect(shippedTask('arithmetic', prose)).rejects.toThrow('no held-out text that arithmetic');
  });
});

describe('standard errors', () => {
  it('of a mean: s/√n', () => {
    expect(meanMetric([1, 0, 1, 1])).toEqual({ value: 0.75, stderr: 0.25 });
    expect(meanMetric([1])).toEqual({ value: 1, stderr: null });
  });

  it('of a ratio: a seeded bootstrap near the linear approximation', () => {
    const logs = Array.from({ length: 200 }, (_, i) => -(1 + Math.sin(i)));
    const ones = logs.map(() => 1);
    const { value, stderr } = ratioMetric(logs, ones, ratio => -ratio);
    expect(stderr!).toBeGreaterThan(0.8 * meanMetric(logs).stderr!);
    expect(stderr!).toBeLessThan(1.2 * meanMetric(logs).stderr!);
    expect(ratioMetric(logs, ones, ratio => -ratio)).toEqual({ value, stderr });
  });
});
