/**
 * Elementwise functions of two arrays that broadcast. The walk goes over outer axes and hands runs of the last axis
 * to a loop in which each operand either advances or stands still.
 */
import { loadPart, storePart } from './math.as';

// The order is that of BINARY_KERNELS in binary.ts.
const MAXIMUM: i32 = 0, MINIMUM: i32 = 1, GREATER: i32 = 2, GREATER_EQUAL: i32 = 3, LESS: i32 = 4, LESS_EQUAL: i32 = 5,
  EQUAL: i32 = 6;

@inline function extreme(kind: i32, a: v128, b: v128): v128 {
  return kind == MAXIMUM ? f32x4.max(a, b) : f32x4.min(a, b);
}

@inline function compareFloats(kind: i32, a: v128, b: v128): v128 {
  if (kind == GREATER) return f32x4.gt(a, b);
  if (kind == GREATER_EQUAL) return f32x4.ge(a, b);
  if (kind == LESS) return f32x4.lt(a, b);
  if (kind == LESS_EQUAL) return f32x4.le(a, b);
  if (kind == EQUAL) return f32x4.eq(a, b);
  return f32x4.ne(a, b);
}

@inline function compareInts(kind: i32, a: v128, b: v128): v128 {
  if (kind == GREATER) return i32x4.gt_s(a, b);
  if (kind == GREATER_EQUAL) return i32x4.ge_s(a, b);
  if (kind == LESS) return i32x4.lt_s(a, b);
  if (kind == LESS_EQUAL) return i32x4.le_s(a, b);
  if (kind == EQUAL) return i32x4.eq(a, b);
  return i32x4.ne(a, b);
}

/** out[i] = max or min of a[i·aStep], b[i·bStep]; steps 0 or 1. */
@inline function extremeRun(kind: i32, a: usize, b: usize, out: usize, n: i32, aStep: i32, bStep: i32): void {
  const aBytes = <usize>aStep << 4, bBytes = <usize>bStep << 4;
  const a0 = v128.load32_splat(a), b0 = v128.load32_splat(b);
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    v128.store(out, extreme(kind, aStep ? v128.load(a) : a0, bStep ? v128.load(b) : b0));
    a += aBytes; b += bBytes; out += 16;
  }
  if (i < n) {
    const x = aStep ? loadPart(a, n - i) : a0, y = bStep ? loadPart(b, n - i) : b0;
    storePart(out, extreme(kind, x, y), n - i);
  }
}

/** The same for a comparison; the results are bytes 0 and 1. */
@inline function compareRun(
  kind: i32, ints: bool, a: usize, b: usize, out: usize, n: i32, aStep: i32, bStep: i32,
): void {
  const aBytes = <usize>aStep << 4, bBytes = <usize>bStep << 4;
  const a0 = v128.load32_splat(a), b0 = v128.load32_splat(b);
  const one = i8x16.splat(1);
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const x0 = aStep ? v128.load(a) : a0, y0 = bStep ? v128.load(b) : b0;
    a += aBytes; b += bBytes;
    const x1 = aStep ? v128.load(a) : a0, y1 = bStep ? v128.load(b) : b0;
    a += aBytes; b += bBytes;
    const m0 = ints ? compareInts(kind, x0, y0) : compareFloats(kind, x0, y0);
    const m1 = ints ? compareInts(kind, x1, y1) : compareFloats(kind, x1, y1);
    const words = i16x8.narrow_i32x4_s(m0, m1);
    v128.store64_lane(out, v128.and(i8x16.narrow_i16x8_s(words, words), one), 0);
    out += 8;
  }
  for (; i < n; i++) {
    const x = v128.load32_splat(a), y = v128.load32_splat(b);
    const m = ints ? compareInts(kind, x, y) : compareFloats(kind, x, y);
    store<u8>(out, i32x4.extract_lane(m, 0) & 1);
    a += <usize>aStep << 2; b += <usize>bStep << 2; out += 1;
  }
}

@inline function run(kind: i32, ints: bool, a: usize, b: usize, out: usize, n: i32, aStep: i32, bStep: i32): void {
  if (kind <= MINIMUM) extremeRun(kind, a, b, out, n, aStep, bStep);
  else compareRun(kind, ints, a, b, out, n, aStep, bStep);
}

