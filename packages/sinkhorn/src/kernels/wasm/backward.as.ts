/**
 * The gradient of the steps that were run, one group of experts in one call. With A_i the row softmax of x + g_i and
 * B_i = A_{i−1} ⊙ r_i its column softmax (r_i = exp(g_i − g_{i−1})/b), one step back is
 *
 *     M̄ ← M̄ − B_i ḡ + A_{i−1} q        q = ⟨B_i, ḡ⟩        ḡ ← Σ_t A_{i−1} q
 *
 * A is taken from the plan, A_te = u_t P_te v_e with v = exp(g_{i−1} − g_T), without an exponential per entry. So
 * M̄ = P ⊙ (P̄ − ⟨P, P̄⟩ + Σ_i u_i (q_i v_i − (v r ḡ)_i)): a step back reads P once (8 operations an entry), and the sums over
 * i are formed for `CHUNK` steps at once, so that memory does not grow with their number. Where g has moved too far for
 * float32's range every step is taken from the costs instead (backward-logs.as.ts).
 */
import { expWide1 } from '../../../../tensor/src/kernels/wasm/math.as';
import { madd } from '../../../../tensor/src/kernels/wasm/simd.as';
import { gradientFromCosts } from './backward-logs.as';
import { ln } from './ln.as';
import { at, at8, b, BLOCK, block, clearSums, flush, given, lanes, moreLanes, n, packed, padded, prepare, problemWork, storePairs, totals, w, w8 } from './problem.as';
import { addRows, alive, lane0, lane1, lane2, lane3, pairSums, rowAt } from './rows4.as';

/** Largest |g_{i−1} − g_T| for which A is taken from the plan, and largest log r for which B is A ⊙ r. */
@inline const LARGEST_MOVE: f64 = 20;
@inline const LARGEST_RATIO: f64 = 40;
/** Steps whose row factors are kept at a time. */
@inline const CHUNK: i32 = 4;

/** Bytes of working memory that `backward` needs. */
export function backwardWork(N: i32, width: i32, logs: bool): i32 {
  const matrices = logs ? 2 : padded(width) != width ? 3 : 0;
  return problemWork(N, width) + 4 * (matrices * N * padded(width) + (2 * CHUNK + 7) * padded(width) + (2 * CHUNK + 1) * (N + 4)) + 64;
}

/** Whether every step can be taken from the plan. */
function near(history: usize, stride: i32, steps: i32): bool {
  for (let i = 1; i <= steps; i++) {
    const after = at(history, i * stride), before = at(history, (i - 1) * stride), last = at(history, steps * stride);
    for (let e = 0; e < w; e++) {
      const mass = load<f64>(at8(b, e));
      if (mass == 0) continue;
      const from = <f64>load<f32>(at(before, e));
      if (!(abs(from - <f64>load<f32>(at(last, e))) <= LARGEST_MOVE)) return false;
      if (!(<f64>load<f32>(at(after, e)) - from - ln(mass) <= LARGEST_RATIO)) return false;
    }
  }
  return true;
}

