/** Permutation of axes for 4-byte elements. Strides are in bytes. */
import { transpose4 } from './simd.as';

/** out[j, i] = x[i, j] for i < rows, j < columns; both contiguous in their last axis. */
export function transpose2d(x: usize, xRow: usize, out: usize, outRow: usize, rows: i32, columns: i32): void {
  // 16 rows at a time: each line of `out` is written whole, at once
  for (let i = 0; i < rows; i += 16) {
    const height = min(16, rows - i);
    const quads = height & ~3;
    let from = x, to = out;
    let j = 0;
    for (; j + 4 <= columns; j += 4) {
      let f = from, t = to;
      for (let q = 0; q < quads; q += 4) { transpose4(f, xRow, t, outRow); f += 4 * xRow; t += 16; }
      if (quads < height) copyCells(f, xRow, t, outRow, height - quads, 4);
      from += 16; to += 4 * outRow;
    }
    if (j < columns) copyCells(from, xRow, to, outRow, height, columns - j);
    x += 16 * xRow;
    out += 64;
  }
}

function copyCells(x: usize, xRow: usize, out: usize, outRow: usize, rows: i32, columns: i32): void {
  for (let j = 0; j < columns; j++) {
    let from = x + (<usize>j << 2);
    let to = out + <usize>j * outRow;
    for (let i = 0; i < rows; i++) { store<i32>(to, load<i32>(from)); from += xRow; to += 4; }
  }
}

/** Copies `bytes` (a multiple of 4): vectors for short runs, where a call of memory.copy costs more than it moves. */
@inline function copyRun(to: usize, from: usize, bytes: usize): void {
  if (bytes > 512) { memory.copy(to, from, bytes); return; }
  let at: usize = 0;
  for (; at + 16 <= bytes; at += 16) v128.store(to + at, v128.load(from + at));
  for (; at < bytes; at += 4) store<i32>(to + at, load<i32>(from + at));
}

/** Stores one element `count` times. */
@inline function fillRun(to: usize, from: usize, count: i32): void {
  const value = v128.load32_splat(from);
  let i = 0;
  for (; i + 4 <= count; i += 4) { v128.store(to, value); to += 16; }
  for (; i < count; i++) { v128.store32_lane(to, value, 0); to += 4; }
}

/** In place of a number of rows, what to do with a run. */
const COPY: i32 = 0;
const FILL: i32 = -1;

/**
 * Walks `rank` outer axes, described at `axes` by [size, x stride, out stride, counter] in 4 ints each (counters
 * zero), and in each place transposes a plane, or copies a run of `columns` elements (rows = 0), or fills it with one
 * (rows = −1). A stride of 0 repeats.
 */
export function transposeWalk(
  x: usize, out: usize, axes: usize, rank: i32, rows: i32, columns: i32, xRow: usize, outRow: usize,
): void {
  const bytes = <usize>columns << 2;
  while (true) {
    if (rows == COPY) copyRun(out, x, bytes);
    else if (rows == FILL) fillRun(out, x, columns);
    else transpose2d(x, xRow, out, outRow, rows, columns);
    let d = rank - 1;
    for (; d >= 0; d--) {
      const axis = axes + (<usize>d << 4);
      const next = load<i32>(axis, 12) + 1;
      x += load<i32>(axis, 4); out += load<i32>(axis, 8);
      if (next < load<i32>(axis)) { store<i32>(axis, next, 12); break; }
      x -= next * load<i32>(axis, 4); out -= next * load<i32>(axis, 8);
      store<i32>(axis, 0, 12);
    }
    if (d < 0) return;
  }
}
