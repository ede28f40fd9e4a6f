/** Scores that only say "at random, and the same again": a hash of a token, where it stands, and a key. */
import { checkShape, defineOp, noGrad, SpectraError } from '@spectra/tensor';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { tensor2d, zeros } from '@tensorflow/tfjs-core';
import type { HashAttrs } from './kernels/reference/hash-scores.ts';
import { hashScoresOf } from './kernels/reference/hash-scores.ts';
import { hashScoresOnDevice } from './kernels/webgpu/hash-scores.ts';

type Inputs = { readonly tokens: Tensor; readonly positions: Tensor | undefined };

const op = defineOp<Inputs, HashAttrs>({
  name: 'HashScores',
  readsBack: true,
  reference: ({ tokens, positions }, attrs) => [
    tensor2d(hashScoresOf(tokens.dataSync(), positions?.dataSync(), attrs), [tokens.size, attrs.experts]),
  ],
  kernels: { webgpu: hashScoresOnDevice },
});

/**
 * [N,E] float32 of [0, 1) with 24 bits: a hash of each token id, its position where given, the expert and four words of
 * 32 bits (a key, a step). The k best of a row are then k experts drawn without bias, equal on every backend. Integers
 * only, so the numbers are exact; a constant. The caller owns it.
 *
 * @param tokens int32 of N elements
 * @param positions int32 of N elements
 */
export function hashScores(
  tokens: Tensor,
  positions: Tensor | undefined,
  experts: number,
  words: HashAttrs['words'],
): Tensor2D {
  for (const ids of [tokens, positions]) {
    if (ids !== undefined && ids.dtype !== 'int32') {
      throw new SpectraError('SHAPE', {
        message: `ids and positions must be int32, got ${ids.dtype}.`,
        where: 'hashScores',
      });
    }
  }
  if (positions !== undefined) checkShape(positions.shape, tokens.shape, 'hashScores positions');
  if (tokens.size === 0) return zeros([0, experts]) as Tensor2D;
  return noGrad(() => op({ tokens, positions }, { experts, words })[0] as Tensor2D);
}
