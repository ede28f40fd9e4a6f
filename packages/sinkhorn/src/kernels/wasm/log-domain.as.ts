/**
 * Sinkhorn passes that take exponentials anew at every step: for costs that float32's range does not hold as kernel rows.
 * Down to denormals, which the plan of nearly one-hot rows has.
 */
import { expWide1, expWide4 } from '../../../../tensor/src/kernels/wasm/math.as';
import { maxLanes, sumLanes } from '../../../../tensor/src/kernels/wasm/simd.as';
import { ln } from './ln.as';
import { at, at8, BLOCK, block, cheapest4, clearSums, costRow, flush, given, inverse, n, row, scaled, totals, w, w8 } from './problem.as';

/** Below this a column sum has lost terms to float32's range, and its logarithmic sum is taken instead. */
@inline const SMALLEST_SUM: f64 = 1e-30;

/** x [n,w8] of the rows, and `shift` [n] the cheapest open cost over ε (0: not wanted). */
export function packCosts(cost: usize, x: usize, shift: usize): void {
  for (let l = 0; l < n; l++) {
    const from = costRow(cost, l, 0), to = at(x, l * w8);
    const base = f32x4.extract_lane(cheapest4(from, from, from, from, w8), 0);
    const base4 = f32x4.splat(base);
    for (let e = 0; e < w8; e += 4) v128.store(at(to, e), scaled(base4, v128.load(at(from, e))));
    if (shift != 0) store<f32>(at(shift, l), <f32>(<f64>base * inverse));
  }
}

/** exp(x + g − top) of row l to `to`; its top and its sum to memory. Returns 1/sum. */
@inline function expRow(x: usize, l: i32, to: usize, g: usize, top: usize, sum: usize, width: i32): f32 {
  const from = at(x, l * width);
  let top4 = f32x4.splat(-3e38);
  for (let e = 0; e < width; e += 4) {
    const v = f32x4.add(v128.load(at(from, e)), v128.load(at(g, e)));
    v128.store(at(to, e), v);
    top4 = f32x4.pmax(top4, v);
  }
  const top1 = maxLanes(top4);
  const top0 = f32x4.splat(top1);
  let sum4 = f32x4.splat(0);
  for (let e = 0; e < width; e += 4) {
    const v = expWide4(f32x4.sub(v128.load(at(to, e)), top0));
    v128.store(at(to, e), v);
    sum4 = f32x4.add(sum4, v);
  }
  const sum1 = sumLanes(sum4);
  store<f32>(at(top, l), top1);
  store<f32>(at(sum, l), sum1);
  return <f32>1 / sum1;
}

/** to ← from·scale, added to the column sums. */
@inline function addRow(from: usize, to: usize, scale: f32, sums: usize, width: i32): void {
  const scale4 = f32x4.splat(scale);
  for (let e = 0; e < width; e += 4) {
    const v = f32x4.mul(v128.load(at(from, e)), scale4);
    v128.store(at(to, e), v);
    v128.store(at(sums, e), f32x4.add(v128.load(at(sums, e)), v));
  }
}

/** Column sums of the row softmax of x + g; each row's top and sum. */
export function logPass(x: usize, g: usize, top: usize, sum: usize): void {
  const width = w8, to = row, sums = block;
  clearSums();
  for (let l = 0; l < n; l++) {
    addRow(to, to, expRow(x, l, to, g, top, sum, width), sums, width);
    if ((l & (BLOCK - 1)) == BLOCK - 1) flush();
  }
  flush();
}

/** What g of a column of mass `mass` becomes: from its sum, or from its logarithmic sum where that has lost terms. */
export function steppedPotential(x: usize, e: i32, g: f64, mass: f64, top: usize, sum: usize): f64 {
  const total = load<f64>(at8(totals, e));
  return total >= SMALLEST_SUM ? g + ln(mass / total) : ln(mass) - columnLogSum(x, e, top, sum);
}

/** log Σ_t exp(x_te + f_t) of one column, f of the last pass. */
function columnLogSum(x: usize, e: i32, top: usize, sum: usize): f64 {
  let most: f64 = -1e300;
  for (let l = 0; l < n; l++) most = max(most, entry(x, e, l, top, sum));
  let total: f64 = 0;
  for (let l = 0; l < n; l++) total += <f64>expWide1(<f32>(entry(x, e, l, top, sum) - most));
  return most + ln(total);
}

@inline function entry(x: usize, e: i32, l: i32, top: usize, sum: usize): f64 {
  return <f64>load<f32>(at(x, l * w8 + e)) - <f64>load<f32>(at(top, l)) - ln(<f64>load<f32>(at(sum, l)));
}

/** Writes the plan's rows and f; column sums of what was written. Returns the row error. */
export function logPlan(x: usize, g: usize, shift: usize, top: usize, sum: usize, plan: usize, f: usize, fStep: usize, stride: i32, centre: f64): f64 {
  const width = w8, to = row, sums = block;
  clearSums();
  let worst: f64 = 0;
  for (let l = 0; l < n; l++) {
    addRow(to, to, expRow(x, l, to, g, top, sum, width), sums, width);
    let sum4 = f32x4.splat(0);
    for (let e = 0; e < width; e += 4) sum4 = f32x4.add(sum4, v128.load(at(to, e)));
    worst = max(worst, abs(<f64>sumLanes(sum4) - 1));
    const offset = load<u32>(at(given, l));
    memory.copy(plan + offset, to, <usize>w * 4);
    const logSum = <f64>load<f32>(at(top, l)) + ln(<f64>load<f32>(at(sum, l)));
    store<f32>(f + <usize>(offset / (<u32>stride << 2)) * fStep, <f32>(<f64>load<f32>(at(shift, l)) - logSum + centre));
    if ((l & (BLOCK - 1)) == BLOCK - 1) flush();
  }
  flush();
  return worst;
}
