/** The length of all gradients as one vector, and clipping by it (Pascanu et al., 2013). */
import type { Tensor } from '@tensorflow/tfjs-core';
import { checkValue } from '../errors.ts';
import { sumSquares } from '../ops/sum-squares.ts';

export type Gradients = readonly Tensor[] | ReadonlyMap<string, Tensor>;

export interface GlobalNorm {
  /** √Σ g², added up in float64 over the tensors; NaN or infinite where a gradient is. */
  readonly norm: number;
  /** Norm of each tensor by its name (its position in a list). */
  readonly norms: ReadonlyMap<string, number>;
  /** Names (positions in a list) of the tensors whose sum of squares is not finite. */
  readonly nonFinite: readonly string[];
}

/** One operation and one read-back for all tensors. No gradients have norm 0. */
export async function globalNorm(gradients: Gradients): Promise<GlobalNorm> {
  const named: [string, Tensor][] =
    gradients instanceof Map
      ? [...gradients]
      : (gradients as readonly Tensor[]).map((tensor, i) => [String(i), tensor]);
  if (named.length === 0) return { norm: 0, norms: new Map(), nonFinite: [] };
  const squares = sumSquares(named.map(([, tensor]) => tensor));
  const values = await squares.data();
  squares.dispose();
  let total = 0;
  for (const value of values) total += value;
  const nonFinite = named.map(([name]) => name).filter((_, i) => !Number.isFinite(values[i]));
  const norms = new Map(named.map(([name], i) => [name, Math.sqrt(values[i]!)]));
  return { norm: Math.sqrt(total), norms, nonFinite };
}

export interface Clipping extends GlobalNorm {
  /** What to multiply every gradient with: min(1, limit/norm), 1 at norm 0, and 0 where the norm is not finite. */
  readonly scale: number;
}

/**
 * The scale that brings the global norm down to `limit`; hand it to `AdamW.step`. Changes nothing itself: a step
 * with `nonFinite` names should not be taken.
 */
export async function clipByGlobalNorm(gradients: Gradients, limit: number): Promise<Clipping> {
  checkValue(limit > 0, `the limit is ${limit}, it must be positive.`, 'clipByGlobalNorm');
  const found = await globalNorm(gradients);
  if (!Number.isFinite(found.norm)) return { ...found, scale: 0 };
  return { ...found, scale: found.norm > limit ? limit / found.norm : 1 };
}
