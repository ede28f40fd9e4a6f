/** Softmax over the last axis. */
import { exp4, loadPart, storePart } from './math.as';
import { maxRun } from './reduce.as';
import { sumLanes } from './simd.as';

/** out[r, :] = softmax(x[r, :]); `out` may be `x`. */
export function softmaxRows(x: usize, out: usize, rows: i32, n: i32): void {
  for (let r = 0; r < rows; r++) {
    const total = expRow(x, out, n, maxRun(x, n));
    const scale = f32x4.splat(1 / total);
    let i = 0, at = out;
    for (; i + 4 <= n; i += 4) { v128.store(at, f32x4.mul(v128.load(at), scale)); at += 16; }
    if (i < n) storePart(at, f32x4.mul(loadPart(at, n - i), scale), n - i);
    x += <usize>n << 2; out += <usize>n << 2;
  }
}

/** out = e^(x − shift); returns the sum. */
export function expRow(x: usize, out: usize, n: i32, shift: f32): f32 {
  const s = f32x4.splat(shift);
  let a = f32x4.splat(0), b = a;
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const p = exp4(f32x4.sub(v128.load(x), s)), q = exp4(f32x4.sub(v128.load(x, 16), s));
    v128.store(out, p); v128.store(out, q, 16);
    a = f32x4.add(a, p); b = f32x4.add(b, q);
    x += 32; out += 32;
  }
  for (; i + 4 <= n; i += 4) {
    const p = exp4(f32x4.sub(v128.load(x), s));
    v128.store(out, p);
    a = f32x4.add(a, p);
    x += 16; out += 16;
  }
  let total = sumLanes(f32x4.add(a, b));
  for (; i < n; i++) {
    const p = f32x4.extract_lane(exp4(f32x4.splat(load<f32>(x) - shift)), 0);
    store<f32>(out, p);
    total += p;
    x += 4; out += 4;
  }
  return total;
}
