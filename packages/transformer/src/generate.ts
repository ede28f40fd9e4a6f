/** Autoregressive generation with a cache: prompts of several lengths at once, streamed token by token. */
import type { Balance } from '@spectra/routing';
import { checkValue, Rng, SpectraError } from '@spectra/tensor';
import { disposeCache, emptyCache, type ModelCache } from './cache.ts';
import { type DecodePass, decodePass, type TokenRoute } from './decode-pass.ts';
import type { DecoderModel } from './decoder-model.ts';
import { checkSampling, type SampledToken, type SamplingOptions, sampleToken } from './sampling.ts';

export interface GenerateOptions extends SamplingOptions {
  /** New tokens per row at most; 64 by default. Learned positions may end before: then rows end with `length`. */
  readonly maxNewTokens?: number;
  /** A row ends after one of these tokens, which stays part of it; none by default. */
  readonly stopTokens?: readonly number[];
  /** Fed, masked, where a row is shorter than the longest prompt or done; 0 by default. */
  readonly padToken?: number;
  /** Seeds sampling; row r draws from its own stream, whatever the other rows do. 0 by default. */
  readonly seed?: number;
  /** How routers balance; `potentials` by default. The batch rule is not causal and so no rule for decoding. */
  readonly balance?: Exclude<Balance, 'batch'>;
  /** Called, and awaited, once per new token, rows in order, as soon as the token's experts are known. */
  readonly onToken?: (token: GeneratedToken) => void | Promise<void>;
  /** Ends generation early with an `INTERRUPTED` error. */
  readonly signal?: AbortSignal;
}

export interface GeneratedToken extends TokenRoute, SampledToken {
  /** The prompt's number. */
  readonly row: number;
  /** 0 for the first new token of the row. */
  readonly index: number;
}

export interface GeneratedRow {
  /** The new tokens, without the prompt. */
  readonly tokens: readonly number[];
  /** Of each new token, in nats; see `SampledToken`. */
  readonly logProbabilities: readonly number[];
  /** The route of each prompt token. */
  readonly promptRoutes: readonly TokenRoute[];
  /** The route of each new token. */
  readonly routes: readonly TokenRoute[];
  /** `stop` at a stop token, `length` after `maxNewTokens` or at the end of learned positions. */
  readonly finish: 'stop' | 'length';
}

/**
 * Continues each prompt (a row of at least one token). A token's experts are those that process it, one forward
 * pass after it was chosen; so a model with mixture-of-experts layers runs its last token, too. Changes no state
 * of the model and leaves no tensors behind.
 */
export async function generate(
  model: DecoderModel,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions = {},
): Promise<GeneratedRow[]> {
  const {
    maxNewTokens = 64,
    stopTokens = [],
    padToken = 0,
    balance = 'potentials',
    onToken,
    signal,
  } = options;
  checkSampling(options);
  checkPrompts(prompts, model.architecture.vocabulary);
  checkValue(
    Number.isInteger(maxNewTokens) && maxNewTokens >= 0,
    `maxNewTokens must be a whole number, got ${maxNewTokens}.`,
    'generate',
  );
  const rng = new Rng(options.seed ?? 0);
  // learned positions end: as many tokens as there is room for beside the longest prompt
  const width = Math.max(...prompts.map(prompt => prompt.length));
  const limit = Math.min(
    maxNewTokens,
    Math.max(0, (model.learnedPositions ?? Number.POSITIVE_INFINITY) - width),
  );
  const rows = prompts.map((_, r) => new Row(rng.split('row', r), limit, stopTokens));
  const routed = model.routers.length > 0;
  let cache: ModelCache = emptyCache();
  const run = async (
    feed: readonly number[][],
    mask: readonly number[][] | undefined,
  ): Promise<DecodePass> => {
    if (signal?.aborted) {
      throw new SpectraError('INTERRUPTED', { message: 'generation was aborted.', where: 'generate' });
    }
    const pass = await decodePass(model, feed, mask, balance, cache);
    cache = pass.cache;
    return pass;
  };
  try {
    // all that was fed so far, row by row
    const { feed, mask } = padLeft(prompts, width, padToken);
    let { logits, routes } = await run(feed, mask);
    for (const [r, row] of rows.entries()) row.promptRoutes = routes[r]!.slice(width - prompts[r]!.length);
    const { switchesAt = Number.POSITIVE_INFINITY } = model;
    const lastPosition = (): number =>
      Math.max(...rows.map((row, r) => prompts[r]!.length + row.tokens.length)) - 1;
    let switched = lastPosition() >= switchesAt;
    while (rows.some(row => row.open)) {
      const fresh = rows.map((row, r) => row.open && row.take(logits[r]!, options));
      if (routed || rows.some(row => row.open)) {
        for (const [r, row] of rows.entries()) {
          feed[r]!.push(fresh[r] ? row.tokens.at(-1)! : padToken);
          mask?.[r]?.push(fresh[r] ? 1 : 0);
        }
        let from = -1;
        if (!switched && lastPosition() >= switchesAt) {
          // what the cache holds was made with other frequencies
          disposeCache(cache);
          cache = emptyCache();
          switched = true;
          from = 0;
        }
        const tail = (all: readonly number[][]): number[][] => all.map(row => row.slice(from));
        ({ logits, routes } = await run(tail(feed), mask && tail(mask)));
      } else {
        routes = rows.map(() => [{ experts: [], gates: [] }]);
      }
      for (const [r, row] of rows.entries()) {
        if (!fresh[r]) continue;
        const route = routes[r]!.at(-1)!;
        row.routes.push(route);
        await onToken?.({ row: r, index: row.tokens.length - 1, ...row.last(), ...route });
      }
    }
  } finally {
    disposeCache(cache);
  }
  return rows.map(row => row.result());
}

