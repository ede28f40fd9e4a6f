/** `Transpose` of any rank for float32 and int32. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import type { WasmCall } from '../../wasm-call.ts';
import { alias } from './alias.ts';
import { tensorKernels } from './module.ts';
import type { KernelArguments } from './stock.ts';

export function transpose(call: WasmCall, { inputs, attrs }: KernelArguments): TensorInfo | undefined {
  const x = inputs.x as TensorInfo;
  const perm = attrs.perm as number[];
  const outShape = perm.map(axis => x.shape[axis] as number);
  const plan = mergeAxes(x.shape, perm);
  if (plan.perm.every((axis, i) => axis === i)) return alias(call, x, outShape);
  if (util.sizeFromShape(outShape) === 0) return call.output(outShape, x.dtype);
  if (x.dtype !== 'float32' && x.dtype !== 'int32') return undefined;
  const out = call.output(outShape, x.dtype);
  const rank = plan.perm.length;
  const last = rank - 1;
  const xStrides = byteStrides(plan.shape);
  const outStrides = byteStrides(plan.perm.map(axis => plan.shape[axis] as number));
  const columns = plan.shape[last] as number;
  // the axis that becomes the last one, and where the last one goes
  const from = plan.perm[last] as number;
  const to = plan.perm.indexOf(last);
  const inPlane = (position: number): boolean => position === last || position === to;
  const outer = plan.perm.map((_, position) => position).filter(position => !inPlane(position));
  const axes = call.scratch(16 * rank);
  const table = call.ints(axes, 4 * rank);
  outer.forEach((position, i) => {
    const axis = plan.perm[position] as number;
    table.set(
      [plan.shape[axis] as number, xStrides[axis] as number, outStrides[position] as number, 0],
      4 * i,
    );
  });
  const rows = from === last ? 0 : (plan.shape[from] as number);
  tensorKernels(call.backend).transposeWalk(
    call.address(x),
    call.address(out),
    axes,
    outer.length,
    rows,
    columns,
    xStrides[from] as number,
    outStrides[to] as number,
  );
  return out;
}

/** Drops axes of size 1 and joins axes that stay neighbours. */
function mergeAxes(shape: readonly number[], perm: readonly number[]): { shape: number[]; perm: number[] } {
  const kept = perm.filter(axis => shape[axis] !== 1);
  const groups: number[][] = [];
  const between = (a: number, b: number): boolean => shape.slice(a + 1, b).every(size => size === 1);
  for (const axis of kept) {
    const group = groups.at(-1);
    const before = group?.at(-1);
    if (group !== undefined && before !== undefined && before < axis && between(before, axis))
      group.push(axis);
    else groups.push([axis]);
  }
  const order = groups
    .map((_, i) => i)
    .sort((i, j) => (groups[i]?.[0] as number) - (groups[j]?.[0] as number));
  return {
    shape: order.map(i => (groups[i] as number[]).reduce((size, axis) => size * (shape[axis] as number), 1)),
    perm: groups.map((_, i) => order.indexOf(i)),
  };
}

function byteStrides(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let stride = 4;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i] as number;
  }
  return strides;
}
