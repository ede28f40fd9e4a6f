/**
 * All Sinkhorn steps of one group of experts in one call. A pass over the rows takes the row softmax of x + g and its
 * column sums s; the g step is then g ← g + log b − log s, so a step costs one exponential per entry.
 */
import { maxLanes, sumLanes } from '../../../../tensor/src/kernels/wasm/simd.as';
import { expf, expf4, ln } from './exp-log.as';
import { at, at8, BLOCK, CLOSED, columnMass, flush, liveRows, packCosts, padded } from './problem.as';

/** Below this a column sum has lost terms to float32's range, and its logarithmic sum is taken instead. */
// @ts-ignore: decorator
@inline const SMALLEST_SUM: f64 = 1e-30;
/** Largest |log| of a scaling before the kernel rows are taken anew at the potentials reached. */
// @ts-ignore: decorator
@inline const LARGEST_SCALING: f64 = 20;
/** Largest −log of a kernel entry for which scaling is used: far from float32's smallest number, e⁻⁸⁷. */
// @ts-ignore: decorator
@inline const LARGEST_SPREAD: f64 = 60;

let n: i32, w: i32, w4: i32;
let lowestX: f64;
let x: usize, kernel: usize, rows: usize, shift: usize, rowTop: usize, rowSum: usize;
let g: usize, origin: usize, scaling: usize, block: usize, row: usize, totals: usize, b: usize;

/** Bytes of working memory that `forward` needs. */
export function forwardWork(N: i32, width: i32): i32 {
  return 8 * (N * padded(width) + 2 * N) + 64 * padded(width) + 64;
}

/** x[l] + g to `to`, then exp of it over its top; the sum is in rowSum and the top in rowTop. Returns 1/sum. */
// @ts-ignore: decorator
@inline function expRow(l: i32, to: usize, potential: usize, width: i32): f32 {
  const from = at(x, l * width);
  let top4 = f32x4.splat(-3e38);
  for (let e = 0; e < width; e += 4) {
    const v = f32x4.add(v128.load(at(from, e)), v128.load(at(potential, e)));
    v128.store(at(to, e), v);
    top4 = f32x4.pmax(top4, v);
  }
  const top = maxLanes(top4);
  const top0 = f32x4.splat(top);
  let sum4 = f32x4.splat(0);
  for (let e = 0; e < width; e += 4) {
    const v = expf4(f32x4.sub(v128.load(at(to, e)), top0));
    v128.store(at(to, e), v);
    sum4 = f32x4.add(sum4, v);
  }
  const sum = sumLanes(sum4);
  store<f32>(at(rowTop, l), top);
  store<f32>(at(rowSum, l), sum);
  return <f32>1 / sum;
}

/** The kernel row l times the scalings to `to`; returns its sum. */
// @ts-ignore: decorator
@inline function scaleRow(l: i32, to: usize, scalings: usize, width: i32): f32 {
  const from = at(kernel, l * width);
  let sum4 = f32x4.splat(0);
  for (let e = 0; e < width; e += 4) {
    const v = f32x4.mul(v128.load(at(from, e)), v128.load(at(scalings, e)));
    v128.store(at(to, e), v);
    sum4 = f32x4.add(sum4, v);
  }
  return sumLanes(sum4);
}

/** to ← from·scale, added to the column sums. */
// @ts-ignore: decorator
@inline function addRow(from: usize, to: usize, scale: f32, sums: usize, width: i32): void {
  const scale4 = f32x4.splat(scale);
  for (let e = 0; e < width; e += 4) {
    const v = f32x4.mul(v128.load(at(from, e)), scale4);
    v128.store(at(to, e), v);
    v128.store(at(sums, e), f32x4.add(v128.load(at(sums, e)), v));
  }
}

function clearSums(): void {
  memory.fill(block, 0, <usize>w4 * 4);
  memory.fill(totals, 0, <usize>w4 * 8);
}

/** Column sums of the row softmax of x + g; with `keep` the softmax itself goes to `kernel`. */
function logPass(keep: bool): void {
  const width = w4, to = row, potential = g, sums = block;
  clearSums();
  for (let l = 0; l < n; l++) {
    const inverse = expRow(l, to, potential, width);
    addRow(to, keep ? at(kernel, l * width) : to, inverse, sums, width);
    if ((l & (BLOCK - 1)) == BLOCK - 1) flush(sums, totals, width);
  }
  flush(sums, totals, width);
}

