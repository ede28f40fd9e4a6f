/** `Concat` and `SplitV`: runs of several tensors side by side in one, for 4-byte dtypes. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util, util } from '@tensorflow/tfjs-core';
import type { WasmCall } from '../../wasm-call.ts';
import { tensorKernels } from './module.ts';
import type { KernelArguments } from './stock.ts';
import { walkTable } from './strides.ts';

/** `rows` of `transposeWalk`. */
const COPY = 0;

export function concat(call: WasmCall, { inputs, attrs }: KernelArguments): TensorInfo | undefined {
  const given = Object.values(inputs) as TensorInfo[];
  const [first] = given as [TensorInfo];
  const wide = first.dtype === 'float32' || first.dtype === 'int32';
  const parts = given.filter(({ shape }) => util.sizeFromShape(shape) > 0);
  // of a single part tfjs makes an alias
  if (!wide || parts.length < 2 || parts.some(({ dtype }) => dtype !== first.dtype)) return undefined;
  const axis = util.parseAxisParam(attrs.axis as number, first.shape)[0] as number;
  const shapes = given.map(({ shape }) => shape);
  backend_util.assertParamsConsistent(shapes, axis);
  const out = call.output(backend_util.computeOutShape(shapes, axis), first.dtype);
  const row = rowSize(out.shape, axis);
  let to = call.address(out);
  for (const part of parts) {
    const size = rowSize(part.shape, axis);
    copyRows(call, call.address(part), size, to, row, size, rows(part.shape, axis));
    to += 4 * size;
  }
  return out;
}

export function splitV(call: WasmCall, { inputs, attrs }: KernelArguments): TensorInfo[] | undefined {
  const x = inputs.x as TensorInfo;
  if (x.dtype !== 'float32' && x.dtype !== 'int32') return undefined;
  const axis = util.parseAxisParam(attrs.axis as number, x.shape)[0] as number;
  const sizes = backend_util.prepareSplitSize(x as never, attrs.numOrSizeSplits as number[], axis);
  const parts = sizes.map(size => call.output(x.shape.with(axis, size), x.dtype));
  const row = rowSize(x.shape, axis);
  let from = call.address(x);
  for (const part of parts) {
    const size = rowSize(part.shape, axis);
    copyRows(call, from, row, call.address(part), size, size, rows(x.shape, axis));
    from += 4 * size;
  }
  return parts;
}

/** Elements in one index of all axes before `axis`. */
function rowSize(shape: readonly number[], axis: number): number {
  return util.sizeFromShape(shape.slice(axis));
}

function rows(shape: readonly number[], axis: number): number {
  return util.sizeFromShape(shape.slice(0, axis));
}

/** Copies `count` runs of `size` elements; strides in elements. */
function copyRows(
  call: WasmCall,
  from: number,
  fromStride: number,
  to: number,
  toStride: number,
  size: number,
  count: number,
): void {
  if (size === 0 || count === 0) return;
  const table = walkTable(call, [{ size: count, a: fromStride, b: toStride }]);
  tensorKernels(call.backend).transposeWalk(from, to, table, 1, COPY, size, 0, 0);
}
