import { Rng } from '@spectra/tensor';
import { describe, expect, test } from 'vitest';
import { quota } from './kernels/reference/quota.ts';
import { topK } from './kernels/reference/top-k.ts';
import { capacity, liveRows } from './selection.ts';
import type { Rows } from './selection-oracle.ts';
import {
  deferredAcceptance,
  grouped,
  KINDS,
  quotaOracle,
  randomScores,
  ranking,
  slotTable,
} from './selection-oracle.ts';

const ALPHAS = [1, 1, 1.1, 1.25, 0.5, 0.8, 2, 1];

interface Instance {
  readonly P: Rows;
  readonly k: number;
  readonly groups: number;
  readonly alpha: number;
  readonly rng: Rng;
}

function instances(count: number, groups: number): Instance[] {
  const rng = new Rng(5).split('selection', groups);
  return Array.from({ length: count }, (_, i) => {
    const experts = (1 + rng.integer(Math.floor(9 / groups))) * groups;
    const k = (1 + rng.integer(experts / groups)) * groups;
    const P = randomScores(() => rng.uniform(), 1 + rng.integer(23), experts, i);
    return { P, k, groups, alpha: ALPHAS[i % ALPHAS.length]!, rng };
  });
}

function run({ P, k, groups, alpha }: Instance): {
  indices: number[];
  dropped: number;
  swaps: number;
  cap: number;
} {
  const [tokens, experts] = [P.length, P[0]!.length];
  const cap = capacity(alpha, tokens, k, experts);
  const sizes = { tokens, experts, k, groups };
  const found = quota(Float32Array.from(P.flat()), liveRows(undefined, tokens), cap, sizes);
  return { ...found, indices: [...found.indices], cap };
}

/** The experts of each token in a table of slots. */
function setsOf(indices: readonly number[], k: number): Set<number>[] {
  const tokens = indices.length / k;
  return Array.from(
    { length: tokens },
    (_, t) => new Set(indices.slice(t * k, (t + 1) * k).filter(e => e >= 0)),
  );
}

describe('quota', () => {
  test.each([1, 2, 3])(
    'equals the rule as stated, drops nothing that fits and keeps to the capacity, groups %i',
    groups => {
      let swapped = 0;
      for (const instance of instances(1000, groups)) {
        const { P, k, alpha } = instance;
        const [tokens, experts] = [P.length, P[0]!.length];
        const { indices, dropped, swaps, cap } = run(instance);
        const expected = grouped(P, groups, columns => quotaOracle(columns, k / groups, cap));
        expect(indices).toEqual(slotTable(P, expected.held, k));
        expect(swaps).toBe(expected.swaps);
        expect(dropped).toBe(Math.max(0, tokens * k - experts * cap));
        if (alpha >= 1) expect(indices).not.toContain(-1);
        for (let e = 0; e < experts; e++)
          expect(indices.filter(x => x === e).length).toBeLessThanOrEqual(cap);
        for (const [t, held] of setsOf(indices, k).entries()) {
          expect(held.size, 'distinct').toBe(indices.slice(t * k, (t + 1) * k).filter(e => e >= 0).length);
        }
        if (swaps > 0) swapped++;
      }
      expect(swapped, 'instances that need stage 2').toBeGreaterThan(30);
    },
  );

  test('without swaps is deferred acceptance, whatever the order in which tokens are visited', () => {
    for (const instance of instances(500, 1)) {
      const { P, k, rng } = instance;
      const { indices, swaps, cap } = run(instance);
      if (swaps > 0) continue;
      const stable = deferredAcceptance(P, k, cap, tokens => rng.shuffle(tokens));
      expect(indices).toEqual(slotTable(P, stable, k));
    }
  });

  test('without ties, relabelling tokens and experts relabels the result', () => {
    for (const instance of instances(500, 1)) {
      const { P, k, rng } = instance;
      if (new Set(P.flat()).size < P.flat().length) continue;
      const rows = [...rng.permutation(P.length)];
      const columns = [...rng.permutation(P[0]!.length)];
      const permuted = rows.map(t => columns.map(e => P[t]![e]!));
      const held = setsOf(run(instance).indices, k);
      const again = setsOf(run({ ...instance, P: permuted }).indices, k);
      again.forEach((set, i) => {
        expect(new Set([...set].map(e => columns[e]!))).toEqual(held[rows[i]!]!);
      });
    }
  });

  test('rows of padding are not read and take no part', () => {
    for (const instance of instances(200, 1)) {
      const { P, k, rng, alpha } = instance;
      const mask = P.map(() => (rng.uniform() < 0.6 ? 1 : 0));
      const kept = P.filter((_, t) => mask[t] === 1);
      const filled = P.map((row, t) => (mask[t] === 1 ? row : row.map(() => Number.NaN)));
      const sizes = { tokens: P.length, experts: P[0]!.length, k, groups: 1 };
      const cap = capacity(alpha, kept.length, k, sizes.experts);
      const { indices } = quota(Float32Array.from(filled.flat()), liveRows(mask, P.length), cap, sizes);
      const expected = kept.length === 0 ? [] : run({ ...instance, P: kept }).indices;
      const slots = P.map((_, t) => [...indices.slice(t * k, (t + 1) * k)]);
      expect(slots.filter((_, t) => mask[t] === 1).flat()).toEqual(expected);
      expect(
        slots
          .filter((_, t) => mask[t] === 0)
          .flat()
          .every(e => e === -1),
      ).toBe(true);
    }
  });
});

describe('top-k', () => {
  test.each([1, 2, 3])('equals sorting each row, in each of %i groups', groups => {
    for (const { P, k } of instances(1000, groups)) {
      const sizes = { tokens: P.length, experts: P[0]!.length, k, groups };
      const found = topK(Float32Array.from(P.flat()), liveRows(undefined, P.length), sizes);
      const best = (columns: Rows) => ({
        held: columns.map(row => new Set(ranking(row).slice(0, k / groups))),
        swaps: 0,
      });
      expect([...found]).toEqual(slotTable(P, grouped(P, groups, best).held, k));
    }
  });
});

test('every kind of instance is drawn', () => {
  expect(KINDS).toBe(6);
  expect(ALPHAS.length % KINDS, 'kinds and capacities do not go in step').not.toBe(0);
});

test('capacity: rounding adds no slot, and no expert is offered more than there are tokens', () => {
  expect(capacity(1.1, 100, 1, 10)).toBe(11);
  expect(capacity(1, 61, 3, 7)).toBe(27);
  expect(capacity(2, 3, 4, 4)).toBe(3);
  expect(capacity(1, 0, 2, 8)).toBe(0);
});
