/**
 * Sinkhorn passes by scalings. A pass that takes exponentials makes kernel rows K = exp(x + o − max o) at the potentials o
 * then in force; while g stays near o a row's softmax is K ⊙ v over its sum, v = exp(g − o), and a pass over the matrix
 * is a product with v and one with its transpose: 4 operations an entry, on 4 bytes read once. At N×E = 2048×32 the
 * matrix lies in the L2 cache, from about 8192×64 on the memory's speed decides.
 */
import { expWide1, log4 } from '../../../../tensor/src/kernels/wasm/math.as';
import { maxLanes } from '../../../../tensor/src/kernels/wasm/simd.as';
import { kernelRow, writeConstants } from './kernel-row.as';
import { at, at8, b, BLOCK, block, cheapest4, clearSums, costRow, flush, given, inverse, lanes, masked, n, packed, storePairs, totals, w, w8 } from './problem.as';
import { addRows, alive, dots, lane0, lane1, lane2, lane3, pairSums, rowAt } from './rows4.as';

@inline const LOG2E: f64 = 1.4426950408889634;
/** Largest |log v| before kernel rows are made anew, and the smallest column sum that float32 is sure of. */
@inline const LARGEST_SCALING: f64 = 12;
@inline const SMALLEST_SUM: f64 = 1e-16;
/** Largest −log of a kernel entry: short of float32's smallest normal number, e⁻⁸⁷. */
@inline const LARGEST_SPREAD: f64 = 80;

/** Kernel row l+j (or the last) of four to `to`, from its costs and the cheapest of them; its offset. */
@inline function makeRow(l: i32, j: i32, from: usize, to: usize, base: f32, offsets: usize, top: f64, low: f32, high: f32, binary: usize, table: usize, width: i32): void {
  store<f32>(at(offsets, min(l + j, n - 1)), <f32>(top - <f64>base * inverse));
  kernelRow(from, to, base, low, high, binary, at(lanes, 8 * j), at(lanes, 32), table, width);
}

/**
 * Makes the kernel rows at g, whose highest potential becomes exponent 0, their `offsets` (highest − cheapest/ε), and the
 * column sums of the row softmax. False where float32's range does not hold them: a spread of costs that exp does not
 * reach, a column that no token reaches, or costs that are not finite. `binary` [w8] and `table` are scratch.
 */
export function kernelPass(cost: usize, kernel: usize, g: usize, offsets: usize, binary: usize, table: usize): bool {
  const width = w8, count = n, sums = block;
  const scale = inverse * LOG2E, high = <f32>scale, low = <f32>(scale - <f64>high);
  const top = highest(g);
  for (let e = 0; e < width; e++) store<f32>(at(binary, e), <f32>((<f64>load<f32>(at(g, e)) - top) * LOG2E));
  writeConstants(table);
  clearSums();
  v128.store(at(lanes, 32), f32x4.splat(0)); v128.store(at(lanes, 36), f32x4.splat(0));
  for (let l = 0; l < count; l += 4) {
    const r0 = rowAt(kernel, packed, l, count), r1 = rowAt(kernel, packed, l + 1, count);
    const r2 = rowAt(kernel, packed, l + 2, count), r3 = rowAt(kernel, packed, l + 3, count);
    const c0 = costRow(cost, l, 0), c1 = costRow(cost, min(l + 1, count - 1), 1);
    const c2 = costRow(cost, min(l + 2, count - 1), 2), c3 = costRow(cost, min(l + 3, count - 1), 3);
    const base = cheapest4(c0, c1, c2, c3, width);
    makeRow(l, 0, c0, r0, f32x4.extract_lane(base, 0), offsets, top, low, high, binary, table, width);
    makeRow(l, 1, c1, r1, f32x4.extract_lane(base, 1), offsets, top, low, high, binary, table, width);
    makeRow(l, 2, c2, r2, f32x4.extract_lane(base, 2), offsets, top, low, high, binary, table, width);
    makeRow(l, 3, c3, r3, f32x4.extract_lane(base, 3), offsets, top, low, high, binary, table, width);
    addRows(r0, r1, r2, r3, f32x4.div(alive(l, count), pairSums(lanes)), sums, width);
    if (((l >> 2) & (BLOCK / 4 - 1)) == BLOCK / 4 - 1) flush();
  }
  flush();
  return kernelFits(g, top) && sumsHold();
}

