/**
 * From routing rows r and expression rows x [N,E,D] to the router's cost in one call: unit vectors R and X, scores
 * s = ⟨R, X⟩, the mean of X and its Gram matrix, repulsion and hinge.
 *
 * Two sweeps. The first reads a token's 2·E·D floats once and makes everything that is its own from unit vectors in the
 * L1 cache: about 6 operations a float. The second, when G is known, reads only scores, four tokens at a time so that a load
 * of G² serves four: 2·E operations a score. Nothing of the size of R or X is written.
 */
import { madd } from '../../../../tensor/src/kernels/wasm/simd.as';
import { addMultiple, at, dot, inverseLengths, multiple, rowDots, scaleRows } from './rows.as';
import { speciality, specialityWork } from './speciality.as';

/** Tokens whose sum is formed before it is added to the total: a shorter chain of roundings. */
@inline export const BLOCK: i32 = 32;

@inline export function padded(E: i32): i32 { return (E + 3) & ~3; }
@inline export function isLive(mask: usize, t: i32): bool { return mask == 0 || load<f32>(at(mask, t)) > 0; }

/** Bytes of scratch. */
export function routerCostWork(E: i32, D: i32): i32 {
  return 4 * (4 * E * D + (E + 9) * padded(E)) + specialityWork(E, D) + 64;
}

/** The unit vectors of E rows and 1/their lengths; the rows themselves and 1 where they are unit vectors already. */
export function unitRows(E: i32, D: i32, rows: usize, normalise: bool, out: usize, inverses: usize): void {
  if (!normalise) {
    for (let e = 0; e < E; e++) store<f32>(at(inverses, e), 1);
    memory.copy(out, rows, <usize>(E * D) << 2);
    return;
  }
  inverseLengths(E, D, rows, inverses);
  scaleRows(E, D, rows, inverses, out);
}

/** total += block, and clears the block. */
export function flush(block: usize, total: usize, n: i32): void {
  addMultiple(total, 1, block, n);
  memory.fill(block, 0, <usize>n << 2);
}

export function countLive(mask: usize, N: i32): i32 {
  let live = 0;
  for (let t = 0; t < N; t++) live += <i32>isLive(mask, t);
  return live;
}

/** G [E,E] of the rows of mean [E,D]; `unit` [E,D] takes their unit vectors. */
function gramOf(E: i32, D: i32, mean: usize, unit: usize, inverses: usize, gram: usize): void {
  unitRows(E, D, mean, true, unit, inverses);
  for (let i = 0; i < E; i++) {
    for (let e = 0; e < E; e++) store<f32>(at(gram, i * E + e), dot(at(unit, i * D), at(unit, e * D), D));
  }
}

/** λ·G² without its diagonal, rows padded with zeros; transposed where asked. */
export function repulsionOf(E: i32, gram: usize, lambda: f32, transposed: bool, out: usize): void {
  const E4 = padded(E);
  memory.fill(out, 0, <usize>(E * E4) << 2);
  for (let i = 0; i < E; i++) {
    for (let e = 0; e < E; e++) {
      const g = load<f32>(at(gram, i * E + e));
      if (i != e) store<f32>(at(out, transposed ? e * E4 + i : i * E4 + e), lambda * g * g);
    }
  }
}

/** out [4,E4] = rows [4,E4] · matrix [E,E4]: a load of the matrix serves four rows. */
export function fourRows(E: i32, rows: usize, matrix: usize, out: usize): void {
  const E4 = padded(E);
  for (let e = 0; e < E4; e += 4) {
    let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0;
    for (let i = 0; i < E; i++) {
      const g = v128.load(at(matrix, i * E4 + e)), s = at(rows, i);
      a0 = madd(v128.load32_splat(s), g, a0);
      a1 = madd(v128.load32_splat(at(s, E4)), g, a1);
      a2 = madd(v128.load32_splat(at(s, 2 * E4)), g, a2);
      a3 = madd(v128.load32_splat(at(s, 3 * E4)), g, a3);
    }
    const to = at(out, e);
    v128.store(to, a0); v128.store(at(to, E4), a1); v128.store(at(to, 2 * E4), a2); v128.store(at(to, 3 * E4), a3);
  }
}

