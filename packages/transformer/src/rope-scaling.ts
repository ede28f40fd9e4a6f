/** Rotary frequencies for contexts longer than those of pre-training, as data; the mathematics is in `rotary.ts`. */
import { z } from 'zod';

const positiveInteger = z.int().positive();
const factor = z.number().positive();
const original = positiveInteger.describe('L₀, context length of pre-training, in positions.');
const amplitude = factor.optional().describe('Factor on cosines and sines; by default what the method says.');
const factors = z.array(factor).min(1);

export const ropeScalingSchema = z.discriminatedUnion('rope_type', [
  z.strictObject({
    rope_type: z.literal('linear'),
    factor: factor.describe('Every frequency is divided by it.'),
  }),
  z.strictObject({
    rope_type: z.literal('llama3'),
    factor: factor.describe('Frequencies that turn less than low_freq_factor times are divided by it.'),
    low_freq_factor: factor.describe('Turns within L₀ below which a frequency is scaled.'),
    high_freq_factor: factor.describe('Turns within L₀ above which it is left as it is.'),
    original_max_position_embeddings: original,
  }),
  z.strictObject({
    rope_type: z.literal('yarn'),
    factor: factor.describe('Slow frequencies are divided by it.'),
    original_max_position_embeddings: original,
    beta_fast: factor.default(32).describe('Turns within L₀ above which a frequency is left as it is.'),
    beta_slow: factor.default(1).describe('Turns within L₀ below which it is divided.'),
    truncate: z.boolean().default(true).describe('Whether the band between them ends at whole channels.'),
    attention_factor: amplitude,
    mscale: z.number().optional().describe('With mscale_all_dim: their ratio gives the amplitude.'),
    mscale_all_dim: z.number().optional().describe('See mscale; latent attention takes its scale from it.'),
  }),
  z.strictObject({
    rope_type: z.literal('longrope'),
    short_factor: factors.describe('Divisor of each frequency where every position is below L₀.'),
    long_factor: factors.describe('Divisor of each frequency where a position of the batch reaches L₀.'),
    original_max_position_embeddings: original,
    factor: factor.describe('Longest context over L₀.'),
    attention_factor: amplitude,
  }),
]);
export type RopeScaling = z.infer<typeof ropeScalingSchema>;
