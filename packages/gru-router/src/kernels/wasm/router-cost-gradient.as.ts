/**
 * The gradient of `routerCost` in one call, from its inputs and scores: unit vectors are made again. First over the scores,
 * four tokens at a time: the cotangent of each score, and of G where it is the batch's. Then over the tokens: with s̄ that
 * of a score and m̄ that of the mean, R̄ = s̄·X, X̄ = s̄·R + m̄/tokens, each less what lies along the unit vector, over the length.
 * The scratch of N×E scores is all that grows with N.
 */
import { madd } from '../../../../tensor/src/kernels/wasm/simd.as';
import { BLOCK, countLive, flush, fourRows, isLive, padded, repulsionOf, unitRows } from './router-cost.as';
import { addMultiple, at, dot, multiple, rowDots } from './rows.as';
import { specialityBackward, specialityWork } from './speciality.as';

/** Bytes of scratch. */
export function routerCostGradientWork(N: i32, E: i32, D: i32): i32 {
  const E4 = padded(E);
  return 4 * (N * E4 + 5 * E * D + (3 * E + 16) * E4) + specialityWork(E, D) + 64;
}

/** C̄ and |s| of four tokens to rows of whole vectors; zeros for tokens past the end. */
function gather(t: i32, N: i32, E: i32, scores: usize, dCost: usize, size: usize, dy: usize): void {
  const E4 = padded(E);
  for (let j = 0; j < 4; j++) {
    const to = j * E4, from = (t + j) * E;
    if (t + j >= N) {
      memory.fill(at(size, to), 0, <usize>E4 << 2);
      memory.fill(at(dy, to), 0, <usize>E4 << 2);
      continue;
    }
    for (let e = 0; e < E; e++) {
      store<f32>(at(size, to + e), abs(load<f32>(at(scores, from + e))));
      store<f32>(at(dy, to + e), load<f32>(at(dCost, from + e)));
    }
  }
}

/** s̄ = −C̄ + sign(s)·(repulsion + 2β·C̄·relu(|s| − τ)), sign(0) = 0, of four experts of a token. */
@inline function scoreCotangent(repulsion: v128, score: v128, dy: v128, beta: f32, tau: f32): v128 {
  const size = f32x4.abs(score), zero = f32x4.splat(0);
  const over = f32x4.max(zero, f32x4.sub(size, f32x4.splat(tau)));
  const push = madd(f32x4.mul(f32x4.splat(2 * beta), over), dy, repulsion);
  const signed = v128.xor(push, v128.and(score, i32x4.splat(0x80000000)));
  return f32x4.sub(v128.andnot(signed, f32x4.eq(size, zero)), dy);
}

/** Cotangents of four tokens' scores to ds [·,E4], and W += |s|ᵀ·C̄ unless W is 0; `pushed` [4,E4] is scratch. */
function scoreRows(t: i32, N: i32, E: i32, scores: usize, repulsion: usize, beta: f32, tau: f32, size: usize, dy: usize, pushed: usize, ds: usize, W: usize): void {
  const E4 = padded(E);
  fourRows(E, dy, repulsion, pushed);
  const rows = min(4, N - t);
  for (let j = 0; j < rows; j++) {
    for (let e = 0; e < E; e += 4) {
      const i = j * E4 + e, score = readRow(at(scores, (t + j) * E), e, E);
      v128.store(at(ds, (t + j) * E4 + e), scoreCotangent(v128.load(at(pushed, i)), score, v128.load(at(dy, i)), beta, tau));
    }
  }
  if (W == 0) return;
  for (let i = 0; i < E; i++) {
    const s = at(size, i);
    const s0 = v128.load32_splat(s), s1 = v128.load32_splat(at(s, E4));
    const s2 = v128.load32_splat(at(s, 2 * E4)), s3 = v128.load32_splat(at(s, 3 * E4));
    for (let e = 0; e < E4; e += 4) {
      const to = at(W, i * E4 + e), d = at(dy, e);
      let sum = madd(s0, v128.load(d), v128.load(to));
      sum = madd(s1, v128.load(at(d, E4)), sum);
      sum = madd(s2, v128.load(at(d, 2 * E4)), sum);
      v128.store(to, madd(s3, v128.load(at(d, 3 * E4)), sum));
    }
  }
}

/** Floats e … e+3 of a row of E; 0 past its end. */
@inline function readRow(row: usize, e: i32, E: i32): v128 {
  if (e + 4 <= E) return v128.load(at(row, e));
  let v = f32x4.splat(0);
  if (e + 2 < E) v = f32x4.replace_lane(v, 2, load<f32>(at(row, e + 2)));
  if (e + 1 < E) v = f32x4.replace_lane(v, 1, load<f32>(at(row, e + 1)));
  return f32x4.replace_lane(v, 0, load<f32>(at(row, e)));
}

