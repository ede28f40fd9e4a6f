/**
 * Sinkhorn passes by scalings. A pass that takes exponentials makes kernel rows K = exp(x + o − max o) at the potentials o
 * then in force; while g stays near o a row's softmax is K ⊙ v over its sum, v = exp(g − o), and a pass over the matrix
 * is a product with v and one with its transpose: 4 operations an entry, on 4 bytes read once. At N×E = 2048×32 the
 * matrix lies in the L2 cache, from about 8192×64 on the memory's speed decides.
 */
import { expWide1, log4 } from '../../../../tensor/src/kernels/wasm/math.as';
import { laneSums, madd, maxLanes } from '../../../../tensor/src/kernels/wasm/simd.as';
import { kernelRow } from './kernel-row.as';
import { at, at8, b, BLOCK, block, cheapest, clearSums, costRow, flush, given, inverse, lowest, n, packed, totals, w, w4 } from './problem.as';
import { addRows, alive, dots, lane0, lane1, lane2, lane3, rowAt } from './rows4.as';

@inline const LOG2E: f64 = 1.4426950408889634;
/** Largest |log v| before kernel rows are made anew, and the smallest column sum that float32 is sure of. */
@inline const LARGEST_SCALING: f64 = 12;
@inline const SMALLEST_SUM: f64 = 1e-16;
/** Largest −log of a kernel entry: short of float32's smallest normal number, e⁻⁸⁷. */
@inline const LARGEST_SPREAD: f64 = 80;

/** Kernel row l (or the last) to `to` and its offset; its sum by lanes. */
@inline function makeRow(cost: usize, l: i32, to: usize, offsets: usize, top: f64, low: f32, high: f32, binary: usize, width: i32): v128 {
  const existing = min(l, n - 1);
  const from = costRow(cost, existing);
  const base = cheapest(from, width);
  store<f32>(at(offsets, existing), <f32>(top - <f64>base * inverse));
  return kernelRow(from, to, base, low, high, binary, lowest, width);
}

/**
 * Makes the kernel rows at g, whose highest potential becomes exponent 0, their `offsets` (highest − cheapest/ε), and the
 * column sums of the row softmax. False where float32's range does not hold them: a spread of costs that exp does not
 * reach, a column that no token reaches, or costs that are not finite. `binary` [w4] is scratch.
 */
