/** Which token types each expert serves, and how far these vocabularies overlap. */
import { type Assignment, checkAssignment, checkLength, isToken } from './assignment.ts';

/** Per expert: token type → times served. Its size is bounded by the vocabulary. */
export type TypeCounts = Map<number, number>[];

export const emptyTypeCounts = (experts: number): TypeCounts =>
  Array.from({ length: experts }, () => new Map());

/** Counts the token types each expert serves. Adds to `into` if given. */
export function countTypes(
  assignment: Assignment,
  tokenIds: ArrayLike<number>,
  experts: number,
  into: TypeCounts = emptyTypeCounts(experts),
): TypeCounts {
  const where = 'countTypes';
  const rows = checkAssignment(assignment, experts, where);
  checkLength(tokenIds, rows, 'tokenIds', where);
  const { indices, slots, mask } = assignment;
  for (let t = 0; t < rows; t++) {
    if (!isToken(mask, t)) continue;
    for (let j = 0; j < slots; j++) {
      const counts = into[indices[t * slots + j]!];
      if (counts !== undefined) counts.set(tokenIds[t]!, (counts.get(tokenIds[t]!) ?? 0) + 1);
    }
  }
  return into;
}

/** |A ∩ B| / |A ∪ B|; 0 for two empty sets. */
export function jaccard(
  a: ReadonlySet<number> | ReadonlyMap<number, unknown>,
  b: ReadonlySet<number> | ReadonlyMap<number, unknown>,
): number {
  const [small, large] = a.size <= b.size ? [a, b] : [b, a];
  let shared = 0;
  for (const key of small.keys()) if (large.has(key)) shared++;
  const union = a.size + b.size - shared;
  return union === 0 ? 0 : shared / union;
}

/** Jaccard of the type sets of every pair of experts in order 01, 02, …, 12, …: [E(E−1)/2]. */
export function overlapPairs(counts: TypeCounts): Float64Array {
  const pairs: number[] = [];
  for (let a = 0; a < counts.length; a++) {
    for (let b = a + 1; b < counts.length; b++) pairs.push(jaccard(counts[a]!, counts[b]!));
  }
  return Float64Array.from(pairs);
}

/** Mean pairwise Jaccard of the token-type sets; null for one expert. */
export function expertOverlap(counts: TypeCounts): number | null {
  const pairs = overlapPairs(counts);
  return pairs.length === 0 ? null : pairs.reduce((a, b) => a + b, 0) / pairs.length;
}
