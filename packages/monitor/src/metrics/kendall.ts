import { checkValue } from '@spectra/tensor';
import { checkLength } from './assignment.ts';

/**
 * Kendall's τ-b of two vectors: (concordant − discordant) / √((pairs not tied in a)(pairs not tied in b)). Of two
 * load vectors it says whether the busy experts stay the busy ones. Null where either is constant. Kendall (1945).
 */
export function kendallTau(a: ArrayLike<number>, b: ArrayLike<number>): number | null {
  checkValue(a.length > 0, 'the vectors are empty.', 'kendallTau');
  checkLength(b, a.length, 'the second vector', 'kendallTau');
  let difference = 0;
  let untiedA = 0;
  let untiedB = 0;
  for (let i = 0; i < a.length; i++) {
    for (let j = i + 1; j < a.length; j++) {
      const signA = Math.sign(a[i]! - a[j]!);
      const signB = Math.sign(b[i]! - b[j]!);
      difference += signA * signB;
      untiedA += Math.abs(signA);
      untiedB += Math.abs(signB);
    }
  }
  return untiedA === 0 || untiedB === 0 ? null : difference / Math.sqrt(untiedA * untiedB);
}