/** C of four tokens' scores (the last stands in for those past the end); `size` [8,E4] is scratch. */
function costRows(t: i32, N: i32, E: i32, scores: usize, repulsion: usize, beta: f32, tau: f32, size: usize, cost: usize): void {
  const E4 = padded(E), pushed = at(size, 4 * E4);
  for (let j = 0; j < 4; j++) {
    const row = at(scores, min(t + j, N - 1) * E), to = at(size, j * E4);
    for (let e = 0; e < E; e++) store<f32>(at(to, e), abs(load<f32>(at(row, e))));
  }
  fourRows(E, size, repulsion, pushed);
  const rows = min(4, N - t);
  for (let j = 0; j < rows; j++) {
    for (let e = 0; e < E; e += 4) {
      const i = j * E4 + e;
      finish(v128.load(at(pushed, i)), t + j, e, E, scores, at(size, i), beta, tau, cost);
    }
  }
}

/** C = repulsion − s + β·relu(|s| − τ)² of four experts of a token. */
@inline function finish(repulsion: v128, t: i32, e: i32, E: i32, scores: usize, size: usize, beta: f32, tau: f32, cost: usize): void {
  const over = f32x4.max(f32x4.splat(0), f32x4.sub(v128.load(size), f32x4.splat(tau)));
  let c = madd(f32x4.mul(over, over), f32x4.splat(beta), repulsion);
  const from = at(scores, t * E + e), to = at(cost, t * E + e);
  if (e + 4 <= E) {
    v128.store(to, f32x4.sub(c, v128.load(from)));
    return;
  }
  for (let j = 0; j < E - e; j++) {
    store<f32>(at(to, j), f32x4.extract_lane(c, 0) - load<f32>(at(from, j)));
    c = i32x4.shuffle(c, c, 1, 2, 3, 0);
  }
}

/**
 * r, x [N,E,D] (vectors of unit length already, unless `normalise`), mask [N] or 0, given [E,E] a Gram matrix to take
 * or 0 → scores, cost [N,E], gram [E,E], mean [E,D], and Σ_{i≠e} ⟨R_i, R_e⟩² per token to `special` [N] unless it is 0.
 */
export function routerCost(
  N: i32, E: i32, D: i32, r: usize, x: usize, mask: usize, given: usize, normalise: bool,
  lambda: f32, beta: f32, tau: f32, scores: usize, cost: usize, gram: usize, mean: usize, special: usize, work: usize,
): void {
  const width = E * D, bytes = <usize>width << 2, E4 = padded(E);
  const R = work, X = at(R, width), block = at(X, width), unit = at(block, width);
  const repulsion = at(unit, width), inverses = at(repulsion, (E + 8) * E4), inner = at(inverses, E4);
  const step = <usize>D << 2;
  memory.fill(mean, 0, bytes);
  memory.fill(block, 0, bytes);
  for (let t = 0; t < N; t++) {
    unitRows(E, D, at(r, t * width), normalise, R, inverses);
    unitRows(E, D, at(x, t * width), normalise, X, inverses);
    rowDots(E, D, R, step, X, step, at(scores, t * E));
    if (isLive(mask, t)) addMultiple(block, 1, X, width);
    if (special != 0) speciality(1, E, D, R, at(special, t), inner);
    if ((t & (BLOCK - 1)) == BLOCK - 1) flush(block, mean, width);
  }
  flush(block, mean, width);
  multiple(mean, <f32>1 / <f32>max(countLive(mask, N), 1), mean, width);
  if (given != 0) memory.copy(gram, given, <usize>(E * E) << 2);
  else gramOf(E, D, mean, unit, inverses, gram);
  costOfScores(N, E, scores, gram, lambda, beta, tau, cost, repulsion);
}

/** Bytes of scratch. */
export function costOfScoresWork(E: i32): i32 {
  return 4 * (E + 8) * padded(E);
}

/** The second sweep alone: scores [N,E], gram [E,E] → cost [N,E]. */
export function costOfScores(
  N: i32, E: i32, scores: usize, gram: usize, lambda: f32, beta: f32, tau: f32, cost: usize, work: usize,
): void {
  const E4 = padded(E), repulsion = work, size = at(repulsion, E * E4);
  repulsionOf(E, gram, lambda, false, repulsion);
  memory.fill(size, 0, <usize>(4 * E4) << 2);
  for (let t = 0; t < N; t += 4) costRows(t, N, E, scores, repulsion, beta, tau, size, cost);
}
