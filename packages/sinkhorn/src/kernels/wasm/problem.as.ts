/**
 * One group of experts as the kernels see it: rows of padding dropped, rows padded to a multiple of four, costs turned into
 * x = (cheapest open cost − cost)/ε ≤ 0, so that exp of them keeps float32's precision whatever |C|/ε is.
 */

/** Potential of a closed expert and of the lanes past the last one: exp of it is 0. */
// @ts-ignore: decorator
@inline export const CLOSED: f32 = -1e30;

/** Rows whose float32 column sums are added up before they go into a float64 total. */
// @ts-ignore: decorator
@inline export const BLOCK: i32 = 32;

// @ts-ignore: decorator
@inline export function at(base: usize, i: i32): usize { return base + (<usize>i << 2); }
// @ts-ignore: decorator
@inline export function at8(base: usize, i: i32): usize { return base + (<usize>i << 3); }
// @ts-ignore: decorator
@inline export function padded(w: i32): i32 { return (w + 3) & ~3; }

/** token·E + expert of the first NaN or infinite cost that is not padding, −1 if there is none. */
export function firstBad(cost: usize, mask: usize, N: i32, E: i32): i32 {
  for (let t = 0; t < N; t++) {
    if (mask != 0 && !(load<f32>(at(mask, t)) > 0)) continue;
    const row = at(cost, t * E);
    let sum = f32x4.splat(0);
    let e = 0;
    for (; e + 4 <= E; e += 4) { // x − x is 0, or NaN for NaN and infinities
      const v = v128.load(at(row, e));
      sum = f32x4.add(sum, f32x4.sub(v, v));
    }
    let all: f32 = f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1) + f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3);
    for (; e < E; e++) all += load<f32>(at(row, e)) - load<f32>(at(row, e));
    if (all == 0) continue;
    for (e = 0; e < E; e++) {
      const v = load<f32>(at(row, e));
      if (v - v != 0) return t * E + e;
    }
  }
  return -1;
}

/** Lists the tokens that are not padding in `rows` [N] i32 and returns how many. */
export function liveRows(mask: usize, rows: usize, N: i32): i32 {
  let n = 0;
  for (let t = 0; t < N; t++) {
    if (mask != 0 && !(load<f32>(at(mask, t)) > 0)) continue;
    store<i32>(at(rows, n), t);
    n++;
  }
  return n;
}

/** b [w4] f64, summing to n over the group; 0 for closed experts and past the last one. */
export function columnMass(mass: usize, b: usize, w: i32, n: i32): void {
  const w4 = padded(w);
  let sum: f64 = 0;
  for (let e = 0; e < w; e++) sum += mass == 0 ? 1 : <f64>load<f32>(at(mass, e));
  for (let e = 0; e < w4; e++) {
    const own: f64 = e >= w ? 0 : mass == 0 ? 1 : <f64>load<f32>(at(mass, e));
    store<f64>(at8(b, e), own > 0 ? own * <f64>n / sum : 0);
  }
}

/** x [n,w4] and shift [n] = cheapest open cost / ε (shift 0: not wanted); a closed expert has b = 0. Returns the lowest x. */
export function packCosts(cost: usize, stride: i32, rows: usize, n: i32, w: i32, epsilon: f32, b: usize, x: usize, shift: usize): f32 {
  const w4 = padded(w);
  let anyClosed = false;
  for (let e = 0; e < w; e++) anyClosed = anyClosed || load<f64>(at8(b, e)) == 0;
  const divisor = f32x4.splat(epsilon);
  let lowest4 = f32x4.splat(0);
  let lowestX: f32 = 0;
  for (let l = 0; l < n; l++) {
    const from = at(cost, load<i32>(at(rows, l)) * stride);
    const to = at(x, l * w4);
    let lowest: f32 = f32.MAX_VALUE;
    if (anyClosed || w < 4) {
      for (let e = 0; e < w; e++) if (load<f64>(at8(b, e)) > 0) lowest = min(lowest, load<f32>(at(from, e)));
    } else {
      let low = v128.load(from);
      let e = 4;
      for (; e + 4 <= w; e += 4) low = f32x4.pmin(low, v128.load(at(from, e)));
      if (e < w) low = f32x4.pmin(low, v128.load(at(from, w - 4)));
      lowest = min(min(f32x4.extract_lane(low, 0), f32x4.extract_lane(low, 1)), min(f32x4.extract_lane(low, 2), f32x4.extract_lane(low, 3)));
    }
    const base = f32x4.splat(lowest);
    let e = 0;
    for (; e + 4 <= w; e += 4) {
      const v = f32x4.div(f32x4.sub(base, v128.load(at(from, e))), divisor);
      lowest4 = f32x4.pmin(lowest4, v);
      v128.store(at(to, e), v);
    }
    for (; e < w; e++) {
      const v = (lowest - load<f32>(at(from, e))) / epsilon;
      lowestX = min(lowestX, v);
      store<f32>(at(to, e), v);
    }
    for (; e < w4; e++) store<f32>(at(to, e), CLOSED);
    if (anyClosed) for (e = 0; e < w; e++) if (load<f64>(at8(b, e)) == 0) store<f32>(at(to, e), CLOSED);
    if (shift != 0) store<f32>(at(shift, l), lowest / epsilon);
  }
  for (let e = 0; e < 4; e++) {
    lowestX = min(lowestX, f32x4.extract_lane(lowest4, 0));
    lowest4 = i32x4.shuffle(lowest4, lowest4, 1, 2, 3, 0);
  }
  return lowestX;
}

/** Adds the float32 block sums to the float64 totals and clears them. */
// @ts-ignore: decorator
@inline export function flush(block: usize, totals: usize, w4: i32): void {
  for (let e = 0; e < w4; e++) {
    store<f64>(at8(totals, e), load<f64>(at8(totals, e)) + <f64>load<f32>(at(block, e)));
    store<f32>(at(block, e), 0);
  }
}
