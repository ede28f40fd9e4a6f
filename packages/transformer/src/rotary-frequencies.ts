/** Angular frequencies of rotary position embedding, and the methods that stretch them. */
import { checkValue } from '@spectra/tensor';
import type { RopeScaling } from './rope-scaling.ts';

type Yarn = Extract<RopeScaling, { rope_type: 'yarn' }>;

/**
 * The d/2 angular frequencies of d channels, in radians per position: f_i = θ^(−2i/d), scaled.
 *
 * - `linear`: f / factor (Chen et al. 2023).
 * - `llama3`: with n = L₀·f/2π turns within the original context L₀, f/factor where n < low, f where n > high, and
 *   between them (1−t)·f/factor + t·f with t = (n − low)/(high − low).
 * - `yarn` (Peng et al. 2023): f·(1−t) + f/factor·t, t rising from 0 to 1 over a band of channels; see `yarnBand`.
 * - `longrope` (Ding et al. 2024): f divided by a factor of its own, from one of two lists (`range`).
 */
export function inverseFrequencies(
  width: number,
  theta: number,
  scaling?: RopeScaling,
  range: 'short' | 'long' = 'short',
): Float64Array {
  const plain = Float64Array.from({ length: width / 2 }, (_, i) => theta ** ((-2 * i) / width));
  switch (scaling?.rope_type) {
    case undefined:
      return plain;
    case 'linear':
      return plain.map(f => f / scaling.factor);
    case 'llama3': {
      const { factor, low_freq_factor: low, high_freq_factor: high } = scaling;
      return plain.map(f => {
        const turns = (scaling.original_max_position_embeddings * f) / (2 * Math.PI);
        const t = clamp((turns - low) / (high - low));
        return (1 - t) * (f / factor) + t * f;
      });
    }
    case 'yarn': {
      const [low, high] = yarnBand(width, theta, scaling);
      return plain.map((f, i) => {
        const t = clamp((i - low) / (high - low));
        return f * (1 - t) + (f / scaling.factor) * t;
      });
    }
    case 'longrope': {
      const divisors = range === 'short' ? scaling.short_factor : scaling.long_factor;
      checkValue(
        divisors.length === plain.length,
        `${divisors.length} ${range} factors for ${plain.length} frequencies.`,
        'inverseFrequencies',
      );
      return plain.map((f, i) => f / divisors[i]!);
    }
  }
}

/** The channels that turn β_fast and β_slow times within L₀: c(r) = d·ln(L₀/(2π·r)) / (2·ln θ). */
function yarnBand(width: number, theta: number, scaling: Yarn): [number, number] {
  const { original_max_position_embeddings: original, beta_fast, beta_slow, truncate } = scaling;
  const channel = (turns: number): number =>
    (width * Math.log(original / (2 * Math.PI * turns))) / (2 * Math.log(theta));
  const [from, to] = [channel(beta_fast), channel(beta_slow)];
  const low = Math.max(truncate ? Math.floor(from) : from, 0);
  const high = Math.min(truncate ? Math.ceil(to) : to, width - 1);
  return [low, low === high ? high + 0.001 : high];
}

/** y(m) = 0.1·m·ln(factor) + 1, by which YaRN sharpens the attention over a stretched context. */
export function yarnSharpness(factor: number, scale = 1): number {
  return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
}

/** The factor on cosines and sines. */
export function amplitude(scaling?: RopeScaling): number {
  if (scaling?.rope_type === 'yarn') {
    const { factor, attention_factor, mscale, mscale_all_dim } = scaling;
    if (attention_factor !== undefined) return attention_factor;
    return mscale && mscale_all_dim
      ? yarnSharpness(factor, mscale) / yarnSharpness(factor, mscale_all_dim)
      : yarnSharpness(factor);
  }
  if (scaling?.rope_type === 'longrope') {
    const { factor, attention_factor, original_max_position_embeddings: original } = scaling;
    if (attention_factor !== undefined) return attention_factor;
    return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  }
  return 1;
}

function clamp(t: number): number {
  return Math.min(1, Math.max(0, t));
}
