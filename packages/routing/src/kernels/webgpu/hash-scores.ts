/** The same hash on the device: one invocation a token. */
import { runElementwise, type WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { fold, type HashAttrs } from '../reference/hash-scores.ts';

const FOLD = `
fn fold(state: u32, word: u32) -> u32 {
  var h = state + word * 0x9e3779b9u;
  h = (h ^ (h >> 16u)) * 0x85ebca6bu;
  h = (h ^ (h >> 13u)) * 0xc2b2ae35u;
  return h ^ (h >> 16u);
}`;

export function hashScoresOnDevice(
  inputs: { readonly tokens: TensorInfo; readonly positions: TensorInfo | undefined },
  { experts, words }: HashAttrs,
  backend: WebGPUBackend,
): TensorInfo[] | undefined {
  const { tokens, positions } = inputs;
  const count = util.sizeFromShape(tokens.shape);
  if (count === 0) return undefined;
  const { scores } = runElementwise(backend, {
    inputs: { tokens, positions },
    outputs: { scores: { shape: [count, experts] } },
    types: { tokens: 'u32', positions: 'u32' },
    count,
    sizes: { experts, start: words.reduce(fold, 0) },
    declarations: FOLD,
    body: `
  let state = fold(fold(p.start, tokens[i]), ${positions === undefined ? '0u' : 'positions[i]'});
  for (var e = 0u; e < p.experts; e++) {
    scores[i * p.experts + e] = f32(fold(state, e + 1u) >> 8u) * 5.9604644775390625e-8; // 2^-24
  }`,
  });
  return [scores];
}
