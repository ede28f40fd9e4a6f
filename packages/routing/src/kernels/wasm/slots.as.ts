/** The best experts of a row in order: falling score, ties to the lowest expert. */

@inline export function at(base: usize, i: i32): usize { return base + (<usize>i << 2); }
@inline export function isLive(mask: usize, t: i32): bool { return mask == 0 || load<f32>(at(mask, t)) != 0; }

/**
 * Writes the best experts `from` … `to`−1 of a row of scores to `indices` from `start` on, at most up to `full`, those with a
 * score of at least `atLeast[e]` where it is not 0; where they end. Insertion into a sorted list: an expert that is no better than
 * the list's last is passed over, four at a time.
 */
export function bestOf(row: usize, from: i32, to: i32, indices: usize, start: i32, full: i32, atLeast: usize): i32 {
  let end = start;
  let worst: f32 = -Infinity;
  for (let e = from; e < to; e++) {
    if (end == full) {
      const worst4 = f32x4.splat(worst);
      while (e + 4 <= to && !v128.any_true(f32x4.gt(v128.load(at(row, e)), worst4))) e += 4;
      if (e >= to) break;
    }
    const score = load<f32>(at(row, e));
    if (end == full && !(score > worst)) continue;
    if (atLeast != 0 && !(score >= load<f32>(at(atLeast, e)))) continue;
    let j = end == full ? end - 1 : end++;
    while (j > start) {
      const other = load<i32>(at(indices, j - 1));
      if (!(score > load<f32>(at(row, other)))) break;
      store<i32>(at(indices, j), other);
      j--;
    }
    store<i32>(at(indices, j), e);
    worst = load<f32>(at(row, load<i32>(at(indices, end - 1))));
  }
  return end;
}

/** Sorts the experts in slots `start` … `end`−1 of a token by falling score, then expert. */
export function sortSlots(indices: usize, start: i32, end: i32, row: usize): void {
  for (let i = start + 1; i < end; i++) {
    const e = load<i32>(at(indices, i));
    const score = load<f32>(at(row, e));
    let j = i;
    for (; j > start; j--) {
      const other = load<i32>(at(indices, j - 1));
      const otherScore = load<f32>(at(row, other));
      if (score < otherScore || (score == otherScore && other < e)) break;
      store<i32>(at(indices, j), other);
    }
    store<i32>(at(indices, j), e);
  }
}

/** Whether every score of the tokens is a number below ∞. */
export function scoresHold(N: i32, E: i32, scores: usize, mask: usize): bool {
  const infinity = f32x4.splat(Infinity);
  for (let t = 0; t < N; t++) {
    if (!isLive(mask, t)) continue;
    const row = at(scores, t * E);
    let e = 0;
    for (; e + 4 <= E; e += 4) if (!i32x4.all_true(f32x4.lt(v128.load(at(row, e)), infinity))) return false;
    for (; e < E; e++) if (!(load<f32>(at(row, e)) < <f32>Infinity)) return false;
  }
  return true;
}
