/** Axes as the walking kernels want them. */
import type { WasmCall } from '../../wasm-call.ts';

/** Elements from one index of each axis to the next. */
export function strides(shape: readonly number[]): number[] {
  const steps: number[] = [];
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    steps[i] = step;
    step *= shape[i] as number;
  }
  return steps;
}

/** Strides of `shape` for walking the axes of `out`: 0 on those that broadcasting repeats. */
export function broadcastStrides(shape: readonly number[], out: readonly number[]): number[] {
  const own = strides(shape);
  const missing = out.length - shape.length;
  return out.map((_, i) => (i < missing || shape[i - missing] === 1 ? 0 : (own[i - missing] as number)));
}

/** One axis of a walk over two arrays, strides in elements. */
export interface WalkAxis {
  readonly size: number;
  readonly a: number;
  readonly b: number;
}

/** Joins neighbouring axes that both arrays pass in one stride, drops axes of size 1. At least one axis remains. */
export function joinAxes(axes: readonly WalkAxis[]): WalkAxis[] {
  const joined: WalkAxis[] = [];
  for (const axis of axes) {
    if (axis.size === 1) continue;
    const before = joined.at(-1);
    if (before !== undefined && before.a === axis.a * axis.size && before.b === axis.b * axis.size) {
      joined[joined.length - 1] = { ...axis, size: before.size * axis.size };
    } else joined.push(axis);
  }
  return joined.length > 0 ? joined : [{ size: 1, a: 1, b: 1 }];
}

/** Writes the outer axes for a walk; returns the table's address. Take views after it. */
export function walkTable(call: WasmCall, axes: readonly WalkAxis[], bytes = 4): number {
  const table = call.scratch(16 * axes.length);
  const cells = call.ints(table, 4 * axes.length);
  axes.forEach(({ size, a, b }, i) => {
    cells.set([size, a * bytes, b * bytes, 0], 4 * i);
  });
  return table;
}