/** v = exp(g − origin) to `scaling`; false where it leaves the range in which K ⊙ v is as good as a new kernel. */
function scalings(): bool {
  for (let e = 0; e < w; e++) {
    if (load<f64>(at8(b, e)) == 0) continue;
    const moved = <f64>load<f32>(at(g, e)) - <f64>load<f32>(at(origin, e));
    if (abs(moved) > LARGEST_SCALING) return false;
    store<f32>(at(scaling, e), expf(<f32>moved));
  }
  return true;
}

/** Whether every entry of softmax(x + g) is far above float32's smallest number. */
function kernelFits(): bool {
  let low: f64 = 1e300, high: f64 = -1e300;
  for (let e = 0; e < w; e++) {
    if (load<f64>(at8(b, e)) == 0) continue;
    low = min(low, <f64>load<f32>(at(g, e)));
    high = max(high, <f64>load<f32>(at(g, e)));
  }
  return high - low - lowestX + ln(<f64>w) <= LARGEST_SPREAD;
}

/** `logPass` from the kernel rows K = softmax(x + origin): a row's softmax is K ⊙ v over its sum. False: not precise. */
function scalingPass(): bool {
  if (!scalings()) return false;
  const width = w4, to = row, v = scaling, sums = block;
  clearSums();
  for (let l = 0; l < n; l++) {
    addRow(to, to, <f32>1 / scaleRow(l, to, v, width), sums, width);
    if ((l & (BLOCK - 1)) == BLOCK - 1) flush(sums, totals, width);
  }
  flush(sums, totals, width);
  for (let e = 0; e < w; e++) if (load<f64>(at8(b, e)) > 0 && load<f64>(at8(totals, e)) < 1e-20) return false;
  return true;
}

/** log Σ_t exp(x_te + f_t) of one column, f of the last `logPass`. */
function columnLogSum(e: i32): f64 {
  let top: f64 = -1e300;
  for (let l = 0; l < n; l++) {
    const v = <f64>load<f32>(at(x, l * w4 + e)) - <f64>load<f32>(at(rowTop, l)) - ln(<f64>load<f32>(at(rowSum, l)));
    top = max(top, v);
  }
  let sum: f64 = 0;
  for (let l = 0; l < n; l++) {
    const v = <f64>load<f32>(at(x, l * w4 + e)) - <f64>load<f32>(at(rowTop, l)) - ln(<f64>load<f32>(at(rowSum, l)));
    sum += <f64>expf(<f32>(v - top));
  }
  return top + ln(sum);
}

/** g ← log b − logsumexp_t(x + f), from the column sums of the pass before. */
function step(): void {
  for (let e = 0; e < w; e++) {
    const mass = load<f64>(at8(b, e));
    if (mass == 0) continue;
    const sum = load<f64>(at8(totals, e));
    const next = sum >= SMALLEST_SUM ? <f64>load<f32>(at(g, e)) + ln(mass / sum) : ln(mass) - columnLogSum(e);
    store<f32>(at(g, e), <f32>next);
  }
}

function columnError(): f64 {
  let worst: f64 = 0;
  for (let e = 0; e < w; e++) worst = max(worst, abs(load<f64>(at8(totals, e)) - load<f64>(at8(b, e))));
  return worst * <f64>w / <f64>n;
}