/** ⟨P, P̄⟩ of each row, and the column sums of P ⊙ (P̄ − ⟨P, P̄⟩). */
function lastRowStep(plan: usize, cotangent: usize, inner: usize): void {
  const width = w8, count = n, sums = block, offsets = packed;
  clearSums();
  for (let l = 0; l < count; l += 4) {
    const p0 = rowAt(plan, offsets, l, count), p1 = rowAt(plan, offsets, l + 1, count);
    const p2 = rowAt(plan, offsets, l + 2, count), p3 = rowAt(plan, offsets, l + 3, count);
    const c0 = rowAt(cotangent, offsets, l, count), c1 = rowAt(cotangent, offsets, l + 1, count);
    const c2 = rowAt(cotangent, offsets, l + 2, count), c3 = rowAt(cotangent, offsets, l + 3, count);
    let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    for (let e = 0; e < width; e += 8) {
      a0 = madd(v128.load(at(p0, e)), v128.load(at(c0, e)), a0); b0 = madd(v128.load(at(p0, e), 16), v128.load(at(c0, e), 16), b0);
      a1 = madd(v128.load(at(p1, e)), v128.load(at(c1, e)), a1); b1 = madd(v128.load(at(p1, e), 16), v128.load(at(c1, e), 16), b1);
      a2 = madd(v128.load(at(p2, e)), v128.load(at(c2, e)), a2); b2 = madd(v128.load(at(p2, e), 16), v128.load(at(c2, e), 16), b2);
      a3 = madd(v128.load(at(p3, e)), v128.load(at(c3, e)), a3); b3 = madd(v128.load(at(p3, e), 16), v128.load(at(c3, e), 16), b3);
    }
    storePairs(lanes, a0, b0, a1, b1, a2, b2, a3, b3);
    const inner4 = pairSums(lanes), counted = alive(l, count);
    v128.store(at(inner, l), inner4);
    const i0 = lane0(inner4), i1 = lane1(inner4), i2 = lane2(inner4), i3 = lane3(inner4);
    const o1 = lane1(counted), o2 = lane2(counted), o3 = lane3(counted);
    for (let e = 0; e < width; e += 8) {
      let s = v128.load(at(sums, e)), t = v128.load(at(sums, e), 16);
      s = madd(v128.load(at(p0, e)), f32x4.sub(v128.load(at(c0, e)), i0), s);
      t = madd(v128.load(at(p0, e), 16), f32x4.sub(v128.load(at(c0, e), 16), i0), t);
      s = madd(f32x4.mul(o1, v128.load(at(p1, e))), f32x4.sub(v128.load(at(c1, e)), i1), s);
      t = madd(f32x4.mul(o1, v128.load(at(p1, e), 16)), f32x4.sub(v128.load(at(c1, e), 16), i1), t);
      s = madd(f32x4.mul(o2, v128.load(at(p2, e))), f32x4.sub(v128.load(at(c2, e)), i2), s);
      t = madd(f32x4.mul(o2, v128.load(at(p2, e), 16)), f32x4.sub(v128.load(at(c2, e), 16), i2), t);
      s = madd(f32x4.mul(o3, v128.load(at(p3, e))), f32x4.sub(v128.load(at(c3, e)), i3), s);
      t = madd(f32x4.mul(o3, v128.load(at(p3, e), 16)), f32x4.sub(v128.load(at(c3, e), 16), i3), t);
      v128.store(at(sums, e), s); v128.store(at(sums, e), t, 16);
    }
    if (((l >> 2) & (BLOCK / 4 - 1)) == BLOCK / 4 - 1) flush();
  }
  flush();
}

/** v of step i, and minus v ⊙ r ⊙ ḡ with ḡ from the column sums; 0 for closed experts. */
function stepWeights(history: usize, stride: i32, i: i32, steps: i32, v: usize, pulled: usize): void {
  const after = at(history, i * stride), before = at(history, (i - 1) * stride), last = at(history, steps * stride);
  for (let e = 0; e < w8; e++) {
    const mass = load<f64>(at8(b, e));
    const open = mass > 0;
    const from: f64 = open ? <f64>load<f32>(at(before, e)) : 0;
    const scaling: f32 = open ? expWide1(<f32>(from - <f64>load<f32>(at(last, e)))) : 0;
    const ratio: f32 = open ? expWide1(<f32>(<f64>load<f32>(at(after, e)) - from - ln(mass))) : 0;
    store<f32>(at(v, e), scaling);
    store<f32>(at(pulled, e), -(<f32>load<f64>(at8(totals, e)) * ratio) * scaling);
  }
}

