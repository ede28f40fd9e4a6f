/** How distinct the experts' vectors are, from their normalised Gram matrix. */
import { checkValue } from '@spectra/tensor';

/** Below this norm a vector has no direction: it counts as 0, as in the router. */
const SMALLEST_NORM = 1e-6;

export interface GramMetrics {
  /** 1 − ‖G−I‖_F/√(E(E−1)): 0 for identical or anti-parallel experts, 1 for orthonormal ones. */
  readonly orthogonality: number;
  /** 1 − ‖G−I‖_F/(E√2), the form of the method's reference material: 0.29–0.5 for identical experts. */
  readonly reference: number;
  /** The most `orthogonality` can be: 1 − √((E−D)/(D(E−1))) where E > D (Welch's bound), else 1. */
  readonly ceiling: number;
}

/** G = Ê Êᵀ of row-normalised vectors, [E,E] float64. */
export function gramMatrix(vectors: ArrayLike<number>, experts: number, width: number): Float64Array {
  const unit = new Float64Array(experts * width);
  for (let e = 0; e < experts; e++) {
    let squares = 0;
    for (let d = 0; d < width; d++) squares += vectors[e * width + d]! ** 2;
    const norm = Math.sqrt(squares);
    if (norm < SMALLEST_NORM) continue;
    for (let d = 0; d < width; d++) unit[e * width + d] = vectors[e * width + d]! / norm;
  }
  const gram = new Float64Array(experts * experts);
  for (let a = 0; a < experts; a++) {
    for (let b = a; b < experts; b++) {
      let dot = 0;
      for (let d = 0; d < width; d++) dot += unit[a * width + d]! * unit[b * width + d]!;
      gram[a * experts + b] = gram[b * experts + a] = dot;
    }
  }
  return gram;
}

/**
 * Gram orthogonality of one vector per expert, [E,D] row-major; rows need not be normalised. All three values are
 * 1 for one expert. Throws `VALUE` for a wrong length or a value that is not finite.
 */
export function gramOrthogonality(vectors: ArrayLike<number>, experts: number, width: number): GramMetrics {
  const where = 'gramOrthogonality';
  checkValue(
    experts > 0 && width > 0 && vectors.length === experts * width,
    `expected ${experts}·${width} entries, got ${vectors.length}.`,
    where,
  );
  if (experts === 1) return { orthogonality: 1, reference: 1, ceiling: 1 };
  const gram = gramMatrix(vectors, experts, width);
  let squares = 0;
  for (let a = 0; a < experts; a++) {
    for (let b = 0; b < experts; b++) squares += (gram[a * experts + b]! - (a === b ? 1 : 0)) ** 2;
  }
  const norm = Math.sqrt(squares);
  checkValue(Number.isFinite(norm), 'an expert vector is not finite.', where);
  return {
    orthogonality: 1 - norm / Math.sqrt(experts * (experts - 1)),
    reference: 1 - norm / (experts * Math.SQRT2),
    ceiling: experts > width ? 1 - Math.sqrt((experts - width) / (width * (experts - 1))) : 1,
  };
}
