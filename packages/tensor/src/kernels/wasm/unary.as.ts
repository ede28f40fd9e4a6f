/** Elementwise functions of contiguous float32 data. */
import { erf4, exp4, loadPart, log4, sigmoid4, softplus4, storePart, tanh4 } from './math.as';

// The order is that of UNARY_KERNELS in unary.ts.
@inline function apply(kind: i32, x: v128): v128 {
  if (kind == 0) return exp4(x);
  if (kind == 1) return log4(x);
  if (kind == 2) return sigmoid4(x);
  if (kind == 3) return tanh4(x);
  if (kind == 4) return softplus4(x);
  if (kind == 5) return f32x4.sqrt(x);
  if (kind == 6) return f32x4.div(f32x4.splat(1), f32x4.sqrt(x));
  if (kind == 7) return f32x4.div(f32x4.splat(1), x);
  if (kind == 8) return erf4(x);
  return sign4(x);
}

/** −1, 0 or 1; 0 for NaN, as in tfjs. */
@inline function sign4(x: v128): v128 {
  const zero = f32x4.splat(0), one = f32x4.splat(1);
  return f32x4.sub(v128.and(f32x4.gt(x, zero), one), v128.and(f32x4.lt(x, zero), one));
}

@inline function run(kind: i32, x: usize, out: usize, n: i32): void {
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const a = apply(kind, v128.load(x)), b = apply(kind, v128.load(x, 16));
    v128.store(out, a); v128.store(out, b, 16);
    x += 32; out += 32;
  }
  if (i + 4 <= n) { v128.store(out, apply(kind, v128.load(x))); x += 16; out += 16; i += 4; }
  if (i < n) storePart(out, apply(kind, loadPart(x, n - i)), n - i);
}

/** out[i] = f(x[i]); `out` may be `x`. */
export function unary(kind: i32, x: usize, out: usize, n: i32): void {
  switch (kind) {
    case 0: run(0, x, out, n); break;
    case 1: run(1, x, out, n); break;
    case 2: run(2, x, out, n); break;
    case 3: run(3, x, out, n); break;
    case 4: run(4, x, out, n); break;
    case 5: run(5, x, out, n); break;
    case 6: run(6, x, out, n); break;
    case 7: run(7, x, out, n); break;
    case 8: run(8, x, out, n); break;
    default: run(9, x, out, n);
  }
}