/** Ḡ of the cost and of itself → the cotangent of the mean, over the number of tokens, added to that given. */
function meanCotangent(
  E: i32, D: i32, gram: usize, mean: usize, dGram: usize, dMean: usize, W: usize, lambda: f32, live: i32, unit: usize, inverses: usize, dUnit: usize, out: usize,
): void {
  const E4 = padded(E);
  memory.copy(out, dMean, <usize>(E * D) << 2);
  if (W != 0) {
    unitRows(E, D, mean, true, unit, inverses);
    memory.fill(dUnit, 0, <usize>(E * D) << 2);
    for (let i = 0; i < E; i++) {
      for (let e = 0; e < E; e++) {
        const own: f32 = i == e ? 0 : 2 * lambda * load<f32>(at(W, i * E4 + e)) * load<f32>(at(gram, i * E + e));
        const d = load<f32>(at(dGram, i * E + e)) + own;
        addMultiple(at(dUnit, i * D), d, at(unit, e * D), D);
        addMultiple(at(dUnit, e * D), d, at(unit, i * D), D);
      }
    }
    for (let e = 0; e < E; e++) {
      const u = at(unit, e * D), du = at(dUnit, e * D);
      const along = dot(u, du, D), inverse = load<f32>(at(inverses, e));
      addMultiple(at(out, e * D), inverse, du, D);
      addMultiple(at(out, e * D), -inverse * along, u, D);
    }
  }
  multiple(out, <f32>1 / <f32>max(live, 1), out, E * D);
}

/**
 * out_e += factors_e·other_e, then without what lies along unit_e, times inverse_e (unless the rows were unit vectors). The
 * factor of what lies along is taken for four rows at a time.
 */
function backRows(E: i32, D: i32, out: usize, factors: usize, other: usize, unit: usize, inverses: usize, normalise: bool, along: usize): void {
  const step = <usize>D << 2;
  for (let e = 0; e < E; e++) addMultiple(at(out, e * D), load<f32>(at(factors, e)), at(other, e * D), D);
  if (!normalise) return;
  rowDots(E, D, unit, step, out, step, along);
  for (let e = 0; e < E; e++) {
    const row = at(out, e * D);
    addMultiple(row, -load<f32>(at(along, e)), at(unit, e * D), D);
    multiple(row, load<f32>(at(inverses, e)), row, D);
  }
}

/** Pointers as in `routerCost`; dScores, dSpecial may be 0 (no cotangent); writes dr and dx [N,E,D]. */
export function routerCostGradient(
  N: i32, E: i32, D: i32, r: usize, x: usize, mask: usize, scores: usize, gram: usize, mean: usize, ownGram: bool, normalise: bool,
  lambda: f32, beta: f32, tau: f32, dScores: usize, dCost: usize, dGram: usize, dMean: usize, dSpecial: usize, dr: usize, dx: usize, work: usize,
): void {
  const width = E * D, bytes = <usize>width << 2, E4 = padded(E);
  const R = work, X = at(R, width), unit = at(X, width), dUnit = at(unit, width), mBar = at(dUnit, width);
  const repulsion = at(mBar, width), block = at(repulsion, E * E4), W = at(block, E * E4);
  const size = at(W, E * E4), dy = at(size, 4 * E4);
  const pushed = at(dy, 4 * E4), inverseR = at(pushed, 4 * E4), inverseX = at(inverseR, E4), along = at(inverseX, E4);
  const ds = at(along, E4), inner = at(ds, N * E4);
  repulsionOf(E, gram, lambda, true, repulsion);
  memory.fill(block, 0, <usize>(2 * E * E4 + 8 * E4) << 2);
  for (let t = 0; t < N; t += 4) {
    gather(t, N, E, scores, dCost, size, dy);
    scoreRows(t, N, E, scores, repulsion, beta, tau, size, dy, pushed, ds, ownGram ? block : 0);
    if (ownGram && (t & (BLOCK - 1)) == BLOCK - 4) flush(block, W, E * E4);
  }
  if (ownGram) flush(block, W, E * E4);
  meanCotangent(E, D, gram, mean, dGram, dMean, ownGram ? W : 0, lambda, countLive(mask, N), unit, inverseR, dUnit, mBar);
  for (let t = 0; t < N; t++) {
    const drRow = at(dr, t * width), dxRow = at(dx, t * width);
    const s = at(ds, t * E4);
    unitRows(E, D, at(r, t * width), normalise, R, inverseR);
    unitRows(E, D, at(x, t * width), normalise, X, inverseX);
    if (dScores != 0) addMultiple(s, 1, at(dScores, t * E), E);
    if (dSpecial != 0) specialityBackward(1, E, D, R, at(dSpecial, t), drRow, inner);
    else memory.fill(drRow, 0, bytes);
    multiple(dxRow, isLive(mask, t) ? 1 : 0, mBar, width);
    backRows(E, D, drRow, s, X, R, inverseR, normalise, along);
    backRows(E, D, dxRow, s, R, X, inverseX, normalise, along);
  }
}
