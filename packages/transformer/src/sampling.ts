/** Choosing the next token from one row of logits, on the host, so that every backend chooses alike. */
import { checkValue, type Rng, SpectraError } from '@spectra/tensor';

export interface SamplingOptions {
  /** Logits are divided by it; 0 (default) is greedy: the largest logit, ties to the lowest token. */
  readonly temperature?: number;
  /** Only the k largest logits; all by default. */
  readonly topK?: number;
  /** Only the fewest most likely tokens whose probabilities reach p (Holtzman et al. 2020); 1 by default. */
  readonly topP?: number;
}

export interface SampledToken {
  readonly token: number;
  /** Natural logarithm of its probability under the unmodified logits (temperature 1, no cut). */
  readonly logProbability: number;
}

/** Throws `VALUE` for an option out of range. */
export function checkSampling({ temperature = 0, topK, topP = 1 }: SamplingOptions): void {
  checkValue(
    temperature >= 0 && temperature < Infinity,
    `temperature must be 0 or more, got ${temperature}.`,
    'sampling',
  );
  checkValue(
    topK === undefined || (Number.isInteger(topK) && topK > 0),
    `topK must be a positive integer, got ${topK}.`,
    'sampling',
  );
  checkValue(topP > 0 && topP <= 1, `topP must be in (0, 1], got ${topP}.`, 'sampling');
}

/**
 * Draws a token: temperature, then top-k, then top-p. One number is taken from `rng` unless greedy. Throws
 * `NOT_FINITE` where a logit is NaN or +∞.
 */
export function sampleToken(logits: Float32Array, options: SamplingOptions, rng: Rng): SampledToken {
  const { temperature = 0, topK = logits.length, topP = 1 } = options;
  const best = argMax(logits);
  const logNormaliser = logSumExp(logits, logits[best]!);
  const chosen = temperature === 0 ? best : draw(logits, temperature, topK, topP, rng.uniform());
  return { token: chosen, logProbability: logits[chosen]! - logNormaliser };
}

function draw(
  logits: Float32Array,
  temperature: number,
  topK: number,
  topP: number,
  uniform: number,
): number {
  // by falling logit, ties to the lowest token: the same order on every machine
  const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b);
  const kept = order.slice(0, topK);
  const top = logits[kept[0]!]!;
  const weights = kept.map(token => Math.exp((logits[token]! - top) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  let count = 0;
  let mass = 0;
  while (count < kept.length && (count === 0 || mass < topP * total)) mass += weights[count++]!;
  let target = uniform * mass;
  for (let i = 0; i < count; i++) {
    target -= weights[i]!;
    if (target < 0) return kept[i]!;
  }
  return kept[count - 1]!; // rounding may leave a crumb
}

function argMax(logits: Float32Array): number {
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    const value = logits[i]!;
    if (Number.isNaN(value) || value === Infinity) {
      throw new SpectraError('NOT_FINITE', {
        message: `the logit of token ${i} is ${value}.`,
        where: 'sampleToken',
      });
    }
    if (value > logits[best]!) best = i;
  }
  return best;
}

function logSumExp(logits: Float32Array, top: number): number {
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - top);
  return top + Math.log(sum);
}