/** As `transposeWalk`: `axes` holds [size, a stride, b stride, counter] per outer axis, strides in bytes. */
@inline function walk(
  kind: i32, ints: bool, a: usize, b: usize, out: usize, axes: usize, rank: i32, n: i32, aStep: i32, bStep: i32,
): void {
  const bytes = <usize>n << (kind <= MINIMUM ? 2 : 0);
  while (true) {
    run(kind, ints, a, b, out, n, aStep, bStep);
    out += bytes;
    let d = rank - 1;
    for (; d >= 0; d--) {
      const axis = axes + (<usize>d << 4);
      const next = load<i32>(axis, 12) + 1;
      a += load<i32>(axis, 4); b += load<i32>(axis, 8);
      if (next < load<i32>(axis)) { store<i32>(axis, next, 12); break; }
      a -= next * load<i32>(axis, 4); b -= next * load<i32>(axis, 8);
      store<i32>(axis, 0, 12);
    }
    if (d < 0) return;
  }
}

/** Every size at least 1. `ints`: int32 comparisons instead of float32. */
export function binary(
  kind: i32, ints: bool, a: usize, b: usize, out: usize, axes: usize, rank: i32, n: i32, aStep: i32, bStep: i32,
): void {
  if (ints) {
    switch (kind) {
      case GREATER: walk(GREATER, true, a, b, out, axes, rank, n, aStep, bStep); break;
      case GREATER_EQUAL: walk(GREATER_EQUAL, true, a, b, out, axes, rank, n, aStep, bStep); break;
      case LESS: walk(LESS, true, a, b, out, axes, rank, n, aStep, bStep); break;
      case LESS_EQUAL: walk(LESS_EQUAL, true, a, b, out, axes, rank, n, aStep, bStep); break;
      case EQUAL: walk(EQUAL, true, a, b, out, axes, rank, n, aStep, bStep); break;
      default: walk(7, true, a, b, out, axes, rank, n, aStep, bStep);
    }
    return;
  }
  switch (kind) {
    case MAXIMUM: walk(MAXIMUM, false, a, b, out, axes, rank, n, aStep, bStep); break;
    case MINIMUM: walk(MINIMUM, false, a, b, out, axes, rank, n, aStep, bStep); break;
    case GREATER: walk(GREATER, false, a, b, out, axes, rank, n, aStep, bStep); break;
    case GREATER_EQUAL: walk(GREATER_EQUAL, false, a, b, out, axes, rank, n, aStep, bStep); break;
    case LESS: walk(LESS, false, a, b, out, axes, rank, n, aStep, bStep); break;
    case LESS_EQUAL: walk(LESS_EQUAL, false, a, b, out, axes, rank, n, aStep, bStep); break;
    case EQUAL: walk(EQUAL, false, a, b, out, axes, rank, n, aStep, bStep); break;
    default: walk(7, false, a, b, out, axes, rank, n, aStep, bStep);
  }
}

/** out[i] = condition[i] (a byte) ? a[i] : b[i], 4-byte elements. */
export function select(condition: usize, a: usize, b: usize, out: usize, n: i32): void {
  let i = 0;
  const zero = i32x4.splat(0);
  for (; i + 8 <= n; i += 8) {
    const words = v128.load8x8_u(condition);
    const m0 = i32x4.ne(i32x4.extend_low_i16x8_u(words), zero);
    const m1 = i32x4.ne(i32x4.extend_high_i16x8_u(words), zero);
    v128.store(out, v128.bitselect(v128.load(a), v128.load(b), m0));
    v128.store(out, v128.bitselect(v128.load(a, 16), v128.load(b, 16), m1), 16);
    condition += 8; a += 32; b += 32; out += 32;
  }
  for (; i < n; i++) {
    store<i32>(out, load<u8>(condition) ? load<i32>(a) : load<i32>(b));
    condition += 1; a += 4; b += 4; out += 4;
  }
}

/** Truncates towards zero; NaN gives 0. */
export function floatToInt(x: usize, out: usize, n: i32): void {
  let i = 0;
  for (; i + 4 <= n; i += 4) { v128.store(out, i32x4.trunc_sat_f32x4_s(v128.load(x))); x += 16; out += 16; }
  if (i < n) storePart(out, i32x4.trunc_sat_f32x4_s(loadPart(x, n - i)), n - i);
}