export function kernelPass(cost: usize, kernel: usize, g: usize, offsets: usize, binary: usize): bool {
  const width = w4, count = n, sums = block;
  const scale = inverse * LOG2E, high = <f32>scale, low = <f32>(scale - <f64>high);
  const top = highest(g);
  for (let e = 0; e < width; e++) store<f32>(at(binary, e), <f32>((<f64>load<f32>(at(g, e)) - top) * LOG2E));
  clearSums();
  v128.store(lowest, f32x4.splat(0));
  for (let l = 0; l < count; l += 4) {
    const r0 = rowAt(kernel, packed, l, count), r1 = rowAt(kernel, packed, l + 1, count);
    const r2 = rowAt(kernel, packed, l + 2, count), r3 = rowAt(kernel, packed, l + 3, count);
    const s0 = makeRow(cost, l, r0, offsets, top, low, high, binary, width);
    const s1 = makeRow(cost, l + 1, r1, offsets, top, low, high, binary, width);
    const s2 = makeRow(cost, l + 2, r2, offsets, top, low, high, binary, width);
    const s3 = makeRow(cost, l + 3, r3, offsets, top, low, high, binary, width);
    addRows(r0, r1, r2, r3, f32x4.div(alive(l, count), laneSums(s0, s1, s2, s3)), sums, width);
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
  for (let e = 0; e < 4; e++) x = min(x, <f64>load<f32>(at(lowest, e)));
  return least + x / LOG2E >= -LARGEST_SPREAD;
}

/** Whether every open column's sum is a number far above what may have been lost to float32's range. */
function sumsHold(): bool {
  for (let e = 0; e < w; e++) if (load<f64>(at8(b, e)) > 0 && !(load<f64>(at8(totals, e)) >= SMALLEST_SUM)) return false;
  return true;
}

/** v = exp(g − origin) to `v`, 0 for closed experts; false where g is too far from the origin. */
export function scalings(g: usize, origin: usize, v: usize): bool {
  for (let e = 0; e < w4; e++) {
    const open = load<f64>(at8(b, e)) > 0;
    const moved: f64 = open ? <f64>load<f32>(at(g, e)) - <f64>load<f32>(at(origin, e)) : 0;
    if (!(abs(moved) <= LARGEST_SCALING)) return false;
    store<f32>(at(v, e), open ? expWide1(<f32>moved) : 0);
  }
  return true;
}

/** The column sums of the row softmax K ⊙ v over its sum; false where float32 does not hold them. */
export function scalingPass(kernel: usize, v: usize): bool {
  const width = w4, count = n, sums = block;
  clearSums();
  for (let l = 0; l < count; l += 4) {
    const r0 = rowAt(kernel, packed, l, count), r1 = rowAt(kernel, packed, l + 1, count);
    const r2 = rowAt(kernel, packed, l + 2, count), r3 = rowAt(kernel, packed, l + 3, count);
    addRows(r0, r1, r2, r3, f32x4.div(alive(l, count), dots(r0, r1, r2, r3, v, width)), sums, width);
    if (((l >> 2) & (BLOCK / 4 - 1)) == BLOCK / 4 - 1) flush();
  }
  flush();
  for (let e = 0; e < w4; e++) store<f64>(at8(totals, e), load<f64>(at8(totals, e)) * <f64>load<f32>(at(v, e)));
  return sumsHold();
}

/**
 * P = K ⊙ v over its row's sum, in place of K; f, in rows of `fStep` bytes; column sums. Returns the row error. Divided, as
 * a product with 1/sum would not make a one-hot row's entry exactly 1.
 */
export function scaledPlan(kernel: usize, v: usize, offsets: usize, plan: usize, f: usize, fStep: usize, stride: i32, centre: f32): f64 {
  const width = w4, count = n, sums = block;
  let worst = f32x4.splat(0);
  clearSums();
  for (let l = 0; l < count; l += 4) {
    const r0 = rowAt(kernel, packed, l, count), r1 = rowAt(kernel, packed, l + 1, count);
    const r2 = rowAt(kernel, packed, l + 2, count), r3 = rowAt(kernel, packed, l + 3, count);
    const sum = dots(r0, r1, r2, r3, v, width);
    const d0 = lane0(sum), d1 = lane1(sum), d2 = lane2(sum), d3 = lane3(sum);
    const counted = alive(l, count);
    const c0 = lane0(counted), c1 = lane1(counted), c2 = lane2(counted), c3 = lane3(counted);
    let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0;
    for (let e = 0; e < width; e += 4) {
      const y = v128.load(at(v, e));
      const p0 = f32x4.div(f32x4.mul(v128.load(at(r0, e)), y), d0), p1 = f32x4.div(f32x4.mul(v128.load(at(r1, e)), y), d1);
      const p2 = f32x4.div(f32x4.mul(v128.load(at(r2, e)), y), d2), p3 = f32x4.div(f32x4.mul(v128.load(at(r3, e)), y), d3);
      a0 = f32x4.add(a0, p0); a1 = f32x4.add(a1, p1); a2 = f32x4.add(a2, p2); a3 = f32x4.add(a3, p3);
      let s = madd(c0, p0, v128.load(at(sums, e)));
      s = madd(c1, p1, s); s = madd(c2, p2, s); s = madd(c3, p3, s);
      v128.store(at(sums, e), s);
      v128.store(at(r0, e), p0); v128.store(at(r1, e), p1); v128.store(at(r2, e), p2); v128.store(at(r3, e), p3);
    }
    worst = f32x4.pmax(worst, f32x4.abs(f32x4.sub(laneSums(a0, a1, a2, a3), f32x4.splat(1))));
    writePotentials(f32x4.sub(f32x4.splat(centre), f32x4.add(v128.load(at(offsets, l)), log4(sum))), l, count, f, fStep, stride);
    if (((l >> 2) & (BLOCK / 4 - 1)) == BLOCK / 4 - 1) flush();
  }
  flush();
  if (w != w4) for (let l = 0; l < count; l++) memory.copy(rowAt(plan, given, l, count), rowAt(kernel, packed, l, count), <usize>w << 2);
  return <f64>maxLanes(worst);
}

@inline function writePotentials(f4: v128, l: i32, count: i32, f: usize, fStep: usize, stride: i32): void {
  v128.store(lowest, f4);
  const rows = min(4, count - l);
  for (let j = 0; j < rows; j++) {
    const t = <usize>(load<u32>(at(given, l + j)) / (<u32>stride << 2));
    store<f32>(f + t * fStep, load<f32>(at(lowest, j)));
  }
}