/** u and q of each row in one step back, and ḡ before it as column sums. */
function stepBack(plan: usize, v: usize, pulled: usize, u: usize, q: usize): void {
  const width = w8, count = n, sums = block, offsets = packed;
  clearSums();
  for (let l = 0; l < count; l += 4) {
    const r0 = rowAt(plan, offsets, l, count), r1 = rowAt(plan, offsets, l + 1, count);
    const r2 = rowAt(plan, offsets, l + 2, count), r3 = rowAt(plan, offsets, l + 3, count);
    let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, c0 = a0, c1 = a0, c2 = a0, c3 = a0;
    let b0 = a0, b1 = a0, b2 = a0, b3 = a0, d0 = a0, d1 = a0, d2 = a0, d3 = a0;
    for (let e = 0; e < width; e += 8) {
      const x = v128.load(at(v, e)), y = v128.load(at(v, e), 16), z = v128.load(at(pulled, e)), t = v128.load(at(pulled, e), 16);
      let p = v128.load(at(r0, e)), s = v128.load(at(r0, e), 16);
      a0 = madd(p, x, a0); b0 = madd(s, y, b0); c0 = madd(p, z, c0); d0 = madd(s, t, d0);
      p = v128.load(at(r1, e)); s = v128.load(at(r1, e), 16);
      a1 = madd(p, x, a1); b1 = madd(s, y, b1); c1 = madd(p, z, c1); d1 = madd(s, t, d1);
      p = v128.load(at(r2, e)); s = v128.load(at(r2, e), 16);
      a2 = madd(p, x, a2); b2 = madd(s, y, b2); c2 = madd(p, z, c2); d2 = madd(s, t, d2);
      p = v128.load(at(r3, e)); s = v128.load(at(r3, e), 16);
      a3 = madd(p, x, a3); b3 = madd(s, y, b3); c3 = madd(p, z, c3); d3 = madd(s, t, d3);
    }
    storePairs(lanes, a0, b0, a1, b1, a2, b2, a3, b3);
    storePairs(moreLanes, c0, d0, c1, d1, c2, d2, c3, d3);
    const u4 = f32x4.div(alive(l, count), pairSums(lanes));
    const q4 = f32x4.neg(f32x4.mul(u4, pairSums(moreLanes)));
    v128.store(at(u, l), u4);
    v128.store(at(q, l), q4);
    addRows(r0, r1, r2, r3, f32x4.mul(u4, q4), sums, width);
    if (((l >> 2) & (BLOCK / 4 - 1)) == BLOCK / 4 - 1) flush();
  }
  flush();
  for (let e = 0; e < width; e++) store<f64>(at8(totals, e), load<f64>(at8(totals, e)) * <f64>load<f32>(at(v, e)));
}

/** Factors and vectors of a chunk of steps: `v`, `pulled`: [CHUNK,w8]; `u`, `q`: [CHUNK] lists of rows `listStep` bytes apart. */
let v: usize = 0;
let pulled: usize = 0;
let u: usize = 0;
let q: usize = 0;
let listStep: usize = 0;

/**
 * Adds Σ_i u_i (q_i v_i − (v r ḡ)_i) of a chunk to what `gradient` holds; the first chunk begins with P̄ − ⟨P, P̄⟩, and the
 * last one makes the gradient of it. Inlined where `first` and `last` are known: V8 joins no pairs across a branch.
 */
@inline function addChunk(plan: usize, cotangent: usize, gradient: usize, inner: usize, first: bool, last: bool, scale: f32): void {
  const width = w8, count = n, offsets = packed, span = <usize>width << 2, scale4 = f32x4.splat(scale), step = listStep;
  const y0 = v, z0 = pulled, uList = u, qList = q;
  for (let l = 0; l < count; l++) {
    const offset = load<u32>(at(offsets, l));
    const to = gradient + offset, p = plan + offset, c = cotangent + offset, uRow = at(uList, l), qRow = at(qList, l);
    const u0 = v128.load32_splat(uRow), u1 = v128.load32_splat(uRow + step);
    const u2 = v128.load32_splat(uRow + 2 * step), u3 = v128.load32_splat(uRow + 3 * step);
    const q0 = v128.load32_splat(qRow), q1 = v128.load32_splat(qRow + step);
    const q2 = v128.load32_splat(qRow + 2 * step), q3 = v128.load32_splat(qRow + 3 * step);
    const inner4 = v128.load32_splat(at(inner, l));
    for (let e = 0; e < width; e += 8) {
      let s: v128, t: v128;
      if (first) {
        s = f32x4.sub(v128.load(at(c, e)), inner4); t = f32x4.sub(v128.load(at(c, e), 16), inner4);
      } else {
        s = v128.load(at(to, e)); t = v128.load(at(to, e), 16);
      }
      let y = at(y0, e), z = at(z0, e);
      s = madd(u0, madd(q0, v128.load(y), v128.load(z)), s); t = madd(u0, madd(q0, v128.load(y, 16), v128.load(z, 16)), t);
      y += span; z += span;
      s = madd(u1, madd(q1, v128.load(y), v128.load(z)), s); t = madd(u1, madd(q1, v128.load(y, 16), v128.load(z, 16)), t);
      y += span; z += span;
      s = madd(u2, madd(q2, v128.load(y), v128.load(z)), s); t = madd(u2, madd(q2, v128.load(y, 16), v128.load(z, 16)), t);
      y += span; z += span;
      s = madd(u3, madd(q3, v128.load(y), v128.load(z)), s); t = madd(u3, madd(q3, v128.load(y, 16), v128.load(z, 16)), t);
      if (last) {
        s = f32x4.mul(f32x4.mul(v128.load(at(p, e)), s), scale4); t = f32x4.mul(f32x4.mul(v128.load(at(p, e), 16), t), scale4);
      }
      v128.store(at(to, e), s); v128.store(at(to, e), t, 16);
    }
  }
}

