/** What a model that knows nothing but token frequencies pays: the line a language model must get under. */
import { checkValue } from '@spectra/tensor';

/** Entropy of the empirical distribution in nats per token: −Σ p ln p over counts (≥ 0); 0 for one kind of token. */
export function unigramEntropy(counts: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) {
    checkValue(counts[i]! >= 0, `count ${i} is ${counts[i]}.`, 'unigramEntropy');
    total += counts[i]!;
  }
  checkValue(total > 0, 'nothing was counted.', 'unigramEntropy');
  let sum = 0;
  for (let i = 0; i < counts.length; i++) if (counts[i]! > 0) sum += counts[i]! * Math.log(counts[i]!);
  return Math.log(total) - sum / total;
}

/** Nats per token of text with `counts` under the frequencies of other text, with add-one smoothing. */
export function unigramCrossEntropy(counts: ArrayLike<number>, model: ArrayLike<number>): number {
  checkValue(counts.length === model.length, 'the vocabularies differ.', 'unigramCrossEntropy');
  let total = 0;
  let modelTotal = model.length;
  for (let i = 0; i < model.length; i++) {
    total += counts[i]!;
    modelTotal += model[i]!;
  }
  checkValue(total > 0, 'nothing was counted.', 'unigramCrossEntropy');
  let sum = 0;
  for (let i = 0; i < model.length; i++) if (counts[i]! > 0) sum += counts[i]! * Math.log(model[i]! + 1);
  return Math.log(modelTotal) - sum / total;
}