/** Writes the plan's rows, f and the row error; the column sums of what was written are in `totals`. */
function writePlan(plan: usize, stride: i32, f: usize, fStride: i32, centre: f64, scaled: bool): f64 {
  const width = w4, to = row, sums = block;
  clearSums();
  let worst: f64 = 0;
  for (let l = 0; l < n; l++) {
    let logSum: f64;
    if (scaled) {
      const sum = scaleRow(l, to, scaling, width);
      // divided, as a product with 1/sum would not make a one-hot row's entry exactly 1
      for (let e = 0; e < width; e += 4) v128.store(at(to, e), f32x4.div(v128.load(at(to, e)), f32x4.splat(sum)));
      addRow(to, to, 1, sums, width);
      logSum = <f64>load<f32>(at(rowTop, l)) + ln(<f64>load<f32>(at(rowSum, l)) * <f64>sum);
    } else {
      addRow(to, to, expRow(l, to, g, width), sums, width);
      logSum = <f64>load<f32>(at(rowTop, l)) + ln(<f64>load<f32>(at(rowSum, l)));
    }
    let sum4 = f32x4.splat(0);
    for (let e = 0; e < width; e += 4) sum4 = f32x4.add(sum4, v128.load(at(to, e)));
    worst = max(worst, abs(<f64>sumLanes(sum4) - 1));
    const t = load<i32>(at(rows, l));
    memory.copy(at(plan, t * stride), to, <usize>w * 4);
    store<f32>(at(f, t * fStride), <f32>(<f64>load<f32>(at(shift, l)) - logSum + centre));
    if ((l & (BLOCK - 1)) == BLOCK - 1) flush(sums, totals, width);
  }
  flush(sums, totals, width);
  return worst;
}

/**
 * One group: `cost`, `plan` and `history` point at its first column in rows of `stride`; `f` at its column in rows of
 * `fStride`; `mass`, `start` (0 where not given) and `potential` at its first expert. `tolerance` < 0: none. Writes the
 * plan, f, g, the [iterations + 1] g vectors, the row and column error to `errors`, and returns the steps taken.
 */
export function forward(
  cost: usize, mask: usize, mass: usize, start: usize, plan: usize, f: usize, potential: usize, history: usize, errors: usize,
  work: usize, N: i32, stride: i32, fStride: i32, width: i32, epsilon: f64, iterations: i32, tolerance: f64, scalingDomain: i32,
): i32 {
  w = width; w4 = padded(w);
  totals = work; b = at8(totals, w4); g = at8(b, w4);
  origin = at(g, w4); scaling = at(origin, w4); block = at(scaling, w4); row = at(block, w4);
  x = at(row, w4); kernel = at(x, N * w4);
  rows = at(kernel, N * w4); shift = at(rows, N); rowTop = at(shift, N); rowSum = at(rowTop, N);
  n = liveRows(mask, rows, N);
  columnMass(mass, b, w, max(n, 1));
  lowestX = <f64>packCosts(cost, stride, rows, n, w, <f32>epsilon, b, x, shift);
  let opened = 0;
  for (let e = 0; e < w4; e++) {
    const isOpen = load<f64>(at8(b, e)) > 0;
    const from: f32 = start == 0 || e >= w ? 0 : <f32>(<f64>load<f32>(at(start, e)) / epsilon);
    store<f32>(at(g, e), isOpen ? from : CLOSED);
    store<f32>(at(scaling, e), 0);
    opened += <i32>isOpen;
  }
  memory.copy(history, g, <usize>w * 4);

  let steps = 0;
  let kept = false;
  if (n > 0) {
    while (steps < iterations) {
      if (!(kept && scalingPass())) {
        kept = scalingDomain != 0 && kernelFits();
        logPass(kept);
        memory.copy(origin, g, <usize>w4 * 4);
      }
      if (tolerance >= 0 && columnError() <= tolerance) break;
      step();
      steps++;
      memory.copy(at(history, steps * stride), g, <usize>w * 4);
    }
  }
  for (let i = steps + 1; i <= iterations; i++) memory.copy(at(history, i * stride), g, <usize>w * 4);

  let centre: f64 = 0;
  for (let e = 0; e < w; e++) if (load<f64>(at8(b, e)) > 0) centre += <f64>load<f32>(at(g, e));
  centre /= <f64>opened;
  for (let e = 0; e < w; e++) {
    const own = load<f64>(at8(b, e)) > 0 ? <f32>(<f64>load<f32>(at(g, e)) - centre) : <f32>-Infinity;
    store<f32>(at(potential, e), own);
  }
  if (n < N) {
    for (let t = 0; t < N; t++) {
      memory.fill(at(plan, t * stride), 0, <usize>w * 4);
      store<f32>(at(f, t * fStride), <f32>-Infinity);
    }
  }
  const rowError = writePlan(plan, stride, f, fStride, centre, kept && scalings());
  store<f32>(errors, <f32>rowError);
  store<f32>(errors + 4, n > 0 ? <f32>columnError() : 0);
  return steps;
}
