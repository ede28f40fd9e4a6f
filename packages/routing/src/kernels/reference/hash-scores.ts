/** The hash behind `hashScores`, over plain arrays. */

export interface HashAttrs {
  readonly experts: number;
  /** Four words of 32 bits: two of the key, two that the caller mixes in. */
  readonly words: readonly [number, number, number, number];
}

/** Folds a word into a state of 32 bits: MurmurHash3's finaliser (Appleby 2011) of their sum. */
export function fold(state: number, word: number): number {
  let h = (state + Math.imul(word, 0x9e3779b9)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** [N,E] numbers of [0, 1) with 24 bits. */
export function hashScoresOf(
  tokens: ArrayLike<number>,
  positions: ArrayLike<number> | undefined,
  { experts, words }: HashAttrs,
): Float32Array {
  const out = new Float32Array(tokens.length * experts);
  const start = words.reduce(fold, 0);
  for (let t = 0; t < tokens.length; t++) {
    const state = fold(fold(start, tokens[t]!), positions?.[t] ?? 0);
    for (let e = 0; e < experts; e++) out[t * experts + e] = (fold(state, e + 1) >>> 8) * 2 ** -24;
  }
  return out;
}