/** One row under way. */
class Row {
  readonly tokens: number[] = [];
  readonly routes: TokenRoute[] = [];
  promptRoutes: readonly TokenRoute[] = [];
  private readonly logProbabilities: number[] = [];
  private readonly rng: Rng;
  private readonly limit: number;
  private readonly stopTokens: readonly number[];
  private stopped = false;

  constructor(rng: Rng, limit: number, stopTokens: readonly number[]) {
    this.rng = rng;
    this.limit = limit;
    this.stopTokens = stopTokens;
  }

  /** Whether it wants another token. */
  get open(): boolean {
    return !this.stopped && this.tokens.length < this.limit;
  }

  /** Chooses and keeps the next token; true, so that a caller can note it. */
  take(logits: Float32Array, options: SamplingOptions): true {
    const { token, logProbability } = sampleToken(logits, options, this.rng);
    this.tokens.push(token);
    this.logProbabilities.push(logProbability);
    this.stopped = this.stopTokens.includes(token);
    return true;
  }

  last(): SampledToken {
    return { token: this.tokens.at(-1)!, logProbability: this.logProbabilities.at(-1)! };
  }

  result(): GeneratedRow {
    const { tokens, logProbabilities, promptRoutes, routes } = this;
    return { tokens, logProbabilities, promptRoutes, routes, finish: this.stopped ? 'stop' : 'length' };
  }
}

/** Prompts as one rectangle, padding on the left; no mask for a single row, which never needs one. */
function padLeft(prompts: readonly (readonly number[])[], width: number, padToken: number) {
  const pad = (row: readonly number[], value: number): number[] => [
    ...new Array<number>(width - row.length).fill(value),
    ...row,
  ];
  const mask = prompts.map(prompt => pad(new Array<number>(prompt.length).fill(1), 0));
  return {
    feed: prompts.map(prompt => pad(prompt, padToken)),
    mask: prompts.length === 1 ? undefined : mask,
  };
}

function checkPrompts(prompts: readonly (readonly number[])[], vocabulary: number): void {
  checkValue(prompts.length > 0, 'there is no prompt.', 'generate');
  for (const [r, prompt] of prompts.entries()) {
    checkValue(
      prompt.length > 0,
      `prompt ${r} is empty.`,
      'generate',
      'Begin it with a start-of-text token.',
    );
    const wrong = prompt.find(token => !Number.isInteger(token) || token < 0 || token >= vocabulary);
    checkValue(
      wrong === undefined,
      `prompt ${r} holds token ${wrong}, the vocabulary ends at ${vocabulary}.`,
      'generate',
    );
  }
}
