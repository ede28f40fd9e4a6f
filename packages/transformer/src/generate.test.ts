import { noLeaks, testBackend } from '@spectra/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { DecoderModel } from './decoder-model.ts';
import { type GeneratedToken, generate } from './generate.ts';
import { randomRows, SPECTRA, TINY, tinyMoe } from './test-support.ts';

beforeAll(testBackend);

const PROMPTS = [3, 7, 1].map((length, i) => randomRows(i, 1, length)[0]!);

describe.each([
  ['dense', TINY],
  ['mixture of experts', tinyMoe(SPECTRA)],
  ['learned positions', tinyMoe(SPECTRA, { positions: 'learned' })],
] as const)('generate: %s', (_, config) => {
  it('gives a row of a batch what it gives the row alone', async () => {
    await noLeaks(async () => {
      const model = new DecoderModel(config, { seed: 1 });
      const batch = await generate(model, PROMPTS, { maxNewTokens: 6 });
      for (const [i, prompt] of PROMPTS.entries()) {
        const [alone] = await generate(model, [prompt], { maxNewTokens: 6 });
        expect(batch[i]!.tokens).toEqual(alone!.tokens);
        expect(batch[i]!.routes.map(route => route.experts)).toEqual(
          alone!.routes.map(route => route.experts),
        );
        expect(batch[i]!.promptRoutes.map(route => route.experts)).toEqual(
          alone!.promptRoutes.map(route => route.experts),
        );
        for (const [t, value] of batch[i]!.logProbabilities.entries()) {
          expect(value).toBeCloseTo(alone!.logProbabilities[t]!, 4);
        }
      }
      model.dispose();
    });
  });

  it('streams every token with its experts, and ends rows at stop tokens', async () => {
    const model = new DecoderModel(config, { seed: 1 });
    const free = await generate(model, PROMPTS, { maxNewTokens: 6 });
    const stop = free[0]!.tokens[2]!;
    const streamed: GeneratedToken[] = [];
    const rows = await generate(model, PROMPTS, {
      maxNewTokens: 6,
      stopTokens: [stop],
      onToken: token => {
        streamed.push(token);
      },
    });
    for (const [r, row] of rows.entries()) {
      const end = free[r]!.tokens.indexOf(stop);
      expect(row.tokens).toEqual(end < 0 ? free[r]!.tokens : free[r]!.tokens.slice(0, end + 1));
      expect(row.finish).toBe(end < 0 ? 'length' : 'stop');
      expect(row.promptRoutes).toHaveLength(PROMPTS[r]!.length);
      const mine = streamed.filter(token => token.row === r);
      expect(mine.map(({ token, index }) => [token, index])).toEqual(
        row.tokens.map((token, i) => [token, i]),
      );
      expect(mine.map(({ experts, gates }) => ({ experts, gates }))).toEqual(row.routes);
      for (const { experts, gates } of row.routes) {
        expect(experts).toHaveLength(model.routers.length);
        for (const chosen of experts) expect(new Set(chosen).size).toBe(2);
        gates.forEach(([first, second]) => {
          expect(first! + second!).toBeCloseTo(1, 5);
          expect(first!).toBeGreaterThanOrEqual(second!);
        });
      }
    }
    model.dispose();
  });
});

describe('generate', () => {
  it('draws the same tokens from the same seed, whatever the other rows are', async () => {
    const model = new DecoderModel(tinyMoe(SPECTRA), { seed: 1 });
    const options = { maxNewTokens: 12, temperature: 1, topP: 0.95, topK: 20, seed: 4 };
    const tokens = async (prompts: number[][], more = {}) =>
      (await generate(model, prompts, { ...options, ...more })).map(row => row.tokens);
    const all = await tokens(PROMPTS);
    expect(await tokens(PROMPTS)).toEqual(all);
    expect(await tokens([PROMPTS[0]!, PROMPTS[2]!])).toEqual([all[0], expect.anything()]);
    expect(await tokens(PROMPTS, { seed: 5 })).not.toEqual(all);
    model.dispose();
  });

  it('can be asked for nothing', async () => {
    const model = new DecoderModel(TINY);
    expect(await generate(model, [[1, 2]], { maxNewTokens: 0 })).toEqual([
      {
        tokens: [],
        logProbabilities: [],
        routes: [],
        promptRoutes: [
          { experts: [], gates: [] },
          { experts: [], gates: [] },
        ],
        finish: 'length',
      },
    ]);
    model.dispose();
  });

  it('stops when aborted and leaves no tensors', async () => {
    await noLeaks(async () => {
      const model = new DecoderModel(TINY);
      const controller = new AbortController();
      const onToken = ({ index }: GeneratedToken): void => {
        if (index === 2) controller.abort();
      };
      const run = generate(model, [[1]], { maxNewTokens: 9, onToken, signal: controller.signal });
      await expect(run).rejects.toMatchObject({ code: 'INTERRUPTED' });
      model.dispose();
    });
  });

  it.each([
    [[], {}, 'no prompt'],
    [[[1], []], {}, 'prompt 1 is empty'],
    [[[1, 29]], {}, 'token 29'],
    [[[1]], { maxNewTokens: -1 }, 'maxNewTokens'],
    [[[1]], { topP: 2 }, 'topP'],
  ])('refuses %#', async (prompts, options, message) => {
    const model = new DecoderModel(TINY);
    await expect(generate(model, prompts, options)).rejects.toThrow(message);
    model.dispose();
  });
});

it('ends where learned positions end, beside the longest prompt', async () => {
  const model = new DecoderModel(tinyMoe(SPECTRA, { positions: 'learned', max_position_embeddings: 10 }));
  const rows = await generate(model, PROMPTS, { maxNewTokens: 64 });
  expect(rows.map(({ tokens, finish }) => [tokens.length, finish])).toEqual(PROMPTS.map(() => [3, 'length']));
  const [alone] = await generate(model, [PROMPTS[2]!], { maxNewTokens: 64 });
  expect(alone!.tokens).toHaveLength(9);
  expect(alone!.tokens.slice(0, 3)).toEqual(rows[2]!.tokens);
  await expect(generate(model, [randomRows(9, 1, 11)[0]!])).rejects.toThrow('only 10 are learned');
  model.dispose();
});