/** Rows of w as they lie to rows of whole vectors ended by zeros. */
function pack(from: usize, to: usize): void {
  for (let l = 0; l < n; l++) {
    const row = to + load<u32>(at(packed, l));
    memory.copy(row, from + load<u32>(at(given, l)), <usize>w << 2);
    for (let e = w; e < w8; e++) store<f32>(at(row, e), 0);
  }
}

/**
 * One group; pointers as in `forward`. `steps` of the `history` are undone; writes the gradient with respect to the cost.
 * False where float32 does not hold the steps as factors of the plan: they want `logs`.
 */
export function backward(
  cost: usize, mask: usize, mass: usize, plan: usize, history: usize, cotangent: usize, gradient: usize, work: usize,
  N: i32, stride: i32, width: i32, epsilon: f64, steps: i32, logs: bool,
): bool {
  const free = (prepare(mask, mass, N, stride, width, epsilon, work) + 15) & ~15;
  const scale = <f32>(-1.0 / epsilon);
  if (!logs && !near(history, stride, steps)) return false;
  for (let t = 0; t < N && n < N; t++) {
    if (mask != 0 && load<f32>(at(mask, t)) > 0) continue;
    memory.fill(at(gradient, t * stride), 0, <usize>w * 4);
  }
  if (n == 1 && steps > 0) {
    memory.fill(rowAt(gradient, given, 0, n), 0, <usize>w * 4); // one token's plan is the column mass whatever its costs
    return true;
  }
  if (logs) {
    gradientFromCosts(cost, plan, history, cotangent, gradient, free, stride, steps, scale);
    return true;
  }
  listStep = <usize>(N + 4) << 2;
  v = free;
  pulled = at(v, CHUNK * w8);
  u = at(pulled, CHUNK * w8);
  q = u + <usize>CHUNK * listStep;
  const inner = q + <usize>CHUNK * listStep;
  let from = plan, seen = cotangent, to = gradient;
  if (w != w8) {
    from = at(inner, N + 4);
    seen = at(from, N * w8);
    to = at(seen, N * w8);
    pack(plan, from);
    pack(cotangent, seen);
  }
  lastRowStep(from, seen, inner);
  let i = steps;
  let first = true;
  do {
    for (let c = 0; c < CHUNK; c++) {
      const vc = at(v, c * w8), pulledC = at(pulled, c * w8), uc = u + <usize>c * listStep, qc = q + <usize>c * listStep;
      if (i > 0) {
        stepWeights(history, stride, i, steps, vc, pulledC);
        stepBack(from, vc, pulledC, uc, qc);
        i--;
      } else {
        memory.fill(vc, 0, <usize>w8 << 2);
        memory.fill(pulledC, 0, <usize>w8 << 2);
        memory.fill(uc, 0, listStep);
        memory.fill(qc, 0, listStep);
      }
    }
    if (i > 0) {
      if (first) addChunk(from, seen, to, inner, true, false, scale);
      else addChunk(from, seen, to, inner, false, false, scale);
    } else if (first) addChunk(from, seen, to, inner, true, true, scale);
    else addChunk(from, seen, to, inner, false, true, scale);
    first = false;
  } while (i > 0);
  if (w != w8) for (let l = 0; l < n; l++) memory.copy(rowAt(gradient, given, l, n), rowAt(to, packed, l, n), <usize>w << 2);
  return true;
}
