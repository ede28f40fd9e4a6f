/**
 * Noise on the embeddings while training: NEFTune (Jain et al., "NEFTune: Noisy embeddings improve instruction
 * finetuning", 2023).
 */
import { Rng } from '@spectra/tensor';

export interface EmbeddingNoise {
  readonly alpha: number;
  /** Of the run. */
  readonly seed: number;
  /** Optimizer steps done. */
  readonly step: number;
  /** Number of the micro-batch in its step. */
  readonly microBatch: number;
}

/**
 * [batch, length, hidden]: uniform numbers in (−1, 1) times α/√(L·hidden), where L is the number of tokens of the
 * document in its row; 0 at padding. The numbers follow from seed, step and micro-batch alone, so a run that is resumed,
 * or shared by threads, draws the same. `documents` [batch·length] is the document of each token, −1 at padding.
 */
export function drawNoise(
  { batch, length, documents }: TokenPlaces,
  hidden: number,
  { alpha, seed, step, microBatch }: EmbeddingNoise,
): Float32Array {
  const rng = new Rng(seed).split('embedding noise').split('step', step).split('micro-batch', microBatch);
  const noise = new Float32Array(batch * length * hidden);
  for (let row = 0; row < batch; row++) {
    for (let begin = row * length, end = begin; begin < (row + 1) * length; begin = end) {
      while (end < (row + 1) * length && documents[end] === documents[begin]) end++;
      if (documents[begin]! < 0) continue;
      const scale = alpha / Math.sqrt((end - begin) * hidden);
      rng.fillUniform(noise.subarray(begin * hidden, end * hidden), -scale, scale);
    }
  }
  return noise;
}

interface TokenPlaces {
  readonly batch: number;
  readonly length: number;
  readonly documents: Int32Array;
}