/** The highest potential of an open expert. */
function highest(g: usize): f64 {
  let top: f64 = -1e300;
  for (let e = 0; e < w; e++) if (load<f64>(at8(b, e)) > 0) top = max(top, <f64>load<f32>(at(g, e)));
  return top;
}

function kernelFits(g: usize, top: f64): bool {
  let least: f64 = 0, x: f64 = 0;
  for (let e = 0; e < w; e++) if (load<f64>(at8(b, e)) > 0) least = min(least, <f64>load<f32>(at(g, e)) - top);
  for (let e = 32; e < 40; e++) x = min(x, <f64>load<f32>(at(lanes, e)));
  return least + x * inverse >= -LARGEST_SPREAD;
}

/** Whether every open column's sum is a number far above what may have been lost to float32's range. */
function sumsHold(): bool {
  for (let e = 0; e < w; e++) if (load<f64>(at8(b, e)) > 0 && !(load<f64>(at8(totals, e)) >= SMALLEST_SUM)) return false;
  return true;
}

/** v = exp(g − origin) to `v`, 0 for closed experts; false where g is too far from the origin. */
export function scalings(g: usize, origin: usize, v: usize): bool {
  for (let e = 0; e < w8; e++) {
    const open = load<f64>(at8(b, e)) > 0;
    const moved: f64 = open ? <f64>load<f32>(at(g, e)) - <f64>load<f32>(at(origin, e)) : 0;
    if (!(abs(moved) <= LARGEST_SCALING)) return false;
    store<f32>(at(v, e), open ? expWide1(<f32>moved) : 0);
  }
  return true;
}

/** The column sums of the row softmax K ⊙ v over its sum; false where float32 does not hold them. */
export function scalingPass(kernel: usize, v: usize): bool {
  const width = w8, count = n, sums = block;
  clearSums();
  for (let l = 0; l < count; l += 4) {
    const r0 = rowAt(kernel, packed, l, count), r1 = rowAt(kernel, packed, l + 1, count);
    const r2 = rowAt(kernel, packed, l + 2, count), r3 = rowAt(kernel, packed, l + 3, count);
    addRows(r0, r1, r2, r3, f32x4.div(alive(l, count), dots(r0, r1, r2, r3, v, width)), sums, width);
    if (((l >> 2) & (BLOCK / 4 - 1)) == BLOCK / 4 - 1) flush();
  }
  flush();
  for (let e = 0; e < w8; e++) store<f64>(at8(totals, e), load<f64>(at8(totals, e)) * <f64>load<f32>(at(v, e)));
  return sumsHold();
}

/** x/d, correctly rounded where multiply-add is fused: its remainder corrects the product with `inverse` = 1/d. */
@inline function quotient(x: v128, d: v128, inverse: v128): v128 {
  if (!ASC_FEATURE_RELAXED_SIMD) return f32x4.div(x, d);
  const q = f32x4.mul(x, inverse);
  return f32x4.relaxed_madd(f32x4.relaxed_nmadd(q, d, x), inverse, q);
}

/**
 * P = K ⊙ v over its row's sum, in place of K; f, in rows of `fStep` bytes; column sums. Returns the row error. Divided, as
 * a product with 1/sum would not make a one-hot row's entry exactly 1.
 */
