import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Rng } from '@spectra/tensor';
import { describe, expect, it } from 'vitest';
import { bootstrapInterval } from './bootstrap.ts';
import { type BySeed, compareAll, LEVEL } from './compare.ts';
import { holm } from './holm.ts';
import { pairedT } from './paired-t.ts';
import { midranks, signedRank } from './signed-rank.ts';

interface Fixture {
  readonly pairs: readonly {
    readonly a: number[];
    readonly b: number[];
    readonly t: number;
    readonly p: number;
    readonly effect: number;
    readonly wilcoxon: { readonly n: number; readonly statistic: number; readonly p: number };
  }[];
  readonly bootstrap: readonly {
    readonly values: number[];
    readonly low: number;
    readonly high: number;
    readonly deviation: number;
  }[];
  readonly holm: readonly { readonly p: number[]; readonly corrected: number[] }[];
}

const file = fileURLToPath(new URL('../../../../fixtures/statistics/scipy.json', import.meta.url));
const fixture = JSON.parse(readFileSync(file, 'utf8')) as Fixture;

const relative = (found: number, wanted: number): number =>
  Math.abs(found - wanted) / Math.max(Math.abs(wanted), 1e-300);

describe('against SciPy', () => {
  it.each(fixture.pairs.map((pair, i) => ({ ...pair, name: `pair ${i}, n ${pair.a.length}` })))(
    '$name: paired t, effect and signed rank',
    ({ a, b, t, p, effect, wilcoxon }) => {
      const found = pairedT(a, b)!;
      expect(relative(found.t, t)).toBeLessThan(1e-9);
      expect(relative(found.p, p)).toBeLessThan(1e-6);
      expect(relative(found.effect, effect)).toBeLessThan(1e-9);
      const ranks = signedRank(a, b)!;
      expect(ranks.n).toBe(wilcoxon.n);
      expect(ranks.statistic).toBeCloseTo(wilcoxon.statistic, 9);
      expect(Math.abs(ranks.p - wilcoxon.p)).toBeLessThan(1e-8);
    },
  );

  it.each(fixture.holm)("Holm's correction of $p", ({ p, corrected }) => {
    const found = holm(p);
    corrected.forEach((value, i) => {
      expect(found[i]).toBeCloseTo(value, 12);
    });
  });

  it.each(fixture.bootstrap)(
    'the bootstrap of $values.length values is near the enumeration of all resamples',
    ({ values, low, high, deviation }) => {
      const [foundLow, foundHigh] = bootstrapInterval(values);
      expect(Math.abs(foundLow - low)).toBeLessThan(0.15 * deviation);
      expect(Math.abs(foundHigh - high)).toBeLessThan(0.15 * deviation);
      expect(bootstrapInterval(values)).toEqual([foundLow, foundHigh]);
    },
  );
});

describe('signedRank', () => {
  it('says what it could attain at best: nothing below six pairs', () => {
    const smallest = (n: number) =>
      signedRank(
        Array.from({ length: n }, (_, i) => i + 1),
        new Array<number>(n).fill(0),
      )!.smallestP;
    expect(smallest(5)).toBe(2 / 32);
    expect(smallest(5)).toBeGreaterThan(LEVEL);
    expect(smallest(6)).toBeLessThan(LEVEL);
  });

  it('shares ranks among ties', () => {
    expect(midranks([3, 1, 3, 2])).toEqual([3.5, 1, 3.5, 2]);
  });
});

describe('compareAll', () => {
  const bySeed = (values: readonly number[]): BySeed => new Map(values.map((value, seed) => [seed, value]));

  it('uses the seeds that both have and says when they are too few', () => {
    const [first, second] = compareAll(bySeed([1, 2, 3, 4]), [
      { name: 'short', values: new Map([[1, 2.5]]) },
      { name: 'none', values: new Map() },
    ]);
    expect(first!.seeds).toEqual([1]);
    expect(first!.difference).toBe(-0.5);
    expect(first!.test).toBeUndefined();
    expect(first!.correctedP).toBeUndefined();
    expect(first!.note).toBe('1 paired seed: too few for a test');
    expect(second!.note).toBe('no paired seeds: too few for a test');
  });

  it('calls equal arms equal and constant differences untestable', () => {
    const reference = bySeed([1.1, 2.2, 3.3]);
    const [same, shifted] = compareAll(reference, [
      { name: 'same', values: reference },
      { name: 'shifted', values: bySeed([2.1, 3.2, 4.3]) },
    ]);
    expect(same!.test!.p).toBe(1);
    expect(same!.correctedP).toBe(1);
    expect(shifted!.test).toBeUndefined();
    expect(shifted!.note).toContain('no variance');
  });

  it('finds something in 1 to 10 % of 200 tables in which there is nothing', () => {
    let found = 0;
    for (let table = 0; table < 200; table++) {
      const rng = new Rng(7).split('null', table);
      const seeds = Array.from({ length: 5 }, () => rng.normal(2, 0.05));
      // a seed moves every arm alike, an arm moves nothing
      const arm = () => bySeed(seeds.map(base => base + rng.normal(0, 0.01)));
      const others = Array.from({ length: 6 }, (_, i) => ({ name: String(i), values: arm() }));
      if (compareAll(arm(), others).some(({ correctedP }) => correctedP! < LEVEL)) found++;
    }
    expect(found).toBeGreaterThanOrEqual(2);
    expect(found).toBeLessThanOrEqual(20);
  });

  it('finds a real difference', () => {
    const rng = new Rng(3);
    const reference = Array.from({ length: 5 }, () => rng.normal(1.8, 0.02));
    const worse = reference.map(value => value + 0.1 + rng.normal(0, 0.01));
    const [comparison] = compareAll(bySeed(reference), [{ name: 'worse', values: bySeed(worse) }]);
    expect(comparison!.correctedP).toBeLessThan(0.001);
    expect(bootstrapInterval(comparison!.differences)[1]).toBeLessThan(0);
  });
});
