/**
 * The selection rules once more, as literally as they are stated and with no thought for speed: what the tests compare
 * with. No part of the package.
 */

/** Scores as rows, one per token. */
export type Rows = readonly (readonly number[])[];

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Experts by falling score, ties to the lowest. */
export function ranking(row: readonly number[]): number[] {
  return range(row.length).sort((a, b) => (row[a] === row[b] ? a - b : row[b]! - row[a]!));
}

/** Each token asks its k best; experts keep their best `cap` and refuse the rest for good. Any visiting order. */
export function deferredAcceptance(
  P: Rows,
  k: number,
  cap: number,
  visit: (tokens: number[]) => number[],
): Set<number>[] {
  const experts = P[0]!.length;
  const refused = P.map(() => new Set<number>());
  for (;;) {
    const asked: number[][] = range(experts).map(() => []);
    for (const t of visit(range(P.length))) {
      const wishes = ranking(P[t]!).filter(e => !refused[t]!.has(e));
      for (const e of wishes.slice(0, k)) asked[e]!.push(t);
    }
    let refusals = 0;
    asked.forEach((tokens, e) => {
      tokens.sort((a, b) => (P[a]![e] === P[b]![e] ? a - b : P[b]![e]! - P[a]![e]!));
      for (const t of tokens.slice(cap)) {
        refused[t]!.add(e);
        refusals++;
      }
    });
    if (refusals === 0) return P.map((_, t) => new Set(range(experts).filter(e => asked[e]!.includes(t))));
  }
}

/** Greedy pairs, then swaps; the held sets and the number of swaps. */
export function quotaOracle(P: Rows, k: number, cap: number): { held: Set<number>[]; swaps: number } {
  const experts = P[0]!.length;
  const held = P.map(() => new Set<number>());
  const load = new Array<number>(experts).fill(0);
  const pairs = P.flatMap((row, t) => row.map((p, e) => ({ p, t, e })));
  pairs.sort((a, b) => (a.p === b.p ? a.t - b.t || a.e - b.e : b.p - a.p));
  for (const { t, e } of pairs) {
    if (held[t]!.size < k && load[e]! < cap) {
      held[t]!.add(e);
      load[e]! += 1;
    }
  }
  let swaps = 0;
  for (const { t, e: a } of pairs) {
    if (held[t]!.size >= k || held[t]!.has(a)) continue;
    const room = range(experts).filter(e => load[e]! < cap);
    if (room.length === 0) break;
    const movable = range(P.length).filter(u => held[u]!.has(a) && room.some(e => !held[u]!.has(e)));
    const u = movable.reduce((x, y) => (P[y]![a]! <= P[x]![a]! ? y : x));
    const free = room.filter(e => !held[u]!.has(e));
    const to = free.reduce((x, y) => (P[u]![y]! > P[u]![x]! ? y : x));
    held[u]!.delete(a);
    held[u]!.add(to);
    held[t]!.add(a);
    load[to]! += 1;
    swaps++;
  }
  return { held, swaps };
}

/** [N,k]: each token's experts by falling score, then −1. */
export function slotTable(P: Rows, held: readonly ReadonlySet<number>[], k: number): number[] {
  return P.flatMap((row, t) => {
    const order = ranking(row).filter(e => held[t]!.has(e));
    return [...order, ...new Array<number>(k - order.length).fill(-1)];
  });
}

/** Each group of experts by itself, joined: the held sets over all experts and the swaps of all groups. */
export function grouped(
  P: Rows,
  groups: number,
  select: (columns: Rows) => { held: Set<number>[]; swaps: number },
): { held: Set<number>[]; swaps: number } {
  const width = P[0]!.length / groups;
  const parts = range(groups).map(g => select(P.map(row => row.slice(g * width, (g + 1) * width))));
  return {
    held: P.map((_, t) => new Set(parts.flatMap((part, g) => [...part.held[t]!].map(e => e + g * width)))),
    swaps: parts.reduce((sum, part) => sum + part.swaps, 0),
  };
}

export const KINDS = 6;

/** Small random instances of every kind that has gone wrong before: ties, equal rows, one order for all. */
export function randomScores(
  random: () => number,
  tokens: number,
  experts: number,
  kind: number,
): number[][] {
  const P = range(tokens).map(() => range(experts).map(() => Math.fround(random())));
  const skew = (e: number): number => 3 * (1 - e / Math.max(1, experts - 1));
  switch (kind % KINDS) {
    case 1:
      return P.map(row => row.map(p => Math.fround(Math.round(p * 10) / 10)));
    case 2:
      return P.map(() => P[0]!);
    case 3:
      return P.map(row => row.map(() => 1));
    case 4:
      return P.map(row => row.map((p, e) => Math.fround(p ** 8 + skew(e))));
    case 5:
      return P.map(row => row.map(p => Math.fround(Math.log(Math.round(p * 10) / 10)))); // 0, −0 and −∞ among them
    default:
      return P;
  }
}