export function scaledPlan(kernel: usize, v: usize, offsets: usize, plan: usize, f: usize, fStep: usize, stride: i32, centre: f32): f64 {
  const width = w8, count = n, sums = block;
  let worst = f32x4.splat(0);
  clearSums();
  for (let l = 0; l < count; l += 4) {
    const r0 = rowAt(kernel, packed, l, count), r1 = rowAt(kernel, packed, l + 1, count);
    const r2 = rowAt(kernel, packed, l + 2, count), r3 = rowAt(kernel, packed, l + 3, count);
    const sum = dots(r0, r1, r2, r3, v, width), counted = alive(l, count);
    // a row that stands in gets the plan 0, and is stored before the one it stands in for
    const divisor = ASC_FEATURE_RELAXED_SIMD ? sum : f32x4.div(sum, counted), inverse = f32x4.div(counted, sum);
    const i0 = lane0(inverse), i1 = lane1(inverse), i2 = lane2(inverse), i3 = lane3(inverse);
    const d0 = lane0(divisor), d1 = lane1(divisor), d2 = lane2(divisor), d3 = lane3(divisor);
    let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
    for (let e = 0; e < width; e += 8) {
      const y = v128.load(at(v, e)), z = v128.load(at(v, e), 16);
      const p0 = quotient(f32x4.mul(v128.load(at(r0, e)), y), d0, i0), q0 = quotient(f32x4.mul(v128.load(at(r0, e), 16), z), d0, i0);
      const p1 = quotient(f32x4.mul(v128.load(at(r1, e)), y), d1, i1), q1 = quotient(f32x4.mul(v128.load(at(r1, e), 16), z), d1, i1);
      const p2 = quotient(f32x4.mul(v128.load(at(r2, e)), y), d2, i2), q2 = quotient(f32x4.mul(v128.load(at(r2, e), 16), z), d2, i2);
      const p3 = quotient(f32x4.mul(v128.load(at(r3, e)), y), d3, i3), q3 = quotient(f32x4.mul(v128.load(at(r3, e), 16), z), d3, i3);
      a0 = f32x4.add(a0, p0); b0 = f32x4.add(b0, q0); a1 = f32x4.add(a1, p1); b1 = f32x4.add(b1, q1);
      a2 = f32x4.add(a2, p2); b2 = f32x4.add(b2, q2); a3 = f32x4.add(a3, p3); b3 = f32x4.add(b3, q3);
      const s = f32x4.add(f32x4.add(f32x4.add(f32x4.add(v128.load(at(sums, e)), p0), p1), p2), p3);
      const t = f32x4.add(f32x4.add(f32x4.add(f32x4.add(v128.load(at(sums, e), 16), q0), q1), q2), q3);
      v128.store(at(sums, e), s); v128.store(at(sums, e), t, 16);
      v128.store(at(r3, e), p3); v128.store(at(r3, e), q3, 16); v128.store(at(r2, e), p2); v128.store(at(r2, e), q2, 16);
      v128.store(at(r1, e), p1); v128.store(at(r1, e), q1, 16); v128.store(at(r0, e), p0); v128.store(at(r0, e), q0, 16);
    }
    storePairs(lanes, a0, b0, a1, b1, a2, b2, a3, b3);
    worst = f32x4.pmax(worst, f32x4.mul(f32x4.abs(f32x4.sub(pairSums(lanes), f32x4.splat(1))), counted));
    writePotentials(f32x4.sub(f32x4.splat(centre), f32x4.add(v128.load(at(offsets, l)), log4(sum))), l, count, f, fStep, stride);
    if (((l >> 2) & (BLOCK / 4 - 1)) == BLOCK / 4 - 1) flush();
  }
  flush();
  if (w != w8) for (let l = 0; l < count; l++) memory.copy(rowAt(plan, given, l, count), rowAt(kernel, packed, l, count), <usize>w << 2);
  return <f64>maxLanes(worst);
}

/** Potentials of rows l … l+3, of those that exist. */
@inline function writePotentials(f4: v128, l: i32, count: i32, f: usize, fStep: usize, stride: i32): void {
  v128.store(lanes, f4);
  const rows = min(4, count - l), rowBytes = <u32>stride << 2;
  for (let j = 0; j < rows; j++) {
    const t = masked ? load<u32>(at(given, l + j)) / rowBytes : <u32>(l + j);
    store<f32>(f + <usize>t * fStep, load<f32>(at(lanes, j)));
  }
}
