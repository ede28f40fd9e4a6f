/** TF-IDF with each expert as a document. */
import { checkValue } from '@spectra/tensor';

/** Smooth inverse document frequency ln((1 + documents)/(1 + containing)) + 1, as scikit-learn's default. */
export const smoothIdf = (documents: number, containing: number): number =>
  Math.log((1 + documents) / (1 + containing)) + 1;

/** counts [E,terms] → weights count·idf [E,terms], each row of length 1 (or all 0). */
export function tfidf(counts: ArrayLike<number>, experts: number): Float64Array {
  const terms = counts.length / experts;
  checkValue(Number.isInteger(terms), `${counts.length} counts are no rows of ${experts} experts.`, 'tfidf');
  const weights = new Float64Array(counts.length);
  for (let term = 0; term < terms; term++) {
    let containing = 0;
    for (let e = 0; e < experts; e++) if (counts[e * terms + term]! > 0) containing++;
    const idf = smoothIdf(experts, containing);
    for (let e = 0; e < experts; e++) weights[e * terms + term] = counts[e * terms + term]! * idf;
  }
  for (let e = 0; e < experts; e++) {
    const row = weights.subarray(e * terms, (e + 1) * terms);
    const norm = Math.sqrt(row.reduce((sum, w) => sum + w * w, 0));
    if (norm > 0) for (let i = 0; i < terms; i++) row[i] = row[i]! / norm;
  }
  return weights;
}
