/** `Transpose` of any rank for float32 and int32. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import type { WasmCall } from '../../wasm-call.ts';
import { alias } from './alias.ts';
import { tensorKernels } from './module.ts';
import type { KernelArguments } from './stock.ts';
import { strides, walkTable } from './strides.ts';

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
  const xStrides = strides(plan.shape);
  const outStrides = strides(plan.perm.map(axis => plan.shape[axis] as number));
  const columns = plan.shape[last] as number;
  // the axis that becomes the last one, and where the last one goes
  const from = plan.perm[last] as number;
  const to = plan.perm.indexOf(last);
  const inPlane = (position: number): boolean => position === last || position === to;
  const outer = plan.perm.map((_, position) => position).filter(position => !inPlane(position));
  const table = walkTable(
    call,
    outer.map(position => {
      const axis = plan.perm[position] as number;
      return {
        size: plan.shape[axis] as number,
        a: xStrides[axis] as number,
        b: outStrides[position] as number,
      };
    }),
  );
  const rows = from === last ? 0 : (plan.shape[from] as number);
  tensorKernels(call.backend).transposeWalk(
    call.address(x),
    call.address(out),
    table,
    outer.length,
    rows,
    columns,
    4 * (xStrides[from] as number),
    4 * (outStrides[to] as number),
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
