/** One arm against others over paired seeds: tests, and correction within the table. */
import { holm } from './holm.ts';
import { FEWEST_PAIRS, mean, type PairedT, pairedT } from './paired-t.ts';
import { type SignedRank, signedRank } from './signed-rank.ts';

/** Value by seed; seeds that failed are left out. */
export type BySeed = ReadonlyMap<number, number>;

export interface Comparison {
  readonly other: string;
  /** Seeds that both have, rising. */
  readonly seeds: readonly number[];
  /** Reference minus other, mean over those seeds; undefined without any. */
  readonly difference: number | undefined;
  readonly test: PairedT | undefined;
  /** Holm's, within the comparisons made together. */
  readonly correctedP: number | undefined;
  readonly wilcoxon: SignedRank | undefined;
  /** Reference minus other by seed. */
  readonly differences: readonly number[];
  /** Why there is no test. */
  readonly note?: string;
}

/** The level at which a corrected p is called significant. */
export const LEVEL = 0.05;

/** Paired t with Holm's correction over all `others`, which are one family. */
export function compareAll(
  reference: BySeed,
  others: readonly { readonly name: string; readonly values: BySeed }[],
): Comparison[] {
  return compareTogether(others.map(other => ({ ...other, reference })));
}

/** The same where each has a reference of its own: another point of a grid, another metric. */
export function compareTogether(
  family: readonly { readonly name: string; readonly reference: BySeed; readonly values: BySeed }[],
): Comparison[] {
  const single = family.map(({ name, reference, values }) => compareOne(reference, name, values));
  const corrected = holm(single.map(({ test }) => test?.p));
  return single.map((comparison, i) => ({ ...comparison, correctedP: corrected[i] }));
}

function compareOne(reference: BySeed, other: string, values: BySeed): Comparison {
  const seeds = [...reference.keys()].filter(seed => values.has(seed)).sort((x, y) => x - y);
  const [a, b] = [reference, values].map(map => seeds.map(seed => map.get(seed)!)) as [number[], number[]];
  const differences = a.map((value, i) => value - b[i]!);
  const test = pairedT(a, b);
  const common = {
    other,
    seeds,
    difference: seeds.length === 0 ? undefined : mean(differences),
    differences,
    correctedP: undefined,
    wilcoxon: test === undefined ? undefined : signedRank(a, b),
  };
  if (test !== undefined) return { ...common, test };
  const note =
    seeds.length < FEWEST_PAIRS
      ? `${seeds.length === 0 ? 'no' : seeds.length} paired ${seeds.length === 1 ? 'seed' : 'seeds'}: too few for a test`
      : 'every difference is the same: there is no variance to test against';
  return { ...common, test: undefined, note };
}
